"""An acknowledged message is kept, an acknowledged delete is final, and a batch is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.child import ROUNDS, Child, Load, drain, eventually, storms, waiting
from tests.crash.loads import Messages, Objects, Publishes, Stacks

pytestmark = pytest.mark.slow


def test_acknowledged_messages_survive_and_acknowledged_deletes_are_final(tmp_path: Path) -> None:
    load = Messages()
    ever: set[str] = set()

    def check(child: Child) -> None:
        sqs = child.client("sqs")
        found: list[str] = []

        def empty() -> bool:
            found.extend(drain(sqs, load.url))
            return not waiting(sqs, load.url)

        assert eventually(empty), "neither there nor gone"
        back = set(found)
        assert not [body for body in found if found.count(body) > 1], "stored twice"
        assert not back & load.deleted, "deleted, and back again"
        lost = load.sent - load.deleting - back - ever
        assert not lost, "acknowledged, and lost"
        assert not back & ever, "deleted after an earlier restart, and back again"
        ever.update(back)
        seen = ever | load.received
        for batch in load.batches:
            there = [body in seen for body in batch]
            assert all(there) or not any(there) or load.deleting & set(batch), "half a batch"

    others: list[Load] = [Publishes(1, 0), Objects(1, 1), Stacks(1)]
    storms(tmp_path, load, others, check)
    unsure = {body for batch in load.batches for body in batch} - load.sent
    assert len(load.sent) > 5 * ROUNDS, "too little was in flight to prove anything"
    assert len(load.deleted) > ROUNDS
    assert unsure, "no server died while it was asked"
