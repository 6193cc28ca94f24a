"""Driving stacks in tests: requests that wait for their operation, while the courier works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ogi.service import Fields
from ogi.storage import Home, Transaction
from ogi.storage.memory import MemoryStore
from tests.world import World

PATIENCE_S = 60.0


async def ask(world: World, operation: str, **request: Any) -> Fields:
    """A request to CloudFormation; what it sets going has ended when this returns."""
    return await drive(
        world, asyncio.ensure_future(world.call("cloudformation", operation, **request))
    )


async def drive(world: World, asked: asyncio.Future[Fields]) -> Fields:
    """Deliver until the request is answered, and what is then due."""
    until = time.monotonic() + PATIENCE_S
    while not asked.done():
        assert time.monotonic() < until, "the request is not answered: a step failed, and waits"
        await world.deliver()
        await asyncio.sleep(0)
    await world.deliver()
    return asked.result()


async def stack(world: World, name: str) -> Fields:
    found: Fields = (await ask(world, "DescribeStacks", StackName=name))["Stacks"][0]
    return found


async def outputs(world: World, name: str) -> dict[str, str]:
    shown = await stack(world, name)
    return {each["OutputKey"]: each["OutputValue"] for each in shown.get("Outputs", [])}


async def events(world: World, name: str) -> list[tuple[str, str, str]]:
    """(logical id, status, reason), oldest first."""
    found: list[Fields] = []
    token: dict[str, str] = {}
    while True:
        page = await ask(world, "DescribeStackEvents", StackName=name, **token)
        found += page["StackEvents"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    return [
        (each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", ""))
        for each in reversed(found)
    ]


async def resources(world: World, name: str) -> dict[str, Fields]:
    listed = await ask(world, "ListStackResources", StackName=name)
    return {each["LogicalResourceId"]: each for each in listed["StackResourceSummaries"]}


class Mortal(MemoryStore):
    """A store whose process dies right after its n-th commit, before anybody hears of it."""

    def __init__(self, commits: int | None = None) -> None:
        super().__init__()
        self.commits_left = commits
        self.died = asyncio.Event()

    async def transact(self, body: Callable[[Transaction], Any], home: Home, *also: Home) -> Any:
        if self.died.is_set():
            await asyncio.Event().wait()
        result = await super().transact(body, home, *also)
        if self.commits_left is not None:
            self.commits_left -= 1
            if self.commits_left == 0:
                self.died.set()
                await asyncio.Event().wait()
        return result
