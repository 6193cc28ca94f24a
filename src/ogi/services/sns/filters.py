"""Filter policies: which of a topic's messages a subscription gets. Pure; compiled once.

docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html and
docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ogi.services.sns import lookups
from ogi.services.sns.conditions import (
    ABSENT,
    Condition,
    FilterError,
    NestedPolicy,
    key_of,
    read,
    whole_of,
)
from ogi.services.sns.lookups import Span

KEYS_MAX = 5
COMBINATIONS_MAX = 150
NAMES_MAX = 150
"""Names on the way to one value; nobody asks for what lies deeper, since depths multiply."""
POLICY_BYTES_MAX = 256 * 1024
COMPILED_MAX = 16_384
COUNTED_MAX = 256
"""Subscriptions that are counted to find the rarer of two sets of tokens."""
HEAD_CHARS = 25
KEPT_CHARS_MAX = 256
"""Messages may name very long paths: of those nothing is kept in memory."""
WHOLE_CHARS_MAX = 40
"""Of numbers of which each digit counts."""
ATTRIBUTES, BODY = "MessageAttributes", "MessageBody"

_RESERVED = frozenset((
    "prefix", "suffix", "anything-but", "equals-ignore-case", "wildcard", "numeric", "exists",
    "cidr",
))  # fmt: skip

EXACT = "="
"""The kind of plain values; those of others are in lookups."""
_BEHIND = "~"
"""Behind all names of conditions."""

Path = tuple[str, ...]
"""Names from the outside in. In bodies, and in policies about them, a dot in a name is a step as
well: `{"a.b": ...}` and `{"a": {"b": ...}}` say the same, since AWS flattens both alike
(github.com/localstack/localstack/pull/9319, "after checking with AWS")."""
Values = Mapping[Path, Sequence[Any]]
"""What a message says: the values at the end of each path."""


class Rule(msgspec.Struct, frozen=True):
    """The values at one path must fulfil one of these conditions."""

    path: Path
    conditions: tuple[Condition, ...]
    depth: int
    """How deep it stands in the policy."""

    def holds(self, values: Values) -> bool:
        found = values.get(self.path)
        if found is None:
            return ABSENT in self.conditions
        for condition in self.conditions:  # Plain loops: this is asked ten thousand times over.
            for value in found:
                if condition(value):
                    return True
        return False

    def buckets(self, scope: str) -> tuple[str, ...] | None:
        """Of which a message that holds opens one; None if it may open none, having no value."""
        found: set[str] = set()
        for condition in self.conditions:
            if condition.names:
                head = head_of(scope, self.path)
                found.update(head + name for name in condition.names)
            elif hasattr(condition, "key"):
                found.add(token(scope, self.path, condition.key))
            else:
                return None
        return tuple(sorted(found))

    @property
    def texts(self) -> list[str] | None:
        """The texts of which a message must have one here; None if others will do too."""
        texts = [getattr(condition, "text", None) for condition in self.conditions]
        return None if None in texts else [t for t in texts if t is not None]


class Filter(msgspec.Struct, frozen=True):
    """All rules of one of the alternatives must hold."""

    scope: str
    alternatives: tuple[tuple[Rule, ...], ...]
    tokens: tuple[str, ...]
    """Every message that matches has one of these; none if no such set is known. Where
    subscriptions lie that were made before there was a choice."""
    choices: tuple[tuple[tuple[str, ...], ...], ...]
    """Of each alternative the sets of buckets of which a message that matches opens one of each."""

    def matches(self, values: Values) -> bool:
        for rules in self.alternatives:
            for rule in rules:
                if not rule.holds(values):
                    break
            else:
                return True
        return False


@lru_cache(maxsize=COMPILED_MAX)
def compile(policy: str, scope: str) -> Filter:
    """The filter that a policy's JSON says; raises FilterError with SNS's reason."""
    if len(policy.encode()) > POLICY_BYTES_MAX:
        raise FilterError("Filter policy is too large")
    try:
        parsed = json.loads(policy, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise FilterError("failed to parse JSON.") from None
    if not isinstance(parsed, dict):
        raise FilterError("Filter policy must be an object")
    try:
        if len(_names(parsed)) > KEYS_MAX:
            raise FilterError(f"Filter policy can not have more than {KEYS_MAX} keys")
        alternatives = tuple(tuple(rules) for rules in _expanded(parsed, (), 1, scope))
    except RecursionError:
        raise FilterError("Filter policy is too complex") from None
    if sum(map(_combinations, alternatives)) > COMBINATIONS_MAX:
        raise FilterError("Filter policy is too complex")
    return Filter(scope, alternatives, _tokens(scope, alternatives), _choices(scope, alternatives))


def choose(filter: Filter, filling: Callable[[str, int], int]) -> tuple[str, ...]:
    """Buckets of which every message that matches opens one, the rarest; none if there are no such.

    `filling(begin, most)`: how many have chosen buckets that begin so, up to `most`. A text that
    all subscriptions ask for beside another one thus holds only the first few of them.
    """
    chosen: set[str] = set()
    for options in filter.choices:
        if not options:
            return ()
        best = options[0]
        if len(options) > 1:
            best = min(options, key=lambda one: (_filled(one, filling), len(one), one))
        chosen.update(best)
    return tuple(sorted(chosen))


def _filled(buckets: tuple[str, ...], filling: Callable[[str, int], int]) -> int:
    most = COUNTED_MAX // len(buckets) + 1
    return sum(filling(_crowd(bucket), most) for bucket in buckets)


def _crowd(bucket: str) -> str:
    """What a message that opens this bucket opens at worst."""
    if pattern_of(bucket) is None:
        return bucket
    return bucket[:HEAD_CHARS] + lookups.crowd(bucket[HEAD_CHARS:])


def head_of(scope: str, path: Path) -> str:
    """What the buckets of conditions on `path` begin with that are no plain values."""
    kept = sum(map(len, path)) <= KEPT_CHARS_MAX
    return _kept_head(scope, path) if kept else _head(scope, path)


def letter_of(scope: str) -> str:
    """What all heads of a scope begin with."""
    return "A" if scope == ATTRIBUTES else "B"


def _head(scope: str, path: Path) -> str:
    raw = json.dumps(path).encode("utf-8", "surrogatepass")
    return letter_of(scope) + hashlib.sha256(raw).hexdigest()[: HEAD_CHARS - 1]


_kept_head = lru_cache(maxsize=4_096)(_head)


def pattern_of(bucket: str) -> tuple[str, str] | None:
    """(head, kind) of such a bucket; None of another."""
    if bucket[:1] not in ("A", "B"):
        return None
    return bucket[:HEAD_CHARS], bucket[HEAD_CHARS : HEAD_CHARS + lookups.KIND_CHARS]


def asked(filter: Filter, chosen: Collection[str]) -> set[tuple[Path, str]]:
    """(path, kind) of what a subscription in these buckets of its filter asks for."""
    found: set[tuple[Path, str]] = set()
    for rules in filter.alternatives:
        for rule in rules:
            for bucket in rule.buckets(filter.scope) or ():
                if bucket in chosen:
                    pattern = pattern_of(bucket)
                    found.add((rule.path, EXACT if pattern is None else pattern[1]))
    return found


def opened(
    scope: str, at: Iterable[tuple[Path, Sequence[Any], Collection[str]]], most: int
) -> dict[str, str]:
    """The buckets of conditions that are no plain values which a message opens, as {first: last}
    of each span.

    at: (path, the message's values there, kinds that anybody asks for there). Where it were more
    than `most`, a path opens all.
    """
    found: dict[str, str] = {}
    for path, here, all_kinds in at:
        kinds = [kind for kind in all_kinds if kind != EXACT]
        if not kinds or not here:
            continue
        head = head_of(scope, path)
        spans: Iterable[Span] = (("", _BEHIND),)
        if len(found) + len(here) * len(kinds) <= most:
            spans = (s for v in here for s in lookups.opened(kinds, v, whole_of(v)))
        for first, last in spans:
            found[head + first] = max(head + last, found.get(head + first, ""))
    return found


def token(scope: str, path: Path, key: Any) -> str:
    """A name of a value's key standing at `path`, short whatever they are."""
    raw = json.dumps((path, key)).encode("utf-8", "surrogatepass")
    return ("a" if scope == ATTRIBUTES else "b") + hashlib.sha256(raw).hexdigest()[:32]


def tokens_at(scope: str, at: Iterable[tuple[Path, Sequence[Any], Collection[str]]]) -> set[str]:
    """The tokens of what a message says where anybody asks for plain values; `at` as in opened."""
    return {
        token(scope, path, key_of(value))
        for path, here, kinds in at
        if EXACT in kinds
        for value in here
    }


# -- what messages say ----------------------------------------------------------------------------


def values_of_body(text: str) -> Values | None:
    """The leaves of a JSON object by path, through arrays; None if it is no such text."""
    try:
        parsed = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    found: dict[Path, list[Any]] = {}
    stack: list[tuple[Path, Any]] = [((), parsed)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            left = NAMES_MAX - len(path)
            stack.extend(
                ((*path, *name.split(".")), value)
                for name, value in node.items()
                if name.count(".") < left
            )
        elif isinstance(node, list):
            stack.extend((path, value) for value in node)
        else:
            found.setdefault(path, []).append(node)
    return found


def _refused(constant: str) -> Any:
    """NaN and infinities, which Python's parser would take, are no JSON."""
    raise ValueError(constant)


def values_of_attribute(type: str, text: str) -> list[Any] | None:
    """The values of one message attribute; None for those that filters do not see (Binary)."""
    if type.startswith("String.Array") or type == "Number.Array":
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return None
        items = parsed if isinstance(parsed, list) else [parsed]
        return [item for item in items if not isinstance(item, dict | list)]
    if type.startswith("String"):
        return [text]
    if type.startswith("Number"):
        # A whole number keeps all its digits: an account's, for example.
        whole = len(text) <= WHOLE_CHARS_MAX and text.lstrip("+-").isdecimal()
        return [int(text) if whole else float(text)]
    return None


# -- compiling ------------------------------------------------------------------------------------


def _names(policy: dict[str, Any]) -> set[str]:
    """The top keys, those of $or's alternatives among them; of nested ones the parents count."""
    names: set[str] = set()
    for name, value in policy.items():
        if _is_or(name, value):
            for alternative in value:
                names |= _names(alternative)
        else:
            names.add(name)
    return names


def _is_or(name: str, value: Any) -> bool:
    """The OR relationship's conditions; anything else is a key of that name (and-or-logic)."""
    return (
        name == "$or"
        and isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(v, dict) and v and not _RESERVED.intersection(v) for v in value)
    )


def _expanded(policy: dict[str, Any], path: Path, depth: int, scope: str) -> Iterator[list[Rule]]:
    """The alternatives of a policy, each as the rules that must all hold."""
    found: list[list[Rule]] = [[]]
    for name, value in policy.items():
        here = (name,) if scope == ATTRIBUTES else (*path, *name.split("."))
        if len(here) > NAMES_MAX:
            raise FilterError("Filter policy is too complex")
        if _is_or(name, value):
            several = [rules for one in value for rules in _expanded(one, path, depth, scope)]
        elif isinstance(value, dict):
            if scope == ATTRIBUTES:
                raise NestedPolicy
            if not value:
                raise FilterError("Empty objects are not allowed")
            several = list(_expanded(value, here, depth + 1, scope))
        elif isinstance(value, list):
            if not value:
                raise FilterError("Empty arrays are not allowed")
            conditions = tuple(map(read, value))
            several = [[Rule(here, conditions, depth)]]
        else:
            raise FilterError(f'"{name}" must be an object or an array')
        if len(found) * len(several) > COMBINATIONS_MAX:
            raise FilterError("Filter policy is too complex")
        found = [rules + more for rules in found for more in several]
    yield from found


def _combinations(rules: tuple[Rule, ...]) -> int:
    """Values multiplied over the keys, each with its depth."""
    total = 1
    for rule in rules:
        total *= len(rule.conditions) * rule.depth
    return total


def _tokens(scope: str, alternatives: tuple[tuple[Rule, ...], ...]) -> tuple[str, ...]:
    """Of each alternative the rule with the fewest texts; none if one has no such rule."""
    chosen: set[str] = set()
    for rules in alternatives:
        exact = [(len(texts), rule, texts) for rule in rules if (texts := rule.texts)]
        if not exact:
            return ()
        _, rule, texts = min(exact, key=lambda one: (one[0], one[1].path))
        chosen |= {token(scope, rule.path, text) for text in texts}
    return tuple(sorted(chosen))


def _choices(
    scope: str, alternatives: tuple[tuple[Rule, ...], ...]
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    return tuple(
        tuple(found for rule in rules if (found := rule.buckets(scope)) is not None)
        for rules in alternatives
    )
