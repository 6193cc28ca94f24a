"""Filter patterns over JSON events: `{ ($.level = "ERROR") && ($.items[0].n >= 3) }`.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html: comparisons of text
(with * at its ends) and numbers, IS NULL, IS TRUE, IS FALSE, EXISTS, NOT EXISTS, && before ||.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ogi.services.logs import expressions
from ogi.services.logs.errors import InvalidParameterException

Holds = Callable[[Any], bool]

DEPTH_MAX = 32
"""Parentheses within parentheses."""
_NOTHING = object()

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>&&|\|\||\(|\)|!=|>=|<=|=|>|<)
      | (?P<path>\$(?:\.[\w@-]+|\["[^"]+"\]|\[\d+\])*)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<regex>%[^%]*%)
      | (?P<word>[^\s()=!<>&|"]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r'\.([\w@-]+)|\["([^"]+)"\]|\[(\d+)\]')


def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a message is JSON for which `pattern` holds."""
    if not pattern.endswith("}"):
        raise InvalidParameterException("Invalid filter pattern")
    holds = _Reading(pattern[1:-1].strip()).whole()
    decode = msgspec.json.decode

    def matches(message: str) -> bool:
        try:
            return holds(decode(message))
        except (msgspec.DecodeError, RecursionError):
            return False

    return matches


class _Reading:
    """A recursive descent over the tokens of one pattern."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise InvalidParameterException("Invalid filter pattern")
            kind = token.lastgroup or ""
            self._tokens.append((kind, token[kind]))
            at = token.end()
            at += len(text[at:]) - len(text[at:].lstrip())
        self._at = 0
        regexes = sum(kind == "regex" for kind, _ in self._tokens)
        if regexes > expressions.PER_PATTERN_MAX:
            raise InvalidParameterException("Invalid filter pattern")

    def whole(self) -> Holds:
        found = self._either(0)
        if self._at != len(self._tokens):
            raise InvalidParameterException("Invalid filter pattern")
        return found

    def _either(self, depth: int) -> Holds:
        parts = [self._both(depth)]
        while self._take("mark", "||"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda event: any(part(event) for part in parts)

    def _both(self, depth: int) -> Holds:
        parts = [self._one(depth)]
        while self._take("mark", "&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda event: all(part(event) for part in parts)

    def _one(self, depth: int) -> Holds:
        if depth > DEPTH_MAX:
            raise InvalidParameterException("Invalid filter pattern")
        if self._take("mark", "("):
            found = self._either(depth + 1)
            self._need("mark", ")")
            return found
        path = _path(self._need("path"))
        if self._take("word", "IS"):
            return _is(path, self._need("word"))
        if self._take("word", "EXISTS"):
            return lambda event: _at(event, path) is not _NOTHING
        if self._take("word", "NOT"):
            self._need("word", "EXISTS")
            return lambda event: _at(event, path) is _NOTHING
        mark = self._need("mark")
        kind, value = self._next()
        return _compared(path, mark, kind, value)

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise InvalidParameterException("Invalid filter pattern")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, text):
            self._at += 1
            return True
        return False

    def _need(self, kind: str, text: str | None = None) -> str:
        found, value = self._next()
        if found != kind or (text is not None and value != text):
            raise InvalidParameterException("Invalid filter pattern")
        return value


def _path(text: str) -> tuple[str | int, ...]:
    return tuple(int(step[2]) if step[2] else step[0] or step[1] for step in _STEP.findall(text))


def _at(event: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(event, list) or step >= len(event):
                return _NOTHING
            event = event[step]
        elif isinstance(event, dict) and step in event:
            event = event[step]
        else:
            return _NOTHING
    return event


def _is(path: tuple[str | int, ...], word: str) -> Holds:
    wanted = {"NULL": None, "TRUE": True, "FALSE": False}
    if word not in wanted:
        raise InvalidParameterException("Invalid filter pattern")
    return lambda event: _at(event, path) is wanted[word]


def _compared(path: tuple[str | int, ...], mark: str, kind: str, value: str) -> Holds:
    if kind == "regex":
        return _expressed(path, mark, value)
    if kind not in ("text", "word") or mark in ("(", ")", "&&", "||"):
        raise InvalidParameterException("Invalid filter pattern")
    wanted = _number(value) if kind == "word" else None
    if wanted is not None:
        return lambda event: _holds_number(_at(event, path), mark, wanted)
    if mark not in ("=", "!="):
        raise InvalidParameterException("Invalid filter pattern")
    text = re.sub(r"\\(.)", r"\1", value)
    head, star, tail = text.partition("*")
    if "*" in tail and not (text.startswith("*") and text.endswith("*")):
        raise InvalidParameterException("Invalid filter pattern")

    def equal(found: str) -> bool:
        if not star:
            return found == text
        if text.startswith("*") and text.endswith("*"):
            return text.strip("*") in found
        return len(found) >= len(head) + len(tail) and (
            found.startswith(head) and found.endswith(tail)
        )

    def holds(event: Any) -> bool:
        found = _at(event, path)
        if not isinstance(found, str):
            return False
        return equal(found) == (mark == "=")

    return holds


def _expressed(path: tuple[str | int, ...], mark: str, value: str) -> Holds:
    if mark not in ("=", "!="):
        raise InvalidParameterException("Invalid filter pattern")
    matches = expressions.compiled(value)

    def holds(event: Any) -> bool:
        found = _at(event, path)
        return isinstance(found, str) and matches(found) == (mark == "=")

    return holds


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _holds_number(found: Any, mark: str, wanted: float) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return {
        "=": found == wanted,
        "!=": found != wanted,
        ">": found > wanted,
        ">=": found >= wanted,
        "<": found < wanted,
        "<=": found <= wanted,
    }[mark]
