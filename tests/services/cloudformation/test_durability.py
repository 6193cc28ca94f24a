"""A stack operation that is killed goes on after the restart: no step is skipped, none doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.services.cloudformation.driving import Mortal, ask, events, resources, stack
from tests.services.cloudformation.test_fanout import FANOUT, NAMED
from tests.world import World

MakeWorld = Callable[..., Awaitable[World]]
TEMPLATE = FANOUT.read_text().replace('Default: "false"', 'Default: "true"')
"""The whole example, with its dead-letter queue."""
UPDATED = TEMPLATE.replace("Default: fanout-work\n", "Default: fanout-more\n").replace(
    "VisibilityTimeout: 180", "VisibilityTimeout: 360"
)


async def _until_death(world: World, store: Mortal, request: Awaitable[Any]) -> bool:
    """Do `request` and what follows; True if the process died on the way."""

    async def work() -> None:
        await request
        await world.deliver()

    working, dying = asyncio.ensure_future(work()), asyncio.ensure_future(store.died.wait())
    await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
    died = not working.done()
    for task in (working, dying):
        task.cancel()
    await asyncio.gather(working, dying, return_exceptions=True)
    await world.courier.close()
    return died


def _again(store: Mortal) -> Mortal:
    """What the disk of a process that died holds."""
    reopened = Mortal()
    reopened._map = store._map
    return reopened


async def _counts(world: World) -> dict[str, int]:
    """How many of everything there is."""
    aliases = (await world.call("kms", "ListAliases"))["Aliases"]
    keys = (await world.call("kms", "ListKeys"))["Keys"]
    described = [await world.call("kms", "DescribeKey", KeyId=k["KeyId"]) for k in keys]
    return {
        "keys": sum(
            d["KeyMetadata"]["KeyManager"] == "CUSTOMER"
            and d["KeyMetadata"]["KeyState"] == "Enabled"
            for d in described
        ),
        "aliases": sum(not a["AliasName"].startswith("alias/aws/") for a in aliases),
        "topics": len((await world.call("sns", "ListTopics"))["Topics"]),
        "subscriptions": len((await world.call("sns", "ListSubscriptions"))["Subscriptions"]),
        "queues": len((await world.call("sqs", "ListQueues")).get("QueueUrls", [])),
        "buckets": len((await world.call("s3", "ListBuckets"))["Buckets"]),
        "roles": len((await world.call("iam", "ListRoles"))["Roles"]),
        "functions": len((await world.call("lambda", "ListFunctions"))["Functions"]),
        "mappings": sum(
            mapping["State"] != "Deleting"
            for mapping in (await world.call("lambda", "ListEventSourceMappings"))[
                "EventSourceMappings"
            ]
        ),
    }


ONE_OF_EACH = dict.fromkeys(
    ("keys", "aliases", "topics", "subscriptions", "buckets", "roles", "functions", "mappings"),
    1,
) | {"queues": 2}


@pytest.mark.parametrize(("first", "stride"), [(1, 6), pytest.param(2, 1, marks=pytest.mark.slow)])
async def test_a_creation_goes_on_after_any_commit(
    whole_world: MakeWorld, first: int, stride: int
) -> None:
    request = {
        "StackName": "fan", "TemplateBody": TEMPLATE, "Capabilities": NAMED,
        "ClientRequestToken": "once",
    }  # fmt: skip
    commits = first
    died = True
    while died:
        store = Mortal()
        world = await whole_world(store=store)
        store.commits_left = commits
        died = await _until_death(world, store, ask(world, "CreateStack", **request))
        revived = await whole_world(store=_again(store))
        await revived.deliver()
        # The client that had no answer asks again.
        await ask(revived, "CreateStack", **request)
        assert (await stack(revived, "fan"))["StackStatus"] == "CREATE_COMPLETE", commits
        assert await _counts(revived) == ONE_OF_EACH, commits
        told = Counter((n, s) for n, s, _ in await events(revived, "fan"))
        assert len(await resources(revived, "fan")) == 12
        assert all(told[(n, "CREATE_COMPLETE")] == 1 for n in await resources(revived, "fan"))
        commits += stride
    assert commits > 30


async def test_an_update_with_a_replacement_goes_on_after_any_commit(
    whole_world: MakeWorld,
) -> None:
    created = {"StackName": "fan", "TemplateBody": TEMPLATE, "Capabilities": NAMED}
    update = {**created, "TemplateBody": UPDATED, "ClientRequestToken": "once"}
    commits = 1
    died = True
    while died:
        store = Mortal()
        world = await whole_world(store=store)
        await ask(world, "CreateStack", **created)
        store.commits_left = commits
        died = await _until_death(world, store, ask(world, "UpdateStack", **update))
        revived = await whole_world(store=_again(store))
        await revived.deliver()
        await ask(revived, "UpdateStack", **update)
        shown = await stack(revived, "fan")
        assert shown["StackStatus"] == "UPDATE_COMPLETE", (commits, shown)
        assert await _counts(revived) == ONE_OF_EACH, commits
        urls = (await revived.call("sqs", "ListQueues"))["QueueUrls"]
        assert [url.rpartition("/")[2] for url in urls] == ["fanout-more", "fanout-more-failed"]
        commits += 7


async def test_a_deletion_goes_on_after_any_commit(whole_world: MakeWorld) -> None:
    commits = 1
    died = True
    while died:
        store = Mortal()
        world = await whole_world(store=store)
        created = {"StackName": "fan", "TemplateBody": TEMPLATE, "Capabilities": NAMED}
        made = await ask(world, "CreateStack", **created)
        store.commits_left = commits
        died = await _until_death(world, store, ask(world, "DeleteStack", StackName="fan"))
        revived = await whole_world(store=_again(store))
        await revived.deliver()
        assert (await events(revived, made["StackId"]))[-1][:2] == ("fan", "DELETE_COMPLETE")
        assert sum((await _counts(revived)).values()) == 0, commits
        commits += 7
