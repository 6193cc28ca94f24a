"""Where in a policy's text its statements stand, as the simulator tells it.

The AWS CLI's examples of simulate-custom-policy and -principal-policy: a statement begins after the
token that opens it, if it stands alone, or after the array's `[`; it ends after its `}`. Where the
further statements of an array begin no page says: here, after what ends the one before.
"""

from __future__ import annotations

import json

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"

Position = dict[str, int]


def of_statements(text: str) -> list[tuple[Position, Position]]:
    """Of a document that compiles."""
    at = _past(text, 0, "{")
    while True:
        key, at = _DECODER.raw_decode(text, _past(text, at, ","))
        at = _past(text, at, ":")
        if key == "Statement":
            break
        _, at = _DECODER.raw_decode(text, at)
    if text[at] == "{":
        _, end = _DECODER.raw_decode(text, at)
        return [(_position(text, at + 1), _position(text, end))]
    at += 1
    found = []
    while text[begin := _past(text, at, ",")] != "]":
        _, end = _DECODER.raw_decode(text, begin)
        found.append((_position(text, at), _position(text, end)))
        at = end
    return found


def _past(text: str, at: int, mark: str) -> int:
    """Behind white space and the mark, if it is there."""
    while text[at] in _SPACE + mark:
        at += 1
    return at


def _position(text: str, offset: int) -> Position:
    line = text.rfind("\n", 0, offset) + 1
    return {"Line": text.count("\n", 0, offset) + 1, "Column": offset - line + 1}
