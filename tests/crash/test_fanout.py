"""A publish that was acknowledged, or that any queue has seen, reaches every queue, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.child import ROUNDS, Child, drain, eventually, storms
from tests.crash.loads import Messages, Objects, Publishes, Stacks

pytestmark = pytest.mark.slow


def test_every_publish_reaches_every_queue_once(tmp_path: Path) -> None:
    load = Publishes()
    reached: dict[str, set[str]] = {}

    def check(child: Child) -> None:
        sqs = child.client("sqs")
        for url in load.urls:
            reached.setdefault(url, set())

        def complete() -> bool:
            for url in load.urls:
                found = drain(sqs, url)
                assert len(found) == len(set(found)), "a copy came twice"
                assert not reached[url] & set(found), "a copy came again"
                reached[url].update(found)
            anywhere = set().union(*reached.values())
            return all(load.published | anywhere == got for got in reached.values())

        ended = eventually(complete)
        anywhere = set().union(*reached.values())
        missing = {
            url.rsplit("/", 1)[1]: sorted((load.published | anywhere) - got)[:5]
            for url, got in reached.items()
            if load.published | anywhere != got
        }
        assert ended, f"never delivered: {missing}"
        for batch in load.batches:
            there = [body in anywhere for body in batch]
            assert all(there) or not any(there), f"half a batch: {batch}"

    storms(tmp_path, load, [Messages(1, 0, 1), Objects(1, 0), Stacks(1)], check)
    assert len(load.published) > 2 * ROUNDS, "too little was in flight to prove anything"
