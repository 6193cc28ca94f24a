"""Filter patterns over events whose fields stand between spaces: `[ip, user, ..., status = 4*]`.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html: what stands in square
brackets or double quotes is one field; `...` is any number of fields; a field's conditions are
comparisons of text (with *), of numbers, or with regular expressions, joined by && and ||. The last
field takes the rest of the event, as in the guide's `[timestamp=*Z, request_id="*-*", event]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from ogi.services.logs import expressions
from ogi.services.logs.expressions import invalid

Holds = Callable[[str], bool]

FIELDS_MAX = 128
_FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|%[^%]*%|[^,"%])+')
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>&&|\|\||!=|>=|<=|=|>|<)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<regex>%[^%]*%)
      | (?P<word>[^\s=!<>&|"%]+)
    )\s*""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z0-9_\-]+")


def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a message has such fields."""
    before, after = _sides(pattern)
    open_ended = after is not None
    behind = after or []
    if len(before) + len(behind) > FIELDS_MAX:
        raise invalid()

    def matches(message: str) -> bool:
        found = [(match.start(), _bare(match[0])) for match in _FIELD.finditer(message)]
        texts = [text for _, text in found]
        if len(texts) < len(before) + len(behind):
            return False
        if not open_ended and len(texts) > len(before):
            texts[len(before) - 1 :] = [message[found[len(before) - 1][0] :].rstrip()]
        return all(holds(text) for holds, text in zip(before, texts, strict=False)) and all(
            holds(text) for holds, text in zip(reversed(behind), reversed(texts), strict=False)
        )

    return matches


def _bare(field: str) -> str:
    """Without the brackets or quotes around it."""
    return field[1:-1] if len(field) > 1 and field[0] + field[-1] in ('""', "[]") else field


def _sides(pattern: str) -> tuple[list[Holds], list[Holds] | None]:
    """The conditions of the fields before and behind `...`; None: there is none."""
    if not pattern.endswith("]"):
        raise invalid()
    parts = [part.strip() for part in _split(pattern[1:-1])]
    if parts.count("...") > 1:
        raise invalid()
    if sum(part.count("%") for part in parts) > 2 * expressions.PER_PATTERN_MAX:
        raise invalid()
    if "..." not in parts:
        return [_field(part) for part in parts], None
    at = parts.index("...")
    return [_field(part) for part in parts[:at]], [_field(part) for part in parts[at + 1 :]]


def _split(text: str) -> list[str]:
    """At the commas that are not in quotes or regular expressions."""
    parts, at = [], 0
    while True:
        part = _PART.match(text, at)
        if part is None:
            raise invalid()
        parts.append(part[0])
        at = part.end()
        if at == len(text):
            return parts
        if text[at] != ",":
            raise invalid()
        at += 1


def _field(text: str) -> Holds:
    """A name alone, or its conditions; && binds tighter than ||."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise invalid()
        kind = token.lastgroup or ""
        tokens.append((kind, token[kind]))
        at = token.end()
    if len(tokens) == 1 and _is_name(tokens[0]):
        return lambda field: True
    either: list[list[Holds]] = [[]]
    for first in range(0, len(tokens), 4):
        either[-1].append(_condition(tokens[first : first + 3]))
        joint = tokens[first + 3 : first + 4]
        if joint == [("mark", "||")]:
            either.append([])
        elif joint and joint != [("mark", "&&")]:
            raise invalid()
    return lambda field: any(all(holds(field) for holds in both) for both in either)


def _condition(tokens: list[tuple[str, str]]) -> Holds:
    """`name OPERATOR value`"""
    if len(tokens) != 3 or not _is_name(tokens[0]) or tokens[1][0] != "mark":
        raise invalid()
    mark, (kind, value) = tokens[1][1], tokens[2]
    if kind == "mark" or mark in ("&&", "||"):
        raise invalid()
    if mark in ("=", "!="):
        equal = expressions.compiled(value) if kind == "regex" else _equal(kind, value)
        return equal if mark == "=" else lambda field: not equal(field)
    wanted = _number(value) if kind == "word" else None
    if wanted is None:
        raise invalid()
    return lambda field: _compare(_number(field), mark, wanted)


def _is_name(token: tuple[str, str]) -> bool:
    return token[0] == "word" and _NAME.fullmatch(token[1]) is not None


def _equal(kind: str, value: str) -> Holds:
    text = re.sub(r"\\(.)", r"\1", value) if kind == "text" else value
    if "*" in text:
        # Only * is special; fnmatch knows more.
        glob = "*".join(re.sub(r"([\[?])", r"[\1]", part) for part in text.split("*"))
        matches = re.compile(translate(glob)).fullmatch
        return lambda field: matches(field) is not None
    wanted = _number(value) if kind == "word" else None
    return lambda field: field == text or (wanted is not None and _number(field) == wanted)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compare(found: float | None, mark: str, wanted: float) -> bool:
    if found is None:
        return False
    return {
        ">": found > wanted, ">=": found >= wanted, "<": found < wanted, "<=": found <= wanted,
    }[mark]  # fmt: skip
