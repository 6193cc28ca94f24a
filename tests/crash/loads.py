"""The loads: messages, publishes, objects and stacks, each with a ledger of what was promised."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.crash.child import ACCOUNT, REGION, Child, Line

Job = Callable[[Line], Coroutine[Any, Any, None]]

VISIBILITY_S = 1
"""Over before a killed server is back, so that what was being consumed is received again."""
RECEIPT_S_MAX = 0.7
"""A receipt that is older is not used: its message may be on its way to somebody else."""
BATCH = 5
QUEUES = 12
SMALL_BYTES, LARGE_BYTES = 1_000, 150_000
"""Below and above the size from which an object's bytes lie in a file of their own."""
NAMES = 4
"""Keys that each writer writes over and over."""

SNS, CLOUDFORMATION = "2010-03-31", "2010-05-15"


@dataclass
class Messages:
    """Sends, alone and in batches, and consumers that receive and delete."""

    senders: int = 4
    batchers: int = 2
    consumers: int = 2
    url: str = ""
    batches: list[list[str]] = field(default_factory=list)
    """All that was attempted; a single send is a batch of one."""
    sent: set[str] = field(default_factory=set)
    """Acknowledged."""
    received: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    """A delete was attempted."""
    deleted: set[str] = field(default_factory=set)
    """The delete was acknowledged."""

    def set_up(self, child: Child) -> None:
        self.url = child.client("sqs").create_queue(
            QueueName="messages", Attributes={"VisibilityTimeout": str(VISIBILITY_S)}
        )["QueueUrl"]

    def jobs(self) -> Sequence[Job]:
        jobs: list[Job] = [self._send] * self.senders
        return [*jobs, *[self._send_batches] * self.batchers, *[self._consume] * self.consumers]

    def _plan(self, count: int) -> list[str]:
        bodies = [f"m{len(self.batches)}-{i}" for i in range(count)]
        self.batches.append(bodies)
        return bodies

    async def _send(self, line: Line) -> None:
        while True:
            (body,) = self._plan(1)
            await line.sqs("SendMessage", QueueUrl=self.url, MessageBody=body)
            self.sent.add(body)

    async def _send_batches(self, line: Line) -> None:
        while True:
            bodies = self._plan(BATCH)
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
            await line.sqs("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            self.sent.update(bodies)

    async def _consume(self, line: Line) -> None:
        while True:
            asked = time.monotonic()
            answer = await line.sqs("ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=5)
            for message in answer.get("Messages", ()):
                body = message["Body"]
                self.received.add(body)
                if time.monotonic() - asked > RECEIPT_S_MAX:
                    continue
                self.deleting.add(body)
                await line.sqs(
                    "DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                )
                self.deleted.add(body)


@dataclass
class Publishes:
    """Publishes, alone and in batches, to a topic that many queues subscribe to."""

    publishers: int = 4
    batchers: int = 1
    topic: str = ""
    urls: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    """Acknowledged."""

    def set_up(self, child: Child) -> None:
        sns, sqs = child.client("sns"), child.client("sqs")
        self.topic = sns.create_topic(Name="news")["TopicArn"]
        for number in range(QUEUES):
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:news-{number}"
            policy = may_send(arn, "sns.amazonaws.com", self.topic)
            url = sqs.create_queue(QueueName=f"news-{number}", Attributes={"Policy": policy})
            self.urls.append(url["QueueUrl"])
            sns.subscribe(
                TopicArn=self.topic, Protocol="sqs", Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
            )  # fmt: skip

    def jobs(self) -> Sequence[Job]:
        jobs: list[Job] = [self._publish] * self.publishers
        return [*jobs, *[self._publish_batches] * self.batchers]

    def _plan(self, count: int) -> list[str]:
        bodies = [f"p{len(self.batches)}-{i}" for i in range(count)]
        self.batches.append(bodies)
        return bodies

    async def _publish(self, line: Line) -> None:
        while True:
            (body,) = self._plan(1)
            await line.query("sns", SNS, "Publish", TopicArn=self.topic, Message=body)
            self.published.add(body)

    async def _publish_batches(self, line: Line) -> None:
        while True:
            bodies = self._plan(BATCH)
            entries: dict[str, str] = {}
            for i, body in enumerate(bodies, 1):
                entries[f"PublishBatchRequestEntries.member.{i}.Id"] = str(i)
                entries[f"PublishBatchRequestEntries.member.{i}.Message"] = body
            answer = await line.query("sns", SNS, "PublishBatch", TopicArn=self.topic, **entries)
            assert answer.count(b"<MessageId>") == BATCH, answer
            self.published.update(bodies)


@dataclass
class Objects:
    """Puts, over and over under the same keys, and deletes; the bucket tells a queue."""

    small: int = 3
    large: int = 2
    url: str = ""
    attempted: dict[str, int] = field(default_factory=dict)
    """The last version that was tried; odd: a put, even: a delete."""
    acknowledged: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    puts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many puts of a key were acknowledged, and so announced."""

    bucket = "crash-objects"

    def set_up(self, child: Child) -> None:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:announced"
        s3, sqs = child.client("s3"), child.client("sqs")
        s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        policy = may_send(arn, "s3.amazonaws.com", f"arn:aws:s3:::{self.bucket}")
        self.url = sqs.create_queue(QueueName="announced", Attributes={"Policy": policy})[
            "QueueUrl"
        ]
        s3.put_bucket_notification_configuration(
            Bucket=self.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
            },
        )
        drain_test_event = sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=5)
        for message in drain_test_event.get("Messages", ()):
            sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def jobs(self) -> Sequence[Job]:
        sizes = [SMALL_BYTES] * self.small + [LARGE_BYTES] * self.large
        return [self._writer(number, size) for number, size in enumerate(sizes)]

    def body(self, key: str, version: int) -> bytes:
        """The only bytes that this version of this key may have."""
        line = f"{key} {version}\n".encode()
        return (line * (self.sizes[key] // len(line) + 1))[: self.sizes[key]]

    def _writer(self, number: int, size: int) -> Job:
        """A writer of its own keys, so that the order of its versions is known."""
        names = [f"w{number}/{i}" for i in range(NAMES)]

        async def write(line: Line) -> None:
            for name in names:
                self.sizes[name] = size
            while True:
                for name in names:
                    await self._put(line, name)
                await self._delete(line, names[0])

        return write

    async def _put(self, line: Line, name: str) -> None:
        version = self.attempted.get(name, 0) | 1
        if version == self.attempted.get(name):
            version += 2
        self.attempted[name] = version
        await line.s3("PUT", f"/{self.bucket}/{quote(name)}", self.body(name, version))
        self.acknowledged[name] = version
        self.puts[name] += 1

    async def _delete(self, line: Line, name: str) -> None:
        version = self.attempted[name] + 1
        self.attempted[name] = version
        await line.s3("DELETE", f"/{self.bucket}/{quote(name)}")
        self.acknowledged[name] = version


@dataclass
class Stacks:
    """Stacks are begun, good ones and ones that must be rolled back; good ones are deleted."""

    builders: int = 2
    begun: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    """The delete was acknowledged: it will be carried out."""

    def set_up(self, child: Child) -> None:
        pass

    def jobs(self) -> Sequence[Job]:
        return [self._build] * self.builders

    async def _build(self, line: Line) -> None:
        while True:
            name = f"stack-{len(self.begun)}" + ("-bad" if len(self.begun) % 3 == 2 else "")
            self.begun.append(name)
            await line.query(
                "cloudformation", CLOUDFORMATION, "CreateStack",
                StackName=name, TemplateBody=template(name),
            )  # fmt: skip
            self.acknowledged.add(name)
            older = [n for n in sorted(self.acknowledged - self.deleting) if n.endswith("0")]
            if older and older[0] != name:
                self.deleting.add(older[0])
                await line.query(
                    "cloudformation", CLOUDFORMATION, "DeleteStack", StackName=older[0]
                )
                self.deleted.add(older[0])


def template(name: str) -> str:
    """Two queues behind a topic; the last resource of a bad stack is refused by SQS."""
    queue = {"Type": "AWS::SQS::Queue"}
    resources: dict[str, Any] = {
        "One": {**queue, "Properties": {"QueueName": f"{name}-one"}},
        "Two": {**queue, "Properties": {"QueueName": f"{name}-two"}, "DependsOn": "One"},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "Protocol": "sqs",
                "TopicArn": {"Ref": "Topic"},
                "Endpoint": {"Fn::GetAtt": ["Two", "Arn"]},
            },
        },
    }
    if name.endswith("bad"):
        resources["Refused"] = {
            **queue,
            "Properties": {"QueueName": f"{name}-refused", "VisibilityTimeout": 99_999},
            "DependsOn": ["Two", "Subscription"],
        }
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})


def may_send(queue: str, service: str, source: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnLike": {"aws:SourceArn": source}},
            },
        }
    )
