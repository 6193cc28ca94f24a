"""Which operation a REST request asks for: by method, path, query names and headers.

A path is a tree of segments, literals before labels. Where operations share a method and a path
(S3), the one wins that needs most of what the request has: sub-resources (`?acl`), required query
members (`uploadId`), required headers (`x-amz-copy-source`).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ogi.wire.models import Model, Operation


class Candidate(msgspec.Struct):
    """An operation, and what a request must have to be meant for it."""

    operation: Operation
    labels: tuple[str, ...]
    """Wire names of the path's labels, in order."""
    constants: dict[str, str]
    """Query names of the URI with their values ('' for a bare name)."""
    query: frozenset[str]
    """Wire names of required query members."""
    headers: frozenset[str]
    consumed: frozenset[str]
    """All query names that the operation knows."""

    def is_named(self, query: Mapping[str, str]) -> bool:
        """The query has the operation's sub-resources."""
        return all(
            name in query and (not value or query[name] == value)
            for name, value in self.constants.items()
        )

    def is_complete(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return self.query <= query.keys() and self.headers <= headers.keys()


class _Step:
    """A place in the tree of paths."""

    __slots__ = ("ends", "greedy", "label", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Step] = {}
        self.label: _Step | None = None
        self.greedy: _Step | None = None
        self.ends: dict[str, Ends] = {}
        """By method."""


class Ends:
    """The operations of one method at one path."""

    def __init__(self) -> None:
        self.bare: list[Candidate] = []
        """Without sub-resources, those that need most first."""
        self.named: dict[str, list[Candidate]] = {}
        """By their first sub-resource, those that need most first."""

    def add(self, candidate: Candidate) -> None:
        first = next(iter(candidate.constants), None)
        group = self.bare if first is None else self.named.setdefault(first, [])
        group.append(candidate)
        group.sort(key=_needs, reverse=True)

    def choose(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Candidate | None:
        """The candidate that needs most of what there is.

        A sub-resource decides even if the operation's other requirements are missing: without
        its header, `?attributes` is a bad GetObjectAttributes and not a GetObject.
        """
        if query and self.named:
            for name in query:
                named = [each for each in self.named.get(name, ()) if each.is_named(query)]
                if named:
                    return _most(named, query, headers)
        return _most(self.bare, query, headers) if self.bare else None


def _most(
    candidates: list[Candidate], query: Mapping[str, str], headers: Mapping[str, str]
) -> Candidate:
    for candidate in candidates:
        if candidate.is_complete(query, headers):
            return candidate
    return candidates[-1]


class Match(msgspec.Struct):
    """What the tree found, and the labels' values as they are in the path."""

    ends: Ends | None
    """None: the path is there, but not with this method."""
    values: list[str]


class Paths:
    """All operations of one service."""

    def __init__(self, model: Model, hidden: frozenset[str]) -> None:
        self._root = _Step()
        self.constants: set[str] = set()
        """Query names that are sub-resources of any operation."""
        for name in model.operations():
            operation = model.operation(name)
            if operation is not None and name not in hidden:
                self._add(operation)

    def _add(self, operation: Operation) -> None:
        path, _, query = operation.uri.partition("?")
        step = self._root
        labels = []
        for segment in path.strip("/").split("/"):
            if not segment.startswith("{"):
                step = step.literals.setdefault(segment, _Step())
                continue
            labels.append(segment.strip("{}").rstrip("+"))
            if segment.endswith("+}"):
                step.greedy = step.greedy or _Step()
                step = step.greedy
            else:
                step.label = step.label or _Step()
                step = step.label
        candidate = _candidate(operation, tuple(labels), query)
        self.constants.update(candidate.constants)
        step.ends.setdefault(operation.method, Ends()).add(candidate)

    def find(self, method: str, path: str) -> Match | None:
        values: list[str] = []
        step = _walk(self._root, path[1:].split("/"), 0, values)
        return Match(step.ends.get(method), values) if step is not None else None


def _walk(step: _Step, segments: list[str], at: int, values: list[str]) -> _Step | None:
    """The place where a path ends, the labels' values on the way; literals are tried first."""
    if at == len(segments):
        return step if step.ends else None
    segment = segments[at]
    if not segment and at == len(segments) - 1 and step.ends:
        # `/` is the account's buckets, `/bucket/` the bucket, `/2015-03-31/functions/` a list.
        return step
    literal = step.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, at + 1, values)
        if found is not None:
            return found
    if step.label is not None and segment:
        values.append(segment)
        found = _walk(step.label, segments, at + 1, values)
        if found is not None:
            return found
        values.pop()
    if step.greedy is not None:
        values.append("/".join(segments[at:]))
        return step.greedy
    return None


def _needs(candidate: Candidate) -> tuple[int, int]:
    return len(candidate.constants), len(candidate.query) + len(candidate.headers)


def _candidate(operation: Operation, labels: tuple[str, ...], query: str) -> Candidate:
    parts = (part.partition("=") for part in query.split("&") if part)
    constants = {name: value for name, _, value in parts}
    required: dict[str, set[str]] = {"querystring": set(), "header": set()}
    known = set(constants)
    if operation.input is not None:
        for name, member in operation.input.members.items():
            wire_name = member.location_name or name
            if member.location == "querystring":
                known.add(wire_name)
            if name in operation.input.required and member.location in required:
                required[member.location].add(wire_name)
    return Candidate(
        operation=operation,
        labels=labels,
        constants=constants,
        query=frozenset(required["querystring"]),
        headers=frozenset(name.lower() for name in required["header"]),
        consumed=frozenset(known),
    )
