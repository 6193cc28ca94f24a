"""Temporary credentials through the whole gateway: expired, tampered with, borrowed, or misused.

Each is refused in the words of its protocol, before anything is parsed or done.
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from ogi.access import credentials, seeds
from ogi.access.authorise import authorise
from ogi.access.credentials import Credentials
from ogi.clock import FakeClock
from ogi.http import Request, Response
from ogi.service import Principal
from ogi.storage import CONTROL
from ogi.storage.files import FileBlobs
from tests.gateway.test_pipeline import FORM, HOST, Gate, text
from tests.world import ACCOUNT, REGION, World

ROOT = credentials.root(ACCOUNT)
FEDERATED = Principal(
    kind="federated", account=ACCOUNT, arn=f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    id=f"{ACCOUNT}:bob", role_arn=ROOT.arn,
)  # fmt: skip


@pytest.fixture
async def gate(tmp_path: Any) -> Gate:
    world = World(
        "s3", "sqs", "sns", "kms", "iam", "sts", "lambda_", authorise=authorise,
        blobs=FileBlobs(tmp_path),
    )  # fmt: skip
    world.clock = FakeClock(time.time())
    world.ports = replace(world.ports, clock=world.clock)
    ports = world.ports
    made = await world.store.transact(
        lambda tx: seeds.bootstrap(
            tx, ports.vault, ports.settings, world.random.randbytes, world.clock.now()
        ),
        CONTROL,
    )
    assert made is not None
    return Gate(world, *made)


def session(gate: Gate, ago_s: float = 0.0, principal: Principal = ROOT) -> Credentials:
    """A session of a quarter of an hour that began some time ago."""
    ports = gate.ports
    begun = ports.clock.now() - ago_s
    return credentials.mint_session(ports.vault, ports.random, principal, begun, 900)


ASKS: dict[str, Callable[..., Request]] = {
    "sqs json": lambda gate, **keys: gate.sqs("ListQueues", {}, **keys),
    "sqs query": lambda gate, **keys: gate.signed(
        "sqs", b"Action=ListQueues&Version=2012-11-05", content_type=FORM, **keys
    ),
    "sns query": lambda gate, **keys: gate.signed(
        "sns", b"Action=ListTopics&Version=2010-03-31", content_type=FORM, **keys
    ),
    "sts query": lambda gate, **keys: gate.signed(
        "sts", b"Action=GetCallerIdentity&Version=2011-06-15", content_type=FORM, **keys
    ),
    "kms json": lambda gate, **keys: gate.signed(
        "kms", b"{}", x_amz_target="TrentService.ListKeys",
        content_type="application/x-amz-json-1.1", **keys,
    ),
    "lambda": lambda gate, **keys: gate.signed(
        "lambda", method="GET", path="/2015-03-31/functions/", **keys
    ),
    "s3": lambda gate, **keys: gate.signed("s3", method="GET", path="/", **keys),
}  # fmt: skip

EXPIRED = {
    "sqs json": (400, "ExpiredTokenException"), "sqs query": (403, "ExpiredToken"),
    "sns query": (403, "ExpiredToken"), "sts query": (403, "ExpiredToken"),
    "kms json": (400, "ExpiredTokenException"), "lambda": (403, "ExpiredTokenException"),
    "s3": (400, "ExpiredToken"),
}  # fmt: skip
INVALID = {
    "sqs json": (400, "UnrecognizedClientException"), "sqs query": (403, "InvalidClientTokenId"),
    "sns query": (403, "InvalidClientTokenId"), "sts query": (403, "InvalidClientTokenId"),
    "kms json": (400, "UnrecognizedClientException"), "s3": (400, "InvalidToken"),
    "lambda": (403, "UnrecognizedClientException"),
}  # fmt: skip


def code(answer: Response) -> tuple[int, str]:
    """Status and code, whatever the protocol."""
    body = text(answer)
    if body.startswith("{"):
        named = msgspec.json.decode(body).get("__type") or dict(answer.headers).get(
            "x-amzn-errortype", dict(answer.headers).get("x-amzn-ErrorType", "")
        )
        return answer.status, named.rpartition("#")[2].partition(":")[0]
    return answer.status, body.split("<Code>")[1].split("<")[0]


def keys_of(made: Credentials, **changed: str) -> dict[str, str]:
    keys = {"key": made.access_key_id, "secret": made.secret_access_key,
            "token": made.session_token}  # fmt: skip
    return {**keys, **changed}


@pytest.mark.parametrize("ask", ASKS)
async def test_a_session_is_answered_while_it_lasts(gate: Gate, ask: str) -> None:
    good = ASKS[ask](gate, **keys_of(session(gate)))
    assert (await gate.ask(good)).status == 200


@pytest.mark.parametrize("ask", ASKS)
async def test_an_expired_token_is_refused_in_the_protocol_s_words(gate: Gate, ask: str) -> None:
    over = ASKS[ask](gate, **keys_of(session(gate, ago_s=900)))
    assert code(await gate.ask(over)) == EXPIRED[ask]


def _flipped(token: str, at: int) -> str:
    raw = bytearray(b64decode(token))
    raw[at] ^= 1
    return b64encode(raw).decode()


TAMPERED: dict[str, Callable[[Gate, str], str]] = {
    "its format": lambda gate, token: _flipped(token, 0),
    "its nonce": lambda gate, token: _flipped(token, 1),
    "its body": lambda gate, token: _flipped(token, 60),
    "its seal": lambda gate, token: _flipped(token, -1),
    "cut short": lambda gate, token: token[:40],
    "longer": lambda gate, token: token + "AAAA",
    "no base64": lambda gate, token: token[:-8] + "%%%%%%%%",
    "huge": lambda gate, token: "A" * 40_000,
    "of another session": lambda gate, token: session(gate).session_token,
    "words": lambda gate, token: "please",
}


@pytest.mark.parametrize("how", TAMPERED)
@pytest.mark.parametrize("ask", ASKS)
async def test_a_token_that_was_tampered_with_is_refused(gate: Gate, ask: str, how: str) -> None:
    made = session(gate)
    token = TAMPERED[how](gate, made.session_token)
    asked = ASKS[ask](gate, **keys_of(made, token=token))
    assert code(await gate.ask(asked)) == INVALID[ask]


@pytest.mark.parametrize("ask", ASKS)
async def test_a_token_without_its_secret_or_key_is_worth_nothing(gate: Gate, ask: str) -> None:
    """Who overhears a token has neither the secret nor another key that it would go with."""
    made = session(gate)
    stolen = keys_of(made, key=gate.key, secret=gate.secret)
    assert code(await gate.ask(ASKS[ask](gate, **stolen))) == INVALID[ask]
    unsigned = keys_of(made, secret="x" * 40)
    assert code(await gate.ask(ASKS[ask](gate, **unsigned)))[1] in (
        "SignatureDoesNotMatch", "InvalidSignatureException"
    )  # fmt: skip
    bare = {"key": made.access_key_id, "secret": made.secret_access_key}
    expected = INVALID[ask] if ask != "s3" else (403, "InvalidAccessKeyId")
    assert code(await gate.ask(ASKS[ask](gate, **bare))) == expected


async def test_a_presigned_url_ends_with_the_session_that_signed_it(gate: Gate) -> None:
    """ "...the URL expires when the credentials expire, even if created with a later expiration."
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
    """
    await gate.make_bucket("bucket")
    for made, expected in ((session(gate), 200), (session(gate, ago_s=900), 400)):
        asked = AWSRequest("GET", f"http://{HOST}/bucket?list-type=2")
        keys = Keys(made.access_key_id, made.secret_access_key, made.session_token)
        S3SigV4QueryAuth(keys, "s3", REGION, expires=3600).add_auth(asked)
        path, _, query = asked.url.partition(HOST)[2].partition("?")
        request = Request("GET", path, query, [("host", HOST)], b"", peer="127.0.0.1")
        answer = await gate.ask(request)
        assert answer.status == expected
        if expected == 400:
            assert code(answer) == (400, "ExpiredToken")


@pytest.mark.parametrize("principal", [ROOT, FEDERATED], ids=lambda p: p.kind)
async def test_iam_takes_no_session_of_a_user_or_of_who_was_federated(
    gate: Gate, principal: Principal
) -> None:
    """ "You cannot call any IAM API operations unless MFA authentication information is included."
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html, and likewise
    API_GetFederationToken.html
    """
    keys = keys_of(session(gate, principal=principal))
    body = b"Action=ListUsers&Version=2010-05-08"
    answer = await gate.ask(gate.signed("iam", body, content_type=FORM, **keys))
    assert code(answer) == (403, "InvalidClientTokenId")
    assert (await gate.ask(gate.signed("iam", body, content_type=FORM))).status == 200


async def test_nothing_of_a_secret_is_in_any_refusal(gate: Gate) -> None:
    made = session(gate)
    for ask in ASKS.values():
        for keys in (keys_of(made, token="bad"), keys_of(made, secret="x" * 40)):
            answer = text(await gate.ask(ask(gate, **keys)))
            assert made.secret_access_key not in answer
            assert gate.secret not in answer
