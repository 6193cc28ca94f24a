"""A house with functions in it: Lambda, its neighbours, and a sandbox on the test's clock."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Fields
from ogi.services.lambda_ import runs
from ogi.services.lambda_.poller import Poller
from ogi.storage import CONTROL
from ogi.storage.files import FileBlobs
from tests.sandbox.fake import FakeSandbox
from tests.world import ACCOUNT, REGION, World

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    ],
})  # fmt: skip
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ECHO = "def handler(event, context):\n    return event"
SETTLE_TURNS = 40
TURNS_MAX = 2000
"""How often the loop may turn until something that is expected has happened."""


def zipped(code: str = ECHO, name: str = "index.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), code)
    return buffer.getvalue()


class House:
    """One world, and words for what tests do in it."""

    def __init__(self, world: World, sandbox: FakeSandbox) -> None:
        self.world = world
        self.clock = world.clock
        self.sandbox = sandbox
        self.poller = Poller(world.ports)

    async def lambda_(self, operation: str, **request: Any) -> Fields:
        return await self.world.call("lambda", operation, **request)

    async def sqs(self, operation: str, **request: Any) -> Fields:
        return await self.world.call("sqs", operation, **request)

    async def role(self, *statements: dict[str, Any], name: str = "worker") -> str:
        made = await self.world.call(
            "iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST
        )
        await self.grant(*(statements or (ALLOW_ALL,)), name=name)
        arn: str = made["Role"]["Arn"]
        return arn

    async def grant(self, *statements: dict[str, Any], name: str = "worker") -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        await self.world.call(
            "iam", "PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument=document
        )

    async def function(self, code: str = ECHO, name: str = "f", **changes: Any) -> Fields:
        request: dict[str, Any] = {
            "FunctionName": name, "Runtime": "python3.11", "Role": ROLE,
            "Handler": "index.handler", "Code": {"ZipFile": zipped(code)},
        }  # fmt: skip
        return await self.lambda_("CreateFunction", **{**request, **changes})

    async def queue(self, name: str = "q", **attributes: Any) -> tuple[str, str]:
        """(URL, ARN)"""
        texts = {key: str(value) for key, value in attributes.items()}
        made = await self.sqs("CreateQueue", QueueName=name, Attributes=texts)
        return made["QueueUrl"], f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    async def send(self, url: str, *bodies: str, **rest: Any) -> list[str]:
        sent = [await self.sqs("SendMessage", QueueUrl=url, MessageBody=b, **rest) for b in bodies]
        return [one["MessageId"] for one in sent]

    async def depth(self, url: str) -> tuple[int, int]:
        """(visible, in flight)"""
        found = await self.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
        attributes = found["Attributes"]
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    async def map(self, source: str, function: str = "f", **rest: Any) -> str:
        """The id of a new mapping, whose pollers run."""
        made = await self.lambda_(
            "CreateEventSourceMapping", EventSourceArn=source, FunctionName=function, **rest
        )
        await self.poller.work()
        id: str = made["UUID"]
        return id

    async def mapping(self, id: str) -> Fields:
        return await self.lambda_("GetEventSourceMapping", UUID=id)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Let everything go on until `holds()`, which may be async."""
        for _ in range(TURNS_MAX):
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await self._turn()
        raise AssertionError("it never happened")

    async def settle(self) -> None:
        """Let everything go on that goes on without time passing."""
        for _ in range(SETTLE_TURNS):
            await self._turn()

    async def _turn(self) -> None:
        """What is ready goes a step on; what waits for a thread has time for its answer."""
        for _ in range(5):
            await asyncio.sleep(0)
        await self.world.store.transact(lambda tx: None, CONTROL)
        await self.world.store.read(lambda tx: None)
        await asyncio.to_thread(lambda: None)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    def events(self) -> list[Any]:
        """What the functions have got so far."""
        return [json.loads(one.payload) for one in self.sandbox.invocations]

    def bodies(self) -> list[list[str]]:
        """The messages' bodies of each event."""
        return [[record["body"] for record in event["Records"]] for event in self.events()]

    def hops(self, kind: str) -> list[dict[str, Any]]:
        traces = self.world.ports.traces.latest(100)
        return [hop for _, hops in traces for hop in hops if hop["kind"] == kind]

    async def close(self) -> None:
        await self.poller.close()
        await runs.of(self.world.ports).close()


async def refused(awaited: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value


@pytest.fixture
async def house(world_of: Callable[..., World], tmp_path: Path) -> AsyncIterator[House]:
    """Everything is allowed to the account's root; roles have what they are granted."""
    packages = ("lambda_", "sqs", "sns", "iam", "kms", "logs", "s3")
    world = world_of(
        *packages, authorise=authorise, blobs=FileBlobs(tmp_path / "blobs"),
        settings={"data": tmp_path},
    )  # fmt: skip
    sandbox = FakeSandbox(world.clock)
    object.__setattr__(world.ports, "sandbox", sandbox)
    house = House(world, sandbox)
    await house.role()
    yield house
    await house.close()
