"""Values of template data: known ones, absent ones, and those that are not known yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class NoValue:
    """`AWS::NoValue`: the property is as if it were not there."""


NO_VALUE = NoValue()


@dataclass(frozen=True)
class Later:
    """Not known yet; `node` is plain template data to evaluate again."""

    node: Any


def is_known(value: Any) -> bool:
    """Whether no part of `value` is Later."""
    if isinstance(value, Later):
        return False
    if isinstance(value, dict):
        return all(map(is_known, value.values()))
    if isinstance(value, list):
        return all(map(is_known, value))
    return True


def plain(value: Any) -> Any:
    """`value` as template data that can be stored and evaluated again."""
    if isinstance(value, Later):
        return value.node
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def text_of(value: Any) -> str:
    """A scalar as the text that CloudFormation makes of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
