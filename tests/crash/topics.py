"""The loads of topics: FIFO order, a fan-out to a thousand queues, an endpoint that refuses."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.crash.child import ACCOUNT, REGION, Child, Line, connected, drain, waiting
from tests.crash.loads import SNS, Job, may_send

BATCH = 5


@dataclass
class FifoPublishes:
    """A FIFO topic before FIFO queues; publishers publish again what they do not know of."""

    publishers: int
    queues: int
    topic: str = ""
    urls: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    """Per group, how many were acknowledged."""
    seen: dict[str, list[int]] = field(default_factory=dict)
    """Per queue and group, how many came."""

    @property
    def total(self) -> int:
        return sum(map(sum, self.seen.values()))

    def set_up(self, child: Child) -> None:
        sns, sqs = child.client("sns"), child.client("sqs")
        made = sns.create_topic(Name="ordered.fifo", Attributes={"FifoTopic": "true"})
        self.topic = made["TopicArn"]
        self.sent = [0] * self.publishers
        for number in range(self.queues):
            name = f"ordered-{number}.fifo"
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
            policy = may_send(arn, "sns.amazonaws.com", self.topic)
            attributes = {"FifoQueue": "true", "Policy": policy}
            url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            self.seen[url] = [0] * self.publishers
            sns.subscribe(
                TopicArn=self.topic, Protocol="sqs", Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
            )  # fmt: skip

    def jobs(self) -> Sequence[Job]:
        return [self._publisher(group) for group in range(self.publishers)]

    def _publisher(self, group: int) -> Job:
        async def publish(line: Line) -> None:
            while True:
                entries: dict[str, str] = {}
                for i in range(BATCH):
                    member = f"PublishBatchRequestEntries.member.{i + 1}"
                    number = self.sent[group] + i
                    entries |= {
                        f"{member}.Id": str(i),
                        f"{member}.Message": f"{group} {number}",
                        f"{member}.MessageGroupId": str(group),
                        f"{member}.MessageDeduplicationId": f"{group}-{number}",
                    }
                answer = await line.query(
                    "sns", SNS, "PublishBatch", TopicArn=self.topic, **entries
                )
                assert answer.count(b"<SequenceNumber>") == BATCH, answer
                self.sent[group] += BATCH

        return publish

    def complete(self, sqs: Any) -> bool:
        """Take what came, which must be the next of its group; whether all has come."""
        for url, seen in self.seen.items():
            for body in drain(sqs, url):
                group, number = map(int, body.split())
                assert number == seen[group], f"{number} came when {seen[group]} was next"
                seen[group] += 1
        first = next(iter(self.seen.values()))
        whole = all(
            came in (sent, sent + BATCH) for came, sent in zip(first, self.sent, strict=True)
        )
        return whole and all(seen == first for seen in self.seen.values())


class Crowd:
    """A topic before so many queues that a fan-out to them takes a while."""

    def __init__(self, queues: int, at_once: int = 16) -> None:
        self._queues = queues
        self._at_once = at_once
        self.topic = ""
        self.published: list[str] = []
        """Acknowledged."""

    async def set_up(self, child: Child) -> None:
        self.topic = child.client("sns").create_topic(Name="crowd")["TopicArn"]
        await self._each(child, self._join)

    async def publish(self, child: Child, count: int) -> None:
        async with connected(child.target, 1) as (line,):
            for _ in range(count):
                body = f"c{len(self.published)}"
                await line.query("sns", SNS, "Publish", TopicArn=self.topic, Message=body)
                self.published.append(body)

    async def arrived(self, child: Child) -> int:
        """How many copies are in the queues."""
        counts: list[int] = []

        async def count(line: Line, number: int) -> None:
            answer = await line.sqs(
                "GetQueueAttributes", QueueUrl=self._url(number),
                AttributeNames=["ApproximateNumberOfMessages"],
            )  # fmt: skip
            counts.append(int(answer["Attributes"]["ApproximateNumberOfMessages"]))

        await self._each(child, count)
        return sum(counts)

    async def copies(self, child: Child) -> list[Counter[str]]:
        """What each queue has."""
        found = [Counter[str]() for _ in range(self._queues)]

        async def take(line: Line, number: int) -> None:
            while True:
                answer = await line.sqs(
                    "ReceiveMessage", QueueUrl=self._url(number), MaxNumberOfMessages=10
                )
                if not answer.get("Messages"):
                    return
                found[number].update(message["Body"] for message in answer["Messages"])

        await self._each(child, take)
        return found

    async def _join(self, line: Line, number: int) -> None:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:crowd-{number}"
        policy = may_send(arn, "sns.amazonaws.com", self.topic)
        await line.sqs(
            "CreateQueue", QueueName=f"crowd-{number}",
            Attributes={"Policy": policy, "VisibilityTimeout": "43200"},
        )  # fmt: skip
        await line.query(
            "sns", SNS, "Subscribe", TopicArn=self.topic, Protocol="sqs", Endpoint=arn,
            **{"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"},
        )  # fmt: skip

    async def _each(self, child: Child, job: Any) -> None:
        async with connected(child.target, self._at_once) as several:
            numbers = iter(range(self._queues))

            async def work(line: Line) -> None:
                for number in numbers:
                    await job(line, number)

            await asyncio.gather(*(work(line) for line in several))

    def _url(self, number: int) -> str:
        return f"http://localhost/{ACCOUNT}/crowd-{number}"


class Archive:
    """A FIFO topic with an archive, whose only group is what it published, in order."""

    def __init__(self) -> None:
        self.topic = ""
        self.published: list[str] = []
        """Acknowledged."""
        self.urls: list[str] = []
        self.came: dict[str, list[str]] = {}

    def set_up(self, child: Child) -> None:
        attributes = {"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod": "1"}',
                      "ContentBasedDeduplication": "true"}  # fmt: skip
        made = child.client("sns").create_topic(Name="kept.fifo", Attributes=attributes)
        self.topic = made["TopicArn"]

    def publish(self, child: Child, batches: int) -> None:
        for _ in range(batches):
            bodies = [f"a{len(self.published) + i}" for i in range(10)]
            child.client("sns").publish_batch(
                TopicArn=self.topic,
                PublishBatchRequestEntries=[
                    {"Id": body, "Message": body, "MessageGroupId": "g"} for body in bodies
                ],
            )
            self.published += bodies

    def replay(self, child: Child) -> None:
        """To a new queue, from the beginning."""
        sns, sqs = child.client("sns"), child.client("sqs")
        name = f"again-{len(self.urls)}.fifo"
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        policy = may_send(arn, "sns.amazonaws.com", self.topic)
        url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true", "Policy": policy})[
            "QueueUrl"
        ]
        self.urls.append(url)
        self.came[url] = []
        begin = sns.get_topic_attributes(TopicArn=self.topic)["Attributes"]["BeginningArchiveTime"]
        sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn,
            Attributes={
                "RawMessageDelivery": "true",
                "ReplayPolicy": json.dumps({"PointType": "Timestamp", "StartingPoint": begin}),
            },
        )  # fmt: skip

    def complete(self, child: Child) -> bool:
        for url, came in self.came.items():
            came += drain(child.client("sqs"), url)
        return all(len(came) >= len(self.published) for came in self.came.values())


class Throttled:
    """A FIFO topic whose only group is what it published, before a queue that takes so many a
    second of it, and one that takes all."""

    def __init__(self) -> None:
        self.topic = ""
        self.published: list[str] = []
        """Acknowledged."""
        self.urls: list[str] = []

    def set_up(self, child: Child) -> None:
        sns, sqs = child.client("sns"), child.client("sqs")
        attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
        self.topic = sns.create_topic(Name="busy.fifo", Attributes=attributes)["TopicArn"]
        by_group = {"FifoThroughputLimit": "perMessageGroupId",
                    "DeduplicationScope": "messageGroup"}  # fmt: skip
        for name, rest in (("slow.fifo", by_group), ("quick.fifo", {})):
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
            policy = may_send(arn, "sns.amazonaws.com", self.topic)
            made = sqs.create_queue(
                QueueName=name, Attributes={"FifoQueue": "true", "Policy": policy, **rest}
            )
            self.urls.append(made["QueueUrl"])
            sns.subscribe(
                TopicArn=self.topic, Protocol="sqs", Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
            )  # fmt: skip

    def publish(self, child: Child, batches: int) -> None:
        for _ in range(batches):
            bodies = [f"t{len(self.published) + i}" for i in range(10)]
            child.client("sns").publish_batch(
                TopicArn=self.topic,
                PublishBatchRequestEntries=[
                    {"Id": body, "Message": body, "MessageGroupId": "g"} for body in bodies
                ],
            )
            self.published += bodies

    def arrived(self, child: Child) -> bool:
        sqs = child.client("sqs")
        return all(waiting(sqs, url) >= len(self.published) for url in self.urls)


class Endpoint:
    """An HTTP server that confirms what it is asked to, and answers as it is told."""

    def __init__(self) -> None:
        self.willing = False
        self.attempts: dict[str, Counter[str]] = defaultdict(Counter)
        """By path and message, how often it was tried."""
        self.taken: dict[str, Counter[str]] = defaultdict(Counter)
        """By path and message, how often it was taken."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(endpoint._answer(self.path, body))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answer(self, path: str, body: Any) -> int:
        if body["Type"] == "SubscriptionConfirmation":
            with urllib.request.urlopen(body["SubscribeURL"]):
                return 200
        self.attempts[path][body["Message"]] += 1
        if not self.willing or path == "/never":
            return 503
        self.taken[path][body["Message"]] += 1
        return 200

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
