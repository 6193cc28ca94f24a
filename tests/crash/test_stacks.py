"""A stack that was begun ends by itself after the restart, and what it says is what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.child import ROUNDS, Child, eventually, storms
from tests.crash.loads import Messages, Objects, Publishes, Stacks

pytestmark = pytest.mark.slow

ENDS = ("CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")


def test_a_stack_that_was_begun_ends_by_itself(tmp_path: Path) -> None:
    load = Stacks()
    interrupted = 0

    def check(child: Child) -> None:
        nonlocal interrupted
        cloud = child.client("cloudformation")
        states = _states(cloud)
        interrupted += sum(status not in ENDS for status in states.values())
        assert load.acknowledged <= set(states), "acknowledged, and lost"
        assert eventually(lambda: all(s in ENDS for s in _states(cloud).values())), _states(cloud)
        states = _states(cloud)
        queues = {url.rsplit("/", 1)[1] for url in _pages(child, "sqs", "list_queues", "QueueUrls")}
        topics = _pages(child, "sns", "list_topics", "Topics")
        names = {topic["TopicArn"].rsplit(":", 1)[1] for topic in topics}
        found = _pages(child, "sns", "list_subscriptions", "Subscriptions")
        subscribed = {one["TopicArn"].rsplit(":", 1)[1] for one in found}
        for name in load.begun:
            status = states.get(name)
            alive = status == "CREATE_COMPLETE"
            if name in load.deleted:
                assert status == "DELETE_COMPLETE", f"{name}: {status}"
            elif name not in load.deleting and status is not None:
                assert alive != name.endswith("bad"), f"{name}: {status}"
            for queue in (f"{name}-one", f"{name}-two"):
                assert (queue in queues) == alive, f"{queue} and {status}"
            assert (name in names) == alive, f"topic {name} and {status}"
            assert (name in subscribed) == alive, f"subscription of {name} and {status}"

    storms(tmp_path, load, [Messages(1, 0, 1), Publishes(1, 0), Objects(1, 0)], check)
    assert len(load.acknowledged) > ROUNDS / 2, "too little was in flight to prove anything"
    assert interrupted, "no server died while it built"


def _states(cloud: Any) -> dict[str, str]:
    """The last status of every stack that ever was, by name."""
    pages = cloud.get_paginator("list_stacks").paginate()
    return {
        one["StackName"]: one["StackStatus"] for page in pages for one in page["StackSummaries"]
    }


def _pages(child: Child, service: str, operation: str, member: str) -> list[Any]:
    pages = child.client(service).get_paginator(operation).paginate()
    return [one for page in pages for one in page.get(member, ())]
