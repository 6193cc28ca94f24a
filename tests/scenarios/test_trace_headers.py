"""An application under X-Ray or OpenTelemetry: its header goes with what follows from a request.

The instrumentation is botocore's own event system, as the X-Ray SDK and OpenTelemetry use it, and
what boto3 does by itself inside of a function.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.scenarios.conftest import Server, eventually
from tests.scenarios.hops import Way, service_may
from tests.scenarios.test_functions import archive

PUT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
PUBLISHED = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"
CODE = """
import json, os
import boto3

def handler(event, context):
    # Tell what was seen; boto3 sends on the header that is in the environment.
    (record,) = event["Records"]
    told = {
        "source": record.get("eventSource", "") or record["EventSource"],
        "own": os.environ["_X_AMZN_TRACE_ID"],
        "record": record.get("attributes", {}).get("AWSTraceHeader"),
    }
    boto3.client("sqs").send_message(QueueUrl=os.environ["URL"], MessageBody=json.dumps(told))
"""


@contextmanager
def traced(client: Any, event: str, header: str) -> Iterator[None]:
    """The client's requests carry the header, as a tracing SDK adds it."""

    def add(request: Any = None, params: Any = None, **_: Any) -> None:
        headers = params["headers"] if request is None else request.headers
        headers["X-Amzn-Trace-Id"] = header

    client.meta.events.register(event, add, unique_id="trace")
    try:
        yield
    finally:
        client.meta.events.unregister(event, unique_id="trace")


def _way(server: Server, name: str) -> tuple[Way, str]:
    """Bucket -> topic -> (queue -> function) and function; and the URL of what functions tell."""
    way = Way(server, name)
    way.make_bucket()
    way.make_topic(
        policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [service_may("s3", "sns:Publish", way.topic)],
        })
    )  # fmt: skip
    way.make_queue(
        policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [service_may("sns", "sqs:SendMessage", way.queue)],
        })
    )  # fmt: skip
    told = way.make_queue(f"{way.queue}-told")
    way.make_role({"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"})
    lambda_ = server.client("lambda")
    lambda_.create_function(**way.function_request(
        Code={"ZipFile": archive(CODE)}, Environment={"Variables": {"URL": told}}, Timeout=30,
        MemorySize=512,
    ))  # fmt: skip
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    way.let_in("sns", way.topic)
    way.subscribe("sqs", way.queue)
    way.subscribe("lambda", way.function)
    lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=way.queue, BatchSize=1)
    return way, told


def _told(server: Server, url: str, count: int) -> dict[str, dict[str, Any]]:
    """By source what functions told, and the header with which their messages came."""
    sqs, found = server.client("sqs"), {}

    def look() -> bool:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["AWSTraceHeader"]
        )
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            said = json.loads(message["Body"])
            found[said["source"]] = {**said, "sent": message["Attributes"]["AWSTraceHeader"]}
        return len(found) == count

    eventually(look)
    return found


def test_a_trace_goes_from_an_upload_through_topic_queue_and_functions(
    server: Server, name: str
) -> None:
    way, url = _way(server, name)
    assert way.announce("Topic", way.topic) == "configured"
    # S3's test message: nobody sent a header with it, so the runs have traces of their own.
    assert all(PUT[:40] not in json.dumps(said) for said in _told(server, url, 2).values())
    with traced(server.client("s3"), "before-sign.s3.PutObject", PUT):
        way.drop()
    told = _told(server, url, 2)
    direct, polled = told["aws:sns"], told["aws:sqs"]
    assert (direct["own"], direct["sent"], direct["record"]) == (PUT, PUT, None)
    assert polled["record"] == PUT
    assert polled["own"].startswith(PUT.partition(";")[0])
    assert polled["sent"] == polled["own"]
    with traced(server.client("sns"), "before-call.sns.Publish", PUBLISHED):
        server.client("sns").publish(TopicArn=way.topic, Message="hello")
    told = _told(server, url, 2)
    assert told["aws:sns"]["own"] == told["aws:sns"]["sent"] == PUBLISHED
    assert told["aws:sqs"]["record"] == PUBLISHED


def test_what_is_no_header_refuses_nothing_and_goes_nowhere(server: Server, name: str) -> None:
    way = Way(server, name)
    url = way.make_queue()
    sqs = server.client("sqs")
    with traced(sqs, "before-sign.sqs.SendMessageBatch", PUT):
        sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": n, "MessageBody": n} for n in ("a", "b")]
        )
    with traced(sqs, "before-call.sqs.SendMessage", "nonsense"):
        sqs.send_message(QueueUrl=url, MessageBody="c")
    found = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["AWSTraceHeader"]
    )["Messages"]
    headers = {m["Body"]: m.get("Attributes", {}).get("AWSTraceHeader") for m in found}
    assert headers == {"a": PUT, "b": PUT, "c": None}
