"""Wildcard patterns of policies: `*`, `?` and `${variables}`, matched in linear time.

A pattern is cut at its stars into pieces; each piece is searched once, from left to right, by
`str.find`, or bit-parallel where it contains `?`. No pattern backtracks, however hostile it is.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

Match = Callable[[str], bool]
Lookup = Callable[[str], str | None]
"""The value of a policy variable by its lower-case name, None where the request has none."""

EXPANDED_MAX: Final = 1024
"""Compiled patterns of variables that were filled in; the oldest are forgotten."""

STAR: Final = ("*",)
ANY: Final = ("?",)
Token = str | tuple[str] | tuple[str, str, str | None]
"""Literal text, STAR, ANY, or ("$", name, default)."""


class Pattern:
    """A compiled pattern. `match` is None where variables must be filled in first."""

    __slots__ = ("everything", "literal", "match", "text", "tokens")

    def __init__(self, text: str, tokens: tuple[Token, ...]) -> None:
        self.text = text
        self.tokens = tokens
        self.everything = tokens == (STAR,)
        self.literal = _literal(tokens)
        variable = any(isinstance(t, tuple) and len(t) == 3 for t in tokens)
        self.match: Match | None = None if variable else _matcher(tokens)

    def matches(self, value: str, lookup: Lookup) -> bool:
        """Whether `value` matches; a variable without a value and a default matches nothing."""
        if self.match is not None:
            return self.match(value)
        tokens = self.filled(lookup)
        return tokens is not None and _matcher(tokens)(value)

    def filled(self, lookup: Lookup) -> tuple[Token, ...] | None:
        """The tokens with all variables replaced by values, which are literal text."""
        filled: list[Token] = []
        for token in self.tokens:
            if isinstance(token, tuple) and len(token) == 3:
                value = lookup(token[1])
                if value is None:
                    value = token[2]
                if value is None:
                    return None
                filled.append(value)
            else:
                filled.append(token)
        return tuple(filled)

    def value(self, lookup: Lookup) -> str | None:
        """The text for exact comparison: wildcards stand for themselves."""
        if self.literal is not None:
            return self.literal
        tokens = self.filled(lookup)
        return (
            None if tokens is None else "".join(t if isinstance(t, str) else t[0] for t in tokens)
        )


def parse(text: str, variables: bool, wildcards: bool = True) -> Pattern:
    """Compile `text`. Without `variables` (version 2008-10-17) `${...}` is literal text."""
    return Pattern(text, tuple(_tokens(text, variables, wildcards)))


def _tokens(text: str, variables: bool, wildcards: bool) -> list[Token]:
    tokens: list[Token] = []
    literal: list[str] = []

    def flush() -> None:
        if literal:
            tokens.append("".join(literal))
            literal.clear()

    at = 0
    while at < len(text):
        char = text[at]
        if variables and char == "$" and text.startswith("${", at):
            end = text.find("}", at)
            if end > 0:
                inner = text[at + 2 : end]
                at = end + 1
                if inner in ("*", "?", "$"):
                    literal.append(inner)
                    continue
                flush()
                tokens.append(_variable(inner))
                continue
        if wildcards and char == "*":
            flush()
            if not tokens or tokens[-1] is not STAR:
                tokens.append(STAR)
        elif wildcards and char == "?":
            flush()
            tokens.append(ANY)
        else:
            literal.append(char)
        at += 1
    flush()
    return tokens


def _variable(inner: str) -> tuple[str, str, str | None]:
    """`key` or `key, 'default'`; names of keys are case-insensitive."""
    name, comma, rest = inner.partition(",")
    default = rest.strip()
    if comma and len(default) >= 2 and default[0] == default[-1] == "'":
        return ("$", name.strip().lower(), default[1:-1])
    return ("$", inner.strip().lower(), None)


def _literal(tokens: tuple[Token, ...]) -> str | None:
    if not tokens:
        return ""
    if len(tokens) == 1 and isinstance(tokens[0], str):
        return tokens[0]
    return None


def wildcard(text: str) -> Match:
    """A matcher of `*` and `?` without variables."""
    match = parse(text, variables=False).match
    assert match is not None
    return match


@lru_cache(maxsize=EXPANDED_MAX)
def _matcher(tokens: tuple[Token, ...]) -> Match:
    pieces: list[list[str | None]] = [[]]
    for token in tokens:
        if token is STAR or token == STAR:
            pieces.append([])
        elif token == ANY:
            pieces[-1].append(None)
        else:
            assert isinstance(token, str)
            pieces[-1].extend(token)
    if len(pieces) == 1:
        return _whole(pieces[0])
    first, *middle, last = pieces
    if all(not piece for piece in middle) and None not in first and None not in last:
        return _ends(_text(first), _text(last))
    return _sequence(first, [piece for piece in middle if piece], last)


def _text(piece: list[str | None]) -> str:
    return "".join(char or "" for char in piece)


def _whole(piece: list[str | None]) -> Match:
    if None not in piece:
        expected = _text(piece)
        return lambda value: value == expected
    size, fits = len(piece), _fitter(piece)
    return lambda value: len(value) == size and fits(value, 0)


def _ends(first: str, last: str) -> Match:
    if not first and not last:
        return lambda value: True
    if not last:
        return lambda value: value.startswith(first)
    if not first:
        return lambda value: value.endswith(last)
    least = len(first) + len(last)
    return lambda value: len(value) >= least and value.startswith(first) and value.endswith(last)


def _sequence(
    first: list[str | None], middle: list[list[str | None]], last: list[str | None]
) -> Match:
    finders = [(_finder(piece), len(piece)) for piece in middle]
    begins, ends = _fitter(first), _fitter(last)
    least = len(first) + len(last)

    def match(value: str) -> bool:
        stop = len(value) - len(last)
        if len(value) < least or not begins(value, 0) or not ends(value, stop):
            return False
        at = len(first)
        for find, size in finders:
            found = find(value, at, stop)
            if found < 0:
                return False
            at = found + size
        return True

    return match


def _fitter(piece: list[str | None]) -> Callable[[str, int], bool]:
    """fits(value, at): whether `piece` stands at `at`; the caller saw to it that it has room."""
    if None not in piece:
        text = _text(piece)
        return lambda value, at: value.startswith(text, at)
    return lambda value, at: all(
        char is None or value[at + i] == char for i, char in enumerate(piece)
    )


def _finder(piece: list[str | None]) -> Callable[[str, int, int], int]:
    """find(value, start, stop): where `piece` stands first, or -1."""
    if None not in piece:
        text = _text(piece)
        return lambda value, start, stop: value.find(text, start, stop)
    # Shift-and: bit i of `state` says that piece[:i + 1] ends at the current character.
    anywhere = sum(1 << i for i, char in enumerate(piece) if char is None)
    masks: dict[str, int] = {}
    for i, char in enumerate(piece):
        if char is not None:
            masks[char] = masks.get(char, anywhere) | 1 << i
    size = len(piece)
    goal = 1 << (size - 1)

    def find(value: str, start: int, stop: int) -> int:
        state = 0
        for at in range(start, stop):
            state = (state << 1 | 1) & masks.get(value[at], anywhere)
            if state & goal:
                return at - size + 1
        return -1

    return find
