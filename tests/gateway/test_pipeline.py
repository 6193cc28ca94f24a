"""The way of a request through the gateway, and every way in which it ends early."""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import md5
from typing import Any

import msgspec
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ogi.access import seeds
from ogi.access.authorise import authorise
from ogi.clock import FakeClock
from ogi.gateway import pipeline
from ogi.gateway.http import Disconnected
from ogi.gateway.pipeline import Pipeline, Rest
from ogi.http import Request, Response
from ogi.service import Ports, Service
from ogi.storage import CONTROL
from ogi.storage.files import FileBlobs
from tests.gateway.conftest import Site, until
from tests.world import REGION, World

HOST = "127.0.0.1:4566"
JSON = "application/x-amz-json-1.0"
FORM = "application/x-www-form-urlencoded"
QUEUE = "http://127.0.0.1:4566/111122223333/q"


class Fault(Exception):
    """What a defect would raise."""


class Asker:
    """Waits for the one answer of a request, given by a call or in a task."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._rest: Rest | None = None
        self._called = asyncio.Event()

    def answer(self, response: Response) -> None:
        self._answer.set_result(response)
        self._called.set()

    def run(self, rest: Rest) -> None:
        assert not self._called.is_set()
        self._rest = rest
        self._called.set()

    async def wait(self) -> Response:
        await self._called.wait()
        return await (self._answer if self._rest is None else self._rest())


async def answered(pipeline: Pipeline, request: Request) -> Response:
    asker = Asker()
    pipeline(request, asker)
    return await asker.wait()


class Gate:
    """Services on a store in memory, an administrator with a key, and the pipeline before them."""

    def __init__(self, world: World, key: str, secret: str) -> None:
        self.ports = replace(world.ports, services={**world.ports.services, **_defective()})
        self.key = key
        self.secret = secret
        self.pipeline = Pipeline(self.ports)

    async def ask(self, request: Request) -> Response:
        return await answered(self.pipeline, request)

    def signed(
        self,
        service: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        path: str = "/",
        key: str = "",
        secret: str = "",
        token: str | None = None,
        region: str = REGION,
        **headers: str,
    ) -> Request:
        """Header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = AWSRequest(method, f"http://{HOST}{path}", headers=named, data=body)
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        if service == "s3":
            asked.context["payload_signing_enabled"] = True
        credentials = Credentials(key or self.key, secret or self.secret, token)
        kind(credentials, service, region).add_auth(asked)
        sent = [("host", HOST)]
        sent += [(name.lower(), str(value)) for name, value in asked.headers.items()]
        path, _, query = path.partition("?")
        return Request(method, path, query, sent, body, peer="127.0.0.1")

    async def make_bucket(self, name: str) -> None:
        where = f"<LocationConstraint>{REGION}</LocationConstraint>"
        body = f"<CreateBucketConfiguration>{where}</CreateBucketConfiguration>".encode()
        answer = await self.ask(self.signed("s3", body, method="PUT", path=f"/{name}"))
        assert answer.status == 200, text(answer)

    def sqs(self, operation: str, request: Any, **rest: Any) -> Request:
        return self.signed(
            "sqs", msgspec.json.encode(request), x_amz_target=f"AmazonSQS.{operation}",
            content_type=JSON, **rest,
        )  # fmt: skip


def _defective() -> dict[str, Service]:
    """A service with a defect: neither its message nor its trace may reach a client."""
    logs = Service("logs", "logs.amazonaws.com", denied=AssertionError)  # type: ignore[arg-type]

    @logs.operation(open=True, reads=True)
    def describe_log_groups(tx: Any, call: Any, request: Any) -> dict[str, Any]:
        raise Fault("internals that are nobody's business")

    return {"logs": logs}


@pytest.fixture
async def gate(tmp_path: Any) -> Gate:
    world = World(
        "s3", "sqs", "sns", "kms", "iam", "sts", authorise=authorise, blobs=FileBlobs(tmp_path)
    )
    world.clock = FakeClock(time.time())
    world.ports = replace(world.ports, clock=world.clock)
    made = await world.store.transact(
        lambda tx: seeds.bootstrap(
            tx, world.ports.vault, world.ports.settings, world.random.randbytes, world.clock.now()
        ),
        CONTROL,
    )
    assert made is not None
    return Gate(world, *made)


def unsigned(method: str, path: str, body: Any = b"", **headers: str) -> Request:
    path, _, query = path.partition("?")
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method, path, query, [("host", HOST), *named], body, peer="127.0.0.1")


def error(response: Response) -> tuple[int, str, str]:
    """Status, code and message of a JSON error."""
    assert isinstance(response.body, bytes)
    found = msgspec.json.decode(response.body)
    message = found.get("message", found.get("Message", ""))
    return response.status, found["__type"].rpartition("#")[2], message


def text(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


async def streamed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def header(response: Response, name: str) -> str:
    return next((value for key, value in response.headers if key.lower() == name), "")


# -- who asks ---------------------------------------------------------------------------------


async def test_what_is_signed_and_allowed_is_answered(gate: Gate) -> None:
    answer = await gate.ask(gate.sqs("CreateQueue", {"QueueName": "q"}))
    assert answer.status == 200
    assert b"/q" in answer.body  # type: ignore[operator]


async def test_a_wrong_secret_is_refused_in_the_words_of_each_protocol(gate: Gate) -> None:
    wrong = "x" * 40
    answer = await gate.ask(gate.sqs("ListQueues", {}, secret=wrong))
    assert error(answer)[:2] == (400, "InvalidSignatureException")
    assert header(answer, "x-amzn-query-error").endswith(";Sender")
    body = b"Action=ListTopics&Version=2010-03-31"
    answer = await gate.ask(gate.signed("sns", body, secret=wrong, content_type=FORM))
    assert answer.status == 403
    assert "<ErrorResponse" in text(answer)
    assert "<Code>SignatureDoesNotMatch</Code>" in text(answer)
    answer = await gate.ask(gate.signed("s3", method="GET", path="/b/k", secret=wrong))
    assert answer.status == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in text(answer)
    for each in (gate.secret, wrong):
        assert each not in text(answer)


async def test_an_unknown_key_is_refused(gate: Gate) -> None:
    answer = await gate.ask(gate.sqs("ListQueues", {}, key="AKIANOBODY"))
    assert error(answer)[:2] == (400, "UnrecognizedClientException")
    answer = await gate.ask(gate.signed("s3", method="GET", path="/b/k", key="AKIANOBODY"))
    assert "<Code>InvalidAccessKeyId</Code>" in text(answer)


async def test_a_session_ends_with_its_time(gate: Gate) -> None:
    body = b"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900"
    answer = await gate.ask(gate.signed("sts", body, content_type=FORM))
    found = {
        name: text(answer).split(f"<{name}>")[1].split("<")[0]
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    }
    keys = {
        "key": found["AccessKeyId"],
        "secret": found["SecretAccessKey"],
        "token": found["SessionToken"].replace("&amp;", "&"),
    }
    request = gate.signed(
        "s3",
        method="GET",
        path="/",
        **keys,  # type: ignore[arg-type]
    )
    assert (await gate.ask(request)).status == 200
    clock: Any = gate.ports.clock
    late = replace(gate.ports, clock=FakeClock(clock.now() + 899))
    assert (await answered(Pipeline(late), request)).status == 200
    # Its signature is too old by then, too; the one that is asked first is the clock.
    over = replace(gate.ports, clock=FakeClock(clock.now() + 1000))
    assert (await answered(Pipeline(over), request)).status == 403


async def test_a_clock_that_is_wrong_is_told_in_the_claimed_service_s_protocol(
    gate: Gate,
) -> None:
    body = b"Action=ListTopics&Version=2010-03-31"
    request = gate.signed("sns", body, content_type=FORM)
    clock: Any = gate.ports.clock
    late = Pipeline(replace(gate.ports, clock=FakeClock(clock.now() + 3600)))
    answer = await answered(late, request)
    assert answer.status == 403
    assert "<ErrorResponse" in text(answer)
    assert "Signature expired: " in text(answer)


@pytest.mark.parametrize("target", ["TrentService.ListKeys", "Logs_20140328.DescribeLogGroups"])
async def test_an_unsigned_request_never_reaches_a_service_for_members_only(
    gate: Gate, target: str
) -> None:
    answer = await gate.ask(unsigned("POST", "/", b"no json", x_amz_target=target))
    assert error(answer) == (
        400, "MissingAuthenticationTokenException", "Missing Authentication Token"
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "Action=ListUsers&Version=2010-05-08",
        "Action=GetCallerIdentity&Version=2011-06-15",
        "Action=ListTopics&Version=2010-03-31",
        "Action=ListQueues&Version=2012-11-05",
    ],
)
async def test_an_unsigned_query_lacks_a_token(gate: Gate, body: str) -> None:
    answer = await gate.ask(unsigned("POST", "/", body.encode(), content_type=FORM))
    assert answer.status == 403
    assert "<Code>MissingAuthenticationToken</Code>" in text(answer)
    assert "<Message>Request is missing Authentication Token</Message>" in text(answer)


async def test_a_queue_s_policy_may_let_strangers_send(gate: Gate) -> None:
    await gate.ask(gate.sqs("CreateQueue", {"QueueName": "q"}))
    message = {"QueueUrl": QUEUE, "MessageBody": "hello"}

    def stranger(operation: str, request: Any) -> Request:
        return unsigned(
            "POST", "/", msgspec.json.encode(request), x_amz_target=f"AmazonSQS.{operation}",
            content_type=JSON,
        )  # fmt: skip

    answer = await gate.ask(stranger("SendMessage", message))
    assert error(answer)[1] == "MissingAuthenticationTokenException"
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage",
            "Resource": "arn:aws:sqs:eu-west-1:111122223333:q",
        },
    }  # fmt: skip
    attributes = {"Policy": msgspec.json.encode(policy).decode()}
    put = gate.sqs("SetQueueAttributes", {"QueueUrl": QUEUE, "Attributes": attributes})
    assert (await gate.ask(put)).status == 200
    assert (await gate.ask(stranger("SendMessage", message))).status == 200
    answer = await gate.ask(stranger("ReceiveMessage", {"QueueUrl": QUEUE}))
    assert error(answer)[1] == "MissingAuthenticationTokenException"
    answer = await gate.ask(stranger("DeleteQueue", {"QueueUrl": QUEUE}))
    assert error(answer)[1] == "MissingAuthenticationTokenException"


async def test_a_stranger_is_denied_by_s3_in_its_own_words(gate: Gate) -> None:
    await gate.make_bucket("bucket-of-ours")
    answer = await gate.ask(unsigned("GET", "/bucket-of-ours/k"))
    assert answer.status == 403
    assert "<Code>AccessDenied</Code>" in text(answer)


async def test_a_stranger_s_framed_body_is_stored_without_its_frame(gate: Gate) -> None:
    # Else an upload by an SDK with unsigned requests would keep chunk sizes within the object.
    await gate.make_bucket("open-to-all")
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "s3:*Object",
            "Resource": "arn:aws:s3:::open-to-all/*",
        },
    }  # fmt: skip
    # New buckets block public policies (userguide/access-control-block-public-access.html).
    await gate.ask(gate.signed("s3", method="DELETE", path="/open-to-all?publicAccessBlock"))
    body = msgspec.json.encode(policy)
    put = gate.signed(
        "s3", body, method="PUT", path="/open-to-all?policy",
        content_md5=b64encode(md5(body).digest()).decode(),
    )  # fmt: skip
    answer = await gate.ask(put)
    assert answer.status < 300, text(answer)
    answer = await gate.ask(
        unsigned(
            "PUT", "/open-to-all/k",
            streamed(b"5\r\nhello\r\n0\r\n", b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n"),
            content_encoding="aws-chunked", x_amz_decoded_content_length="5",
            x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            x_amz_trailer="x-amz-checksum-crc32",
        )
    )  # fmt: skip
    assert answer.status == 200, text(answer)
    answer = await gate.ask(gate.signed("s3", method="GET", path="/open-to-all/k"))
    body = (
        answer.body if isinstance(answer.body, bytes) else b"".join([c async for c in answer.body])
    )
    assert body == b"hello"


# -- what is asked ----------------------------------------------------------------------------


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_the_end(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BODY_BYTES_MAX", 1000)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 100
            yield b"x" * 100

    request = gate.sqs("ListQueues", {})
    request.body = endless()
    answer = await gate.ask(request)
    assert error(answer)[:2] == (413, "RequestEntityTooLargeException")
    assert taken <= 1200


async def test_an_unknown_operation_is_refused_by_the_wire(gate: Gate) -> None:
    answer = await gate.ask(gate.sqs("DoNothing", {}))
    assert error(answer)[:2] == (400, "UnknownOperationException")


async def test_an_operation_or_service_that_is_not_here_is_refused_by_name(gate: Gate) -> None:
    request = gate.signed(
        "logs", b"{}", x_amz_target="Logs_20140328.ListTagsLogGroup", content_type=JSON
    )
    answer = await gate.ask(request)
    assert answer.status >= 400
    body = b"Action=ListMetrics&Version=2010-08-01"
    answer = await gate.ask(gate.signed("monitoring", body, content_type=FORM))
    assert answer.status == 501
    assert "Ogi does not support the service cloudwatch yet" in text(answer)
    answer = await gate.ask(unsigned("POST", "/", body, content_type=FORM))
    assert "Ogi does not support the service cloudwatch yet" in text(answer)
    request = gate.signed("dynamodb", b"{}", x_amz_target="DynamoDB_20120810.ListTables")
    answer = await gate.ask(request)
    assert "Ogi does not support the service dynamodb yet" in text(answer)


async def test_a_fault_of_ours_is_logged_once_with_its_id_and_told_to_nobody(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    request = gate.signed(
        "logs", b"{}", x_amz_target="Logs_20140328.DescribeLogGroups", content_type=JSON
    )
    with caplog.at_level(logging.INFO):
        answer = await gate.ask(request)
    assert answer.status == 500
    for internal in ("Fault", "nobody's business", "Traceback", ".py"):
        assert internal not in text(answer)
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.exc_info is not None
    assert record.exc_info[0] is Fault
    assert record.__dict__["request_id"] == header(answer, "x-amzn-requestid")


# -- on a real connection ---------------------------------------------------------------------


def sent(request: Request, body: bytes = b"", length: int | None = None) -> bytes:
    target = f"{request.path}?{request.query}" if request.query else request.path
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers if name != "content-length"]
    lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def test_an_error_to_head_has_its_status_and_no_body(gate: Gate, site: Site) -> None:
    client = await site.connect(await site.serve_prompt(gate.pipeline))
    client.send(sent(gate.signed("s3", method="HEAD", path="/no-such-bucket")))
    status, headers, _ = await client.answer("HEAD")
    assert status == 404
    # The connection is in step: what follows is the next answer's head.
    client.send(sent(gate.signed("s3", method="GET", path="/")))
    assert (await client.answer())[0] == 200
    assert headers["x-amz-request-id"]


async def test_who_goes_away_amid_his_body_leaves_nothing_behind(gate: Gate, site: Site) -> None:
    await gate.make_bucket("half-a-body")
    body = b"x" * 4_000_000
    ended: list[BaseException | None] = []

    async def watched(request: Request) -> Response:
        try:
            return await answered(gate.pipeline, request)
        except BaseException as gone:
            ended.append(gone)
            raise

    client = await site.connect(await site.serve(watched))
    request = gate.signed("s3", body, method="PUT", path="/half-a-body/k")
    client.send(sent(request, body[:1_000_000], length=len(body)))
    await client.writer.drain()
    client.close()
    await until(lambda: bool(ended))
    assert isinstance(ended[0], Disconnected | asyncio.CancelledError)
    answer = await gate.ask(gate.signed("s3", method="GET", path="/half-a-body/k"))
    assert answer.status == 404


# -- Ogi's own pages --------------------------------------------------------------------------


async def test_pages_answer_only_this_machine_and_no_other_origin(gate: Gate) -> None:
    def page(path: str, peer: str = "127.0.0.1", method: str = "GET", **headers: str) -> Request:
        request = unsigned(method, path, **headers)
        request.peer = peer
        return request

    assert (await gate.ask(page("/_ogi/status"))).status == 200
    assert (await gate.ask(page("/_ogi/status", "::1"))).status == 200
    for path in ("/_ogi/status", "/_ogi/traces"):
        for peer in ("10.0.0.9", "", "203.0.113.7"):
            assert (await gate.ask(page(path, peer))).status == 403
        assert (await gate.ask(page(path, origin="http://evil.example"))).status == 403
        assert (await gate.ask(page(path, origin="null"))).status == 403
    reset = page("/_ogi/reset", method="POST", origin="http://localhost:3000")
    assert (await gate.ask(reset)).status == 403
    assert (await gate.ask(page("/_ogi/health", "10.0.0.9"))).status == 200
    assert (await gate.ask(page("/_ogi/nothing"))).status == 404


async def test_a_reset_needs_data_that_may_go(gate: Gate) -> None:
    answer = await gate.ask(unsigned("POST", "/_ogi/reset"))
    assert answer.status == 403
    assert "--ephemeral" in text(answer)
    gone: list[bool] = []

    async def reset() -> None:
        gone.append(True)

    ports: Ports = replace(gate.ports, reset=reset)
    assert (await answered(Pipeline(ports), unsigned("POST", "/_ogi/reset"))).status == 200
    assert gone == [True]
