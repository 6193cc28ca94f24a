"""Gates: who gets in, who waits in line, and when those come back who did neither."""

from __future__ import annotations

import asyncio

import pytest

from ogi.errors import AwsError
from ogi.services.sns import gates
from ogi.services.sns.gates import Busy, Gates


class Down(AwsError):
    """The endpoint fails."""

    status = 500


class Crowd:
    """Postings to one endpoint, each of which stays inside until it is let go."""

    def __init__(self, gate: Gates, name: str = "slow", steady: bool = False) -> None:
        self.gate, self.name, self.steady = gate, name, steady
        self.inside: list[asyncio.Future[None]] = []
        self.busy: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.done = 0

    async def come(self, count: int, now: float = 1_000.0) -> None:
        self.tasks += [asyncio.create_task(self._post(now)) for _ in range(count)]
        await settled()

    async def _post(self, now: float) -> None:
        try:
            async with self.gate.enter(self.name, now, None, steady=self.steady):
                place = asyncio.get_running_loop().create_future()
                self.inside.append(place)
                await place
                self.done += 1
        except Busy as busy:
            self.busy.append(float(busy.message))
        except Down:
            pass

    async def let_go(self, count: int, error: AwsError | None = None) -> None:
        for _ in range(count):
            place = self.inside.pop(0)
            place.set_result(None) if error is None else place.set_exception(error)
        await settled()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_is_in_line_gets_in_as_others_leave_and_the_rest_is_turned_away() -> None:
    crowd = Crowd(Gates())
    await crowd.come(gates.EACH_MAX + gates.LINE_MAX + 5)
    assert len(crowd.inside) == gates.EACH_MAX and len(crowd.busy) == 5
    await crowd.let_go(3)
    assert len(crowd.inside) == gates.EACH_MAX and crowd.done == 3
    while crowd.inside:
        await crowd.let_go(1)
    assert crowd.done == gates.EACH_MAX + gates.LINE_MAX


async def test_a_failure_empties_the_line_and_halves_the_limit_until_one_succeeds() -> None:
    crowd = Crowd(Gates())
    await crowd.come(gates.EACH_MAX + gates.LINE_MAX)
    await crowd.let_go(1, Down())
    assert len(crowd.busy) == gates.LINE_MAX
    await crowd.let_go(len(crowd.inside), Down())
    await crowd.come(3)
    assert len(crowd.inside) == 1 and len(crowd.busy) == gates.LINE_MAX + 2
    await crowd.let_go(1)
    await crowd.come(gates.EACH_MAX)
    assert len(crowd.inside) == gates.EACH_MAX
    await crowd.end()


async def test_those_who_are_turned_away_come_back_at_a_steady_pace() -> None:
    crowd = Crowd(Gates())
    await crowd.come(gates.EACH_MAX + gates.LINE_MAX)
    await crowd.come(5_000)
    assert min(crowd.busy) >= gates.WAIT_S
    for second in range(1, 40):
        assert sum(second <= wait < second + 1 for wait in crowd.busy) <= gates.PACE + 1
    crowd.busy.clear()
    await crowd.let_go(1, Down())
    crowd.busy.clear()
    await crowd.come(20_000)
    assert max(crowd.busy) == gates.WAIT_S_MAX
    await crowd.end()


async def test_lines_leave_room_for_other_endpoints() -> None:
    gate = Gates()
    crowds = [Crowd(gate, str(n)) for n in range(20)]
    for crowd in crowds:
        await crowd.come(100)
    assert len(crowds[-1].inside) == gates.EACH_MAX
    for crowd in crowds:
        await crowd.end()
    # Whoever was cancelled has given his place back, inside or in line.
    await (last := Crowd(gate, "0")).come(gates.EACH_MAX + gates.LINE_MAX)
    assert len(last.inside) == gates.EACH_MAX and not last.busy
    await last.end()


async def test_a_steady_endpoint_keeps_its_limit() -> None:
    crowd = Crowd(Gates(), steady=True)
    await crowd.come(gates.EACH_MAX)
    await crowd.let_go(gates.EACH_MAX, Down())
    await crowd.come(gates.EACH_MAX)
    assert len(crowd.inside) == gates.EACH_MAX
    await crowd.end()


@pytest.mark.parametrize("turns", [1, 2, 3])
async def test_who_goes_just_as_a_place_is_given_to_him_gives_it_on(turns: int) -> None:
    crowd = Crowd(Gates())
    await crowd.come(gates.EACH_MAX + 2)
    first, second = crowd.tasks[-2:]
    crowd.inside.pop(0).set_result(None)
    for _ in range(turns - 1):
        await asyncio.sleep(0)
    first.cancel()
    await settled()
    assert len([p for p in crowd.inside if not p.done()]) == gates.EACH_MAX
    assert not second.done()
    await crowd.end()
