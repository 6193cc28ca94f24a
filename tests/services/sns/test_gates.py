"""Gates: who gets in, and when those come back who did not."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from ogi.services.sns import gates
from ogi.services.sns.gates import Busy, Gates


def _turned_away(gate: Gates, name: str, now: float) -> float:
    with pytest.raises(Busy) as refused, gate.enter(name, now, None):
        pass
    return float(refused.value.message)


def test_as_many_come_back_in_a_second_as_get_in_at_once() -> None:
    gate, now = Gates(), 1_000.0
    with ExitStack() as inside:
        for _ in range(gates.EACH_MAX):
            inside.enter_context(gate.enter("slow", now, None))
        waits = [_turned_away(gate, "slow", now) for _ in range(1_000)]
        assert min(waits) >= gates.WAIT_S
        for second in range(1, 100):
            back = sum(second <= wait < second + 1 for wait in waits)
            assert back <= gates.EACH_MAX + 1
        # Whoever comes back goes to the end of the line, which grows no longer by that.
        again = [_turned_away(gate, "slow", now + wait) for wait in waits[:100]]
        assert all(wait <= waits[-1] + 1 for wait in again)
        with gate.enter("other", now, None):
            pass
    with gate.enter("slow", now, None):
        pass


def test_nobody_waits_for_more_than_ten_minutes() -> None:
    gate = Gates()
    with ExitStack() as inside:
        for _ in range(gates.EACH_MAX):
            inside.enter_context(gate.enter("slow", 0.0, None))
        waits = [_turned_away(gate, "slow", 0.0) for _ in range(10_000)]
    assert max(waits) == gates.WAIT_S_MAX
