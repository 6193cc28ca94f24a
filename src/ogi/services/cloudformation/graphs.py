"""Who needs whom: orders and cycles of named things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ogi.services.cloudformation.errors import ValidationError

Needs = Mapping[str, Iterable[str]]
"""For each name, the names that come before it; names that are not keys are left out."""


def order(needs: Needs, what: str = "resources") -> list[str]:
    """The names, each after what it needs; of those that are free, in the order of `needs`."""
    waiting = {name: {n for n in before if n in needs} for name, before in needs.items()}
    behind: dict[str, list[str]] = {name: [] for name in needs}
    for name, before in waiting.items():
        for each in before:
            behind[each].append(name)
    free = [name for name, before in waiting.items() if not before]
    ordered: list[str] = []
    for name in free:
        ordered.append(name)
        for each in behind[name]:
            waiting[each].discard(name)
            if not waiting[each]:
                free.append(each)
    if len(ordered) < len(waiting):
        cycle = _cycle({name: before for name, before in waiting.items() if before})
        raise ValidationError(f"Circular dependency between {what}: [{', '.join(cycle)}]")
    return ordered


def check_cycles(needs: Needs) -> None:
    order(needs)


def reversed_needs(needs: Needs) -> dict[str, tuple[str, ...]]:
    """The same graph for taking away: each name waits for all that needed it."""
    behind: dict[str, list[str]] = {name: [] for name in needs}
    for name, before in needs.items():
        for each in before:
            if each in behind:
                behind[each].append(name)
    return {name: tuple(users) for name, users in behind.items()}


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """One cycle among names that all wait for another of them."""
    name = next(iter(waiting))
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = next(each for each in sorted(waiting[name]) if each in waiting)
    return seen[seen.index(name) :]
