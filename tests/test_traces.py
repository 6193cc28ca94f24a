"""Traces: a memory that is bounded whatever a transaction notes."""

from __future__ import annotations

import pytest

from ogi import traces
from ogi.traces import Traces


def note(trace: str, number: int) -> traces.Note:
    return trace, "hop", {"number": number}


@pytest.mark.parametrize("together", [1, 7, 1_000])
def test_the_notes_that_are_kept_are_counted_one_by_one(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(traces, "KEPT_MAX", 50)
    memory = Traces()
    for at in range(0, 3_000, together):
        memory.add([note(f"t{at}", at + n) for n in range(together)])
    shown = memory.latest(10_000)
    count = sum(len(hops) for _, hops in shown)
    # All of the newest transaction, however many, and of the others what there is room for.
    assert count == max(together, 50 - 50 % together)
    assert shown[0][1][-1]["number"] == range(0, 3_000, together)[-1] + together - 1
    memory.clear()
    memory.add([note("new", 1)])
    assert [trace for trace, _ in memory.latest(10)] == ["new"]


def test_the_newest_transaction_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "KEPT_MAX", 50)
    memory = Traces()
    memory.add([note("old", 0)])
    memory.add([note("new", n) for n in range(400)])
    assert [trace for trace, _ in memory.latest(10)] == ["new"]
    assert len(memory.get("new")) == 400
