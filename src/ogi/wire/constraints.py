"""The model's constraints as AWS's services check them, and the sentences they refuse with.

`1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: Member must ...`.
Each input shape becomes one closure, made once; parts of a shape without constraints cost nothing.
Patterns are tried only on values within their own length limit, so that none can take long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import chain, groupby
from typing import Any

from ogi.wire import quirks
from ogi.wire.models import Shape

ERRORS_MAX = 20
"""Errors that one answer lists."""

PATTERN_CHARACTERS_MAX = 4096
"""Where the model limits no length: longer values are not tried against the pattern."""

Check = Callable[[Any, str, list[str]], None]
"""Checks a value, found at a path, and adds sentences to a list."""

Judge = Callable[[Any], bool]


class OwnWords(str):
    """A sentence of the service's own, which stands by itself; `{}` in it is the member."""

    __slots__ = ()


def summary(errors: list[str]) -> str:
    """The service's own check comes after those of the model, and tells of one thing."""
    plain = [error for error in errors if not isinstance(error, OwnWords)]
    if not plain:
        return str(errors[0])
    errors = plain
    plural = "" if len(errors) == 1 else "s"
    return f"{len(errors)} validation error{plural} detected: {'; '.join(errors[:ERRORS_MAX])}"


def lower_first(name: str) -> str:
    """AWS names members in these sentences like Java's fields: `kMSKeyArn`."""
    return name[:1].lower() + name[1:]


class Constraints:
    """Compiles the checks of one service's shapes."""

    def __init__(self, service: str, *, required_only: bool = False) -> None:
        self._words = quirks.PATTERN_SENTENCES.get(service, {})
        self._unchecked = quirks.UNCHECKED_SHAPES.get(service, frozenset())
        self._required_only = required_only
        self._made: dict[str, Check | None] = {}

    def compile(self, shape: Shape) -> Check | None:
        """None: nothing to check."""
        if shape.name in self._made:
            return self._made[shape.name]

        def again(value: Any, path: str, errors: list[str]) -> None:
            check = self._made[shape.name]
            if check is not None:
                check(value, path, errors)

        # A shape that contains itself is found here again; it is then checked at each level.
        self._made[shape.name] = again
        if shape.type == "structure":
            made = self._structure(shape)
        elif shape.type == "list":
            made = _both(self._own(shape), self._list(shape))
        elif shape.type == "map":
            made = _both(self._own(shape), self._map(shape))
        else:
            made = self._own(shape)
        self._made[shape.name] = made
        return made

    def _own(self, shape: Shape) -> Check | None:
        """The constraints that a value has by itself."""
        rules = [] if self._required_only else self._rules(shape)
        if not rules:
            return None
        hidden = shape.definition.sensitive

        def check(value: Any, path: str, errors: list[str]) -> None:
            for judge, sentence in rules:
                if not judge(value):
                    errors.append(_sentence(None if hidden else value, path, sentence))

        return check

    def _rules(self, shape: Shape) -> list[tuple[Judge, str]]:
        definition = shape.definition
        if shape.name in self._unchecked or shape.type in ("structure", "timestamp", "boolean"):
            return []
        rules: list[tuple[Judge, str]] = []
        if definition.enum:
            allowed = frozenset(definition.enum)
            listed = ", ".join(definition.enum)
            rules.append((allowed.__contains__, f"Member must satisfy enum value set: [{listed}]"))
        if definition.pattern:
            judge, sentence = _pattern(definition.pattern, definition.max)
            own = self._words.get(definition.pattern)
            rules.append((judge, sentence if own is None else OwnWords(own)))
        numeric = shape.type in ("integer", "long", "float", "double")
        measure = "value" if numeric else "length"
        if definition.max is not None:
            rules.append(_at_most(definition.max, measure, numeric))
        if definition.min is not None and (numeric or definition.min > 0):
            rules.append(_at_least(definition.min, measure, numeric))
        return rules

    def _structure(self, shape: Shape) -> Check | None:
        required = tuple((name, lower_first(name)) for name in shape.required)
        checks = {
            name: (lower_first(name), check)
            for name, member in shape.members.items()
            if (check := self.compile(member)) is not None
        }
        if not required and not checks:
            return None

        def check_structure(value: dict[str, Any], path: str, errors: list[str]) -> None:
            prefix = f"{path}." if path else ""
            for name, said in required:
                if name not in value:
                    errors.append(_missing(f"{prefix}{said}"))
            for name, item in value.items():
                found = checks.get(name)
                if found is not None:
                    found[1](item, f"{prefix}{found[0]}", errors)

        return check_structure

    def _list(self, shape: Shape) -> Check | None:
        element = self.compile(shape.member)
        if element is None:
            return None
        if shape.member.type not in ("structure", "list", "map"):
            return self._scalars(shape.member, "Member must satisfy constraint", iter)

        def check(value: list[Any], path: str, errors: list[str]) -> None:
            for index, item in enumerate(value, 1):
                element(item, f"{path}.{index}.member", errors)
                if len(errors) >= ERRORS_MAX:
                    return

        return check

    def _map(self, shape: Shape) -> Check | None:
        keys = self._scalars(shape.key, "Map keys must satisfy constraint", iter)
        content = self.compile(shape.value)
        if content is None:
            return keys
        if shape.value.type not in ("structure", "list", "map"):
            values = self._scalars(
                shape.value, "Map value must satisfy constraint", lambda value: value.values()
            )
            return _both(keys, values)

        def check(value: dict[str, Any], path: str, errors: list[str]) -> None:
            for key, item in value.items():
                content(item, f"{path}.{key}.member", errors)
                if len(errors) >= ERRORS_MAX:
                    return

        return _both(keys, check)

    def _scalars(self, shape: Shape, preamble: str, items: Callable[[Any], Any]) -> Check | None:
        """All scalars of a collection break its constraint together, in one sentence."""
        rules = [] if self._required_only else self._rules(shape)
        if not rules:
            return None
        # Within the brackets AWS puts the pattern last.
        said = sorted((rule for _, rule in rules), key=lambda rule: "pattern" in rule)
        sentence = f"{preamble}: [{', '.join(said)}]"
        hidden = shape.definition.sensitive

        def check(value: Any, path: str, errors: list[str]) -> None:
            for item in items(value):
                for judge, _ in rules:
                    if not judge(item):
                        errors.append(_sentence(None if hidden else value, path, sentence))
                        return

        return check


def _both(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return second if first is None else first

    def check(value: Any, path: str, errors: list[str]) -> None:
        first(value, path, errors)
        second(value, path, errors)

    return check


def _missing(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _sentence(value: Any, path: str, rule: str) -> str:
    if isinstance(rule, OwnWords):
        return OwnWords(rule.format(path.rpartition(".")[2]))
    said = "Value" if value is None else f"Value '{_java(value)}'"
    return f"{said} at '{path}' failed to satisfy constraint: {rule}"


def _java(value: Any) -> str:
    """A value as Java's toString shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        return f"[{', '.join(_java(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_java(item)}' for key, item in value.items())}}}"
    return str(value)


def _number(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else str(limit)


def _at_most(limit: float, measure: str, numeric: bool) -> tuple[Judge, str]:
    sentence = f"Member must have {measure} less than or equal to {_number(limit)}"
    if numeric:
        return (lambda value: value <= limit), sentence
    return (lambda value: len(value) <= limit), sentence


def _at_least(limit: float, measure: str, numeric: bool) -> tuple[Judge, str]:
    sentence = f"Member must have {measure} greater than or equal to {_number(limit)}"
    if numeric:
        return (lambda value: value >= limit), sentence
    return (lambda value: len(value) >= limit), sentence


# -- patterns -----------------------------------------------------------------------------------


def _pattern(pattern: str, limit: float | None) -> tuple[Judge, str]:
    longest = PATTERN_CHARACTERS_MAX if limit is None else int(limit)

    def judge(value: str) -> bool:
        # The model's patterns are written for Java's `matches`: the whole value.
        return len(value) > longest or compiled(pattern).fullmatch(value) is not None

    return judge, f"Member must satisfy regular expression pattern: {pattern}"


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Java's pattern as Python's: ASCII classes, and Unicode categories by name."""
    text = quirks.PATTERNS.get(pattern, pattern)
    text = re.sub(r"\\p\{(\w+)\}", lambda found: _category(found.group(1)), text)
    return re.compile(text, re.ASCII)


def _category(name: str) -> str:
    r"""The characters of `\p{L}`, `\p{Zs}`, ... as ranges within a class."""
    return "".join(found for kind, found in _ranges().items() if kind.startswith(name))


@cache
def _ranges() -> dict[str, str]:
    """All characters of each general category; planes without letters are left out."""
    points = chain(range(0x40000), range(0xE0000, 0xE0200))
    found: dict[str, list[str]] = {}
    for kind, group in groupby(points, key=lambda point: unicodedata.category(chr(point))):
        run = list(group)
        found.setdefault(kind, []).append(f"\\U{run[0]:08x}-\\U{run[-1]:08x}")
    return {kind: "".join(runs) for kind, runs in found.items()}
