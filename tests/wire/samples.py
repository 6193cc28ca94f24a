"""Values of a model's shapes, within their constraints, from a seed that hypothesis draws."""

from __future__ import annotations

import random
import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from functools import cache
from typing import Any

from botocore.model import Shape

from ogi.wire.constraints import compiled

DEPTH_MAX = 4
TEXT = "abcXYZ019 -_./:é日𝒳&<>'\"%+=;,?#\n\t"
HEADER_TEXT = "abcXYZ019-_./:;=?&%"
CATEGORIES = {r"\p{L}": "aZé日", r"\p{Z}": " ", r"\p{N}": "09", r"\p{M}": "\u0301"}
CATEGORIES |= {r"\p{P}": "-", r"\p{S}": "+", r"\p{Zs}": " "}

COLLECTIONS = ("structure", "list", "map")


class NoSample(Exception):
    """The pattern and the lengths are too narrow to be met by chance; the member is left out."""


class Sampler:
    """Draws values. answers: as servers write them, without the constraints on input."""

    def __init__(self, seed: int, *, answers: bool = False, whole_seconds: bool = False) -> None:
        self.random = random.Random(seed)
        self.answers = answers
        self.whole_seconds = whole_seconds
        self._reach = 12

    def value(self, shape: Shape, depth: int = 0, *, where: str = "") -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape, depth)
        if kind == "list":
            return [
                self.value(shape.member, depth + 1, where=where)
                for _ in range(self._size(shape, depth))
            ]
        if kind == "map":
            size = self._size(shape, depth)
            found: dict[str, Any] = {}
            for _ in range(8 * size):  # Some keys come twice.
                if len(found) < size:
                    found[self._key(shape, where)] = self.value(shape.value, depth + 1, where=where)
            return found
        draw = getattr(self, f"_{kind}")
        return draw(shape, where)

    def _structure(self, shape: Shape, depth: int) -> dict[str, Any]:
        names = list(shape.members)
        if shape.is_tagged_union:
            names = [self.random.choice(names)]
        chance = 0.6 if depth == 0 else 0.4 if depth < DEPTH_MAX else 0
        # Query and XML cannot say an empty structure, so one member is always there.
        scalars = [n for n in names if shape.members[n].type_name not in COLLECTIONS]
        sure = self.random.choice(scalars or names) if names else ""
        found: dict[str, Any] = {}
        for name in names:
            member = shape.members[name]
            needed = name in shape.required_members or shape.is_tagged_union
            needed = needed or name == sure
            if not needed and self.random.random() > chance:
                continue
            try:
                where = member.serialization.get("location", "")
                if member.serialization.get("hostLabel"):
                    found[name] = "route-1"
                    continue
                if member.serialization.get("xmlAttribute"):
                    where = "attribute"
                found[name] = self.value(member, depth + 1, where=where)
            except NoSample:
                if name in shape.required_members or name == sure:
                    raise
        return found

    def _size(self, shape: Shape, depth: int) -> int:
        least = int(shape.metadata.get("min", 0) or 0)
        most = int(shape.metadata.get("max", 3) or 3)
        return max(least, min(most, self.random.randint(0 if depth > DEPTH_MAX else 1, 2)))

    def _key(self, shape: Shape, where: str) -> str:
        if where == "headers":
            return "".join(self.random.choices("abcdef-", k=6)) + "x"
        return str(self.value(shape.key))

    def _string(self, shape: Shape, where: str) -> str:
        enum = shape.metadata.get("enum")
        if enum:
            return str(self.random.choice(enum))
        least = int(shape.metadata.get("min", 0) or 0)
        most = int(shape.metadata.get("max") or max(least, 12))
        pattern = shape.metadata.get("pattern")
        if pattern and not self.answers:
            return self._matching(pattern, least, most)
        least = max(least, 1 if where else 0)
        size = self.random.randint(least, max(least, min(most, least + 8)))
        alphabet = HEADER_TEXT if where in ("header", "headers") else TEXT
        return "".join(self.random.choices(alphabet, k=size))

    _character = _string

    def _matching(self, pattern: str, least: int, most: int) -> str:
        self._reach = max(12, 2 * least)
        for _ in range(200):
            text = self._from(tree(pattern))
            if least <= len(text) <= most and compiled(pattern).fullmatch(text):
                return text
        raise NoSample(pattern)

    def _from(self, nodes: Any) -> str:
        return "".join(self._node(op, argument) for op, argument in nodes)

    def _node(self, op: Any, argument: Any) -> str:
        if op is sre.LITERAL:
            return chr(argument)
        if op is sre.ANY:
            return self.random.choice("aB1-")
        if op is sre.IN:
            return self._member(argument)
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = argument
            times = self.random.randint(least, min(most, least + self._reach))
            return "".join(self._from(inner) for _ in range(times))
        if op is sre.SUBPATTERN:
            return self._from(argument[3])
        if op is sre.BRANCH:
            return self._from(self.random.choice(argument[1]))
        if op is sre.NOT_LITERAL:
            return "b"
        return ""  # anchors and assertions: the result is tried against the whole pattern

    def _member(self, items: list[Any]) -> str:
        if items[0][0] is sre.NEGATE:
            return self.random.choice("abc019Z-")
        op, argument = self.random.choice(items)
        if op is sre.LITERAL:
            return chr(argument)
        if op is sre.RANGE:
            return chr(self.random.randint(argument[0], argument[1]))
        kinds = {sre.CATEGORY_DIGIT: "0", sre.CATEGORY_WORD: "w", sre.CATEGORY_SPACE: " "}
        return kinds.get(argument, "a")

    def _integer(self, shape: Shape, where: str) -> int:
        least = int(shape.metadata.get("min") or 0)
        most = int(shape.metadata.get("max") or max(least, 2**31 - 1))
        return self.random.randint(least, most)

    _long = _integer

    def _double(self, shape: Shape, where: str) -> float:
        least = float(shape.metadata.get("min") or 0)
        most = float(shape.metadata.get("max") or least + 1000)
        return self.random.uniform(least, most)

    def _float(self, shape: Shape, where: str) -> float:
        return float(self.random.randint(0, 1000)) / 4

    def _boolean(self, shape: Shape, where: str) -> bool:
        return self.random.random() < 0.5

    def _timestamp(self, shape: Shape, where: str) -> float:
        """Seconds with milliseconds, where the format has them."""
        whole = float(self.random.randint(0, 4_000_000_000))
        if where or self.whole_seconds or shape.serialization.get("timestampFormat") == "rfc822":
            return whole
        return whole + self.random.choice((0, 0.25, 0.5))

    def _blob(self, shape: Shape, where: str) -> bytes:
        least = int(shape.metadata.get("min", 0) or 0)
        most = int(shape.metadata.get("max") or 12)
        size = self.random.randint(least, max(least, min(most, 12)))
        if self.answers:
            return bytes(self.random.choices(b"abc", k=size))
        return self.random.randbytes(size)


@cache
def tree(pattern: str) -> Any:
    for name, characters in CATEGORIES.items():
        pattern = pattern.replace(name, re.escape(characters))
    return parser.parse(pattern.replace(r"\w-_", r"\w\-_"))
