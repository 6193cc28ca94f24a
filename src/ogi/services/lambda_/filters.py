"""Filters of event source mappings: which messages of a queue a function gets. Pure; compiled once.

docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html (the rules) and
docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html: of a message only the body is looked
at; a pattern of JSON drops bodies that are none, and one of text those that are JSON. What no
filter lets through is deleted from the queue.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ogi.errors import unsupported
from ogi.service import Fields
from ogi.services.lambda_.errors import InvalidParameterValueException, ValidationException

FILTERS_MAX = 5
"""Of one mapping ("By default, you can define up to five different filters")."""
PATTERN_CHARS_MAX = 4096
DEPTH_MAX = 32
COMPILED_MAX = 1024

Holds = Callable[[Any], bool]
_ABSENT = object()
_NUMERIC = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def invalid() -> InvalidParameterValueException:
    # AWS's words in github.com/aws/aws-cdk/issues/23057, without CloudFormation's beginning.
    return InvalidParameterValueException("Invalid filter pattern definition.")


def read(criteria: Fields) -> tuple[str, ...]:
    """The patterns of a FilterCriteria, checked."""
    patterns = tuple(entry.get("Pattern", "") for entry in criteria.get("Filters") or ())
    if len(patterns) > FILTERS_MAX:
        # pf-lambda-esm-filters-hard-limit-ten in github.com/badmintoncryer/cdk-preflight
        raise InvalidParameterValueException(
            f"Too many filter patterns, maximum allowed {FILTERS_MAX} patterns, provided "
            f"{len(patterns)} patterns."
        )
    for pattern in patterns:
        if len(pattern) > PATTERN_CHARS_MAX:
            raise ValidationException.of(
                "pattern", pattern,
                f"Member must have length less than or equal to {PATTERN_CHARS_MAX}",
            )  # fmt: skip
        compiled(pattern)
    return patterns


def passing(patterns: Sequence[str], messages: Sequence[Fields]) -> list[Fields]:
    """The messages that one of the patterns lets through; all where there are no patterns."""
    if not patterns:
        return list(messages)
    holds = [compiled(pattern) for pattern in patterns]
    return [message for message in messages if any(hold(message["Body"]) for hold in holds)]


@lru_cache(maxsize=COMPILED_MAX)
def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a message's body passes."""
    try:
        said = msgspec.json.decode(pattern)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid() from error
    return _of_record(said, 0)


def _of_record(pattern: Any, depth: int) -> Callable[[str], bool]:
    if not isinstance(pattern, dict) or not pattern or depth > DEPTH_MAX:
        raise invalid()
    parts: list[Callable[[str], bool]] = []
    for key, wanted in pattern.items():
        if key == "$or":
            either = [_of_record(one, depth + 1) for one in _alternatives(wanted)]
            parts.append(lambda body, either=either: any(part(body) for part in either))  # type: ignore[misc]
        elif key != "body":
            raise invalid()
        elif isinstance(wanted, dict):
            parts.append(_of_json(_members(wanted, depth + 1)))
        else:
            parts.append(_of_text(_rules(wanted)))
    return lambda body: all(part(body) for part in parts)


def _of_json(holds: Holds) -> Callable[[str], bool]:
    return lambda body: isinstance(found := _json(body), dict) and holds(found)


def _of_text(holds: Holds) -> Callable[[str], bool]:
    return lambda body: not isinstance(_json(body), dict | list) and holds(body)


def _json(body: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _ABSENT


def _alternatives(wanted: Any) -> list[Any]:
    if not isinstance(wanted, list) or len(wanted) < 2:
        raise invalid()
    return wanted


def _members(pattern: Any, depth: int) -> Holds:
    """All members of an object, or of one object of a list."""
    if not isinstance(pattern, dict) or not pattern or depth > DEPTH_MAX:
        raise invalid()
    parts: list[tuple[str, Holds]] = []
    either: list[Holds] = []
    for key, wanted in pattern.items():
        if key == "$or":
            either += [_members(one, depth + 1) for one in _alternatives(wanted)]
        elif isinstance(wanted, dict):
            parts.append((key, _within(_members(wanted, depth + 1))))
        else:
            parts.append((key, _rules(wanted)))

    def holds(found: Any) -> bool:
        members = found if isinstance(found, dict) else {}
        return all(part(members.get(key, _ABSENT)) for key, part in parts) and (
            not either or any(one(found) for one in either)
        )

    return holds


def _within(holds: Holds) -> Holds:
    def within(found: Any) -> bool:
        if isinstance(found, list):
            return any(holds(item) for item in found)
        return holds(found)

    return within


def _rules(wanted: Any) -> Holds:
    """One of the rules holds for the value, or for one value of a list."""
    if not isinstance(wanted, list) or not wanted:
        raise invalid()
    rules = [_rule(one) for one in wanted]

    def holds(found: Any) -> bool:
        values = found if isinstance(found, list) and found else [found]
        if found == []:
            values = [_ABSENT]
        return any(rule(value) for rule in rules for value in values)

    return holds


def _rule(wanted: Any) -> Holds:
    if isinstance(wanted, list):
        raise invalid()
    if not isinstance(wanted, dict):
        return lambda found: _same(found, wanted)
    if len(wanted) != 1:
        raise invalid()
    [(name, value)] = wanted.items()
    match name:
        case "exists" if isinstance(value, bool):
            # "Exists match only works on leaf nodes" (EventBridge's guide).
            return lambda found: (found is not _ABSENT and not isinstance(found, dict)) == value
        case "prefix" if isinstance(value, str):
            return lambda found: isinstance(found, str) and found.startswith(value)
        case "suffix" if isinstance(value, str):
            return lambda found: isinstance(found, str) and found.endswith(value)
        case "equals-ignore-case" if isinstance(value, str):
            folded = value.casefold()
            return lambda found: isinstance(found, str) and found.casefold() == folded
        case "anything-but":
            return _anything_but(value)
        case "numeric":
            return _numeric(value)
        case "cidr" | "wildcard":
            raise unsupported(f"the rule {name} in filters of event source mappings")
    raise invalid()


def _anything_but(value: Any) -> Holds:
    if isinstance(value, dict):
        raise unsupported("rules within anything-but in filters of event source mappings")
    others = value if isinstance(value, list) else [value]
    if not others or not all(isinstance(other, str | int | float) for other in others):
        raise invalid()
    return lambda found: found is not _ABSENT and not any(_same(found, other) for other in others)


def _numeric(value: Any) -> Holds:
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise invalid()
    bounds = [(value[at], value[at + 1]) for at in range(0, len(value), 2)]
    for mark, number in bounds:
        if not isinstance(mark, str) or mark not in _NUMERIC or not _is_number(number):
            raise invalid()
    return lambda found: (
        _is_number(found) and all(_NUMERIC[mark](found, number) for mark, number in bounds)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return (
        found is wanted
        if isinstance(wanted, bool) or wanted is None
        else (found == wanted and not isinstance(found, bool))
    )
