"""Whatever a request says, it is done or refused in AWS's words: nothing else escapes.

Requests are drawn by the shapes of SQS's model, of values that are right, nearly right and hostile.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.services.sqs import attributes
from ogi.storage.memory import MemoryStore
from tests.services.sqs.conftest import Client
from tests.world import World

MODEL = ServiceModel(Loader().load_service_model("sqs", "service-2"))
PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"
HOST = "http://127.0.0.1:4566/111122223333/"
LONG = "9" * 5_000
HOSTILE = [
    "",
    " ",
    "x",
    "a b",
    "\x00",
    "²",
    "٣",
    "\uffff",
    "\U0010ffff",
    LONG,
    "-1",
    "1e400",
    "[" * 9_999,
    "null",
    "{}",
    "[]",
    "a/b",
    "a..b",
    "%00",
    "../../x",
    "*",
    "All",
    ".*",
]
TEXTS: dict[str, list[str]] = {
    "QueueUrl": [HOST + "q", HOST + "f.fifo", HOST + "dead", HOST + "gone", "http://[/1/2", "q"],
    "QueueName": ["q", "f.fifo", "new", "new.fifo"],
    "QueueNamePrefix": ["q", "f"],
    "SourceArn": [PREFIX + "dead", PREFIX + "q", PREFIX + "gone", PREFIX, "arn:aws:sqs"],
    "DestinationArn": [PREFIX + "q", PREFIX + "f.fifo", PREFIX + "dead"],
    "TaskHandle": [base64.b64encode(json.dumps(x).encode()).decode() for x in (
        {"taskId": "x", "sourceArn": PREFIX + "dead"}, {"taskId": 1, "sourceArn": []}, [], 7)],
    "NextToken": [base64.b64encode(x).decode() for x in (b"q\x00", b"\xff", b"\x00\x01")],
    "DataType": ["String", "Number", "Binary", "String.x", "Number.", "Binary.a b"],
    "MessageGroupId": ["g", "g" * 129], "MessageDeduplicationId": ["d"],
    "Id": ["a", "b", "a" * 81], "Label": ["l"], "MessageBody": ["body"],
}  # fmt: skip
NUMBERS = [-(2**31), -1, 0, 1, 2, 9, 10, 11, 20, 21, 900, 901, 43_200, 43_201, 2**31 - 1]
NAMES = [*attributes.READABLE, "AWSTraceHeader", "SenderId", "Nonsense"]
POLICIES = [
    json.dumps({"deadLetterTargetArn": PREFIX + "dead", "maxReceiveCount": n})
    for n in (0, 1, "3", "²", LONG, None, [], {}, 1.5, True)
] + [
    json.dumps({"redrivePermission": p, "sourceQueueArns": a})
    for p in ("allowAll", "byQueue", None, [], {}) for a in ([], [PREFIX + "q"], [7], "x", None)
] + [
    json.dumps({"Version": "2012-10-17", "Statement": x}) for x in (
        [], {}, [[]], [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}],
        [{"Effect": "Deny", "Principal": {"AWS": []}, "Action": "sqs:*", "Resource": "*"}],
        [{"Effect": "Allow", "Principal": {"AWS": 7}, "Action": "sqs:*", "Resource": [[]]}],
        [{"Effect": "Allow", "Principal": "*", "Action": [], "Condition": {"x": {"y": []}}}],
        [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Condition": {"Bool": []}}],
    )
]  # fmt: skip


def _drawn(shape: Shape, name: str) -> st.SearchStrategy[Any]:
    if shape.type_name == "structure":
        required = {
            key: _drawn(member, key)
            for key, member in shape.members.items() if key in shape.required_members
        }  # fmt: skip
        optional = {
            key: _drawn(member, key) for key, member in shape.members.items() if key not in required
        }
        return st.fixed_dictionaries(required, optional=optional)
    if shape.type_name == "list":
        inner = _drawn(shape.member, "Name" if "Name" in name else name.removesuffix("s"))
        return st.lists(inner, max_size=12)
    if shape.type_name == "map":
        keys = st.sampled_from(NAMES if name == "Attributes" else ["k", *HOSTILE])
        values = _drawn(shape.value, "AttributeValue" if name == "Attributes" else "Value")
        return st.dictionaries(keys, values, max_size=12)
    if shape.type_name == "integer":
        return st.sampled_from(NUMBERS)
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name == "blob":
        return st.binary(max_size=9)
    likely = {
        "AttributeValue": [*POLICIES, "true", "10", "100000", "perMessageGroupId"],
        "Name": NAMES, "Action": ["SendMessage", "*"], "AWSAccountId": ["111122223333"],
    }  # fmt: skip
    known = TEXTS.get(name, likely.get(name, ["value"]))
    return st.one_of(st.sampled_from(known), st.sampled_from(known), st.sampled_from(HOSTILE))


def _request(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    shape = MODEL.operation_model(name).input_shape
    return st.tuples(st.just(name), _drawn(shape, name))


REQUESTS = st.one_of([_request(name) for name in MODEL.operation_names])


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(REQUESTS, min_size=20, max_size=20))
def test_every_request_is_answered_or_refused_in_awss_words(
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    async def ask() -> None:
        sqs = Client(World("sqs", "kms", store=MemoryStore(reruns=1)))
        dead = json.dumps({"deadLetterTargetArn": PREFIX + "dead", "maxReceiveCount": 1})
        await sqs.queue("dead")
        await sqs.send(await sqs.queue("q", RedrivePolicy=dead, VisibilityTimeout=0))
        await sqs.queue("f.fifo", FifoQueue="true", ContentBasedDeduplication="true")
        for name, request in requests:
            request.pop("WaitTimeSeconds", None)
            try:
                await sqs.world.call("sqs", name, **request)
            except AwsError as refused:
                assert refused.message, name
            sqs.clock.advance(61)
            await sqs.world.deliver()

    asyncio.run(ask())
