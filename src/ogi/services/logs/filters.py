"""Filter patterns: over the text of an event (terms, phrases, `-` and `?`), or of other forms.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from ogi.errors import unsupported
from ogi.services.logs import delimited, expressions, selectors
from ogi.services.logs.errors import InvalidParameterException

Matches = Callable[[str], bool]

PATTERNS_MAX = 256
"""Compiled patterns kept in memory."""

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)')


@lru_cache(maxsize=PATTERNS_MAX)
def compiled(pattern: str) -> Matches:
    """Whether a message matches `pattern`; InvalidParameterException if it cannot be read."""
    text = pattern.strip()
    if text.startswith("{"):
        return selectors.compiled(text)
    if text.startswith("["):
        return delimited.compiled(text)
    if text.startswith("%"):
        return expressions.compiled(text)
    needed, anyof, excluded = _terms(text)
    if anyof and (needed or excluded):
        raise unsupported("filter patterns that combine ? with other terms")

    def matches(message: str) -> bool:
        return (
            all(term in message for term in needed)
            and not any(term in message for term in excluded)
            and (not anyof or any(term in message for term in anyof))
        )

    return matches


def _terms(text: str) -> tuple[list[str], list[str], list[str]]:
    """Terms that are needed, of which one is needed, that must not be there."""
    found: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            raise InvalidParameterException("Invalid filter pattern")
        sign, phrase, word = term.groups()
        found[sign].append(re.sub(r"\\(.)", r"\1", phrase) if word is None else word)
        at = term.end()
        while at < len(text) and text[at].isspace():
            at += 1
    return found[""], found["?"], found["-"]
