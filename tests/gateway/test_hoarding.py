"""Nothing that a stranger sends stays in memory: caches keep only what is short.

A cache that is bounded by entries is not bounded if a stranger chooses how long an entry is.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from ogi.access import canonical
from ogi.http import Request
from tests.gateway.test_pipeline import FORM, JSON, Gate, gate, unsigned

__all__ = ["gate"]

LONG = 20_000
KEPT_MAX = 2_500
"""Characters of what may be kept: an ARN or a URL at its longest."""
MARK = "hoard"


def _caches() -> Iterator[tuple[str, Any]]:
    """Every lru_cache of Ogi, and the dicts that modules keep things in."""
    for module in [m for name, m in sys.modules.items() if name.split(".")[0] == "ogi"]:
        for name, value in vars(module).items():
            if hasattr(value, "cache_info") or (isinstance(value, dict) and name.startswith("_")):
                yield f"{module.__name__}.{name}", value


def _texts(value: Any, depth: int = 4) -> Iterator[str | bytes]:
    if isinstance(value, str | bytes):
        yield value
    elif depth and not isinstance(value, type | Callable):  # type: ignore[arg-type]
        for inner in gc.get_referents(value):
            yield from _texts(inner, depth - 1)


def hoarded() -> set[str]:
    """The caches in which something long lies that a test has marked."""
    found = set()
    for name, cache in _caches():
        for referent in gc.get_referents(cache):
            for text in _texts(referent):
                mark: Any = MARK if isinstance(text, str) else MARK.encode()
                if len(text) > KEPT_MAX and mark in text:
                    found.add(name)
    return found


def forget() -> None:
    for _, cache in _caches():
        if hasattr(cache, "cache_clear"):
            cache.cache_clear()


def form(**members: str) -> bytes:
    return "&".join(f"{name}={value}" for name, value in members.items()).encode()


def sqs(operation: str, **members: str) -> Request:
    return unsigned(
        "POST", "/", msgspec.json.encode(members), x_amz_target=f"AmazonSQS.{operation}",
        content_type=JSON,
    )  # fmt: skip


long = MARK + "x" * LONG
ATTACKS: dict[str, Callable[[], Request]] = {
    "the host of a queue's URL": lambda: sqs(
        "SendMessage", QueueUrl=f"http://{long}/111122223333/q", MessageBody="b"
    ),
    "a queue's name": lambda: sqs(
        "SendMessage", QueueUrl=f"http://a/111122223333/{long}", MessageBody="b"
    ),
    "a queue's URL in a query": lambda: unsigned(
        "POST", "/",
        form(Action="SendMessage", Version="2012-11-05", MessageBody="b",
             QueueUrl=f"http://a/{long}/111122223333/q"),
        content_type=FORM,
    ),
    "the region of a topic": lambda: unsigned(
        "POST", "/",
        form(Action="Publish", Version="2010-03-31", Message="m",
             TopicArn=f"arn:aws:sns:{long}:111122223333:t"),
        content_type=FORM,
    ),
    "the name of a topic": lambda: unsigned(
        "POST", "/",
        form(Action="Publish", Version="2010-03-31", Message="m",
             TopicArn=f"arn:aws:sns:eu-west-1:111122223333:{long}"),
        content_type=FORM,
    ),
    "the topic of a link": lambda: unsigned(
        "GET", f"/?Action=ConfirmSubscription&Token=a&TopicArn=arn:aws:sns:{long}:1:t"
    ),
    "a bucket": lambda: unsigned("GET", f"/{long}/key"),
    "a key": lambda: unsigned("GET", f"/bucket/{long}"),
    "a key to write": lambda: unsigned("PUT", f"/bucket/{long}", b"x", content_length="1"),
    "a role": lambda: unsigned(
        "POST", "/",
        form(Action="AssumeRoleWithWebIdentity", Version="2011-06-15", RoleSessionName="abc",
             RoleArn=f"arn:aws:iam::111122223333:role/{long}", WebIdentityToken="a.b.c"),
        content_type=FORM,
    ),
    "an access key": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", x_amz_date="20231114T221320Z",
        authorization=_authorization(key=long),
    ),
    "signed headers": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", x_amz_date="20231114T221320Z",
        authorization=_authorization(headers=f"host;x-amz-date;x-amz-target;{long}"),
    ),
    "a region": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", x_amz_date="20231114T221320Z",
        authorization=_authorization(region=long),
    ),
    "a date": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", x_amz_date=long,
        authorization=_authorization(),
    ),
    "a date as of HTTP": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", date=long,
        authorization=_authorization(headers="host;x-amz-target"),
    ),
    "the date of a link": lambda: unsigned(
        "GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
        f"&X-Amz-Credential=A/20231114/eu-west-1/s3/aws4_request&X-Amz-Date={long}"
        "&X-Amz-Signature=a"
    ),
    "a session token": lambda: unsigned(
        "POST", "/", b"{}", x_amz_target="AmazonSQS.ListQueues", x_amz_date="20231114T221320Z",
        x_amz_security_token=long,
        authorization=_authorization(
            headers="host;x-amz-date;x-amz-security-token;x-amz-target"
        ),
    ),
    "an operation": lambda: unsigned("POST", "/", b"{}", x_amz_target=f"AmazonSQS.{long}"),
    "a service": lambda: unsigned("POST", "/", b"{}", x_amz_target=f"{long}.ListQueues"),
    "a host": lambda: Request("GET", "/", "", [("host", f"{long}.s3.amazonaws.com")], b""),
}  # fmt: skip


def _authorization(
    key: str = "AKIANOBODY",
    region: str = "eu-west-1",
    headers: str = "host;x-amz-date;x-amz-target",
) -> str:
    scope = f"{key}/20231114/{region}/sqs/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={'0' * 64}"


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_a_stranger_sends_is_not_kept(gate: Gate, attack: str) -> None:
    forget()
    answer = await gate.ask(ATTACKS[attack]())
    assert 400 <= answer.status <= 501
    assert not hoarded()
    kept = [text for text in _texts(gate.ports.traces, depth=9) if len(text) > KEPT_MAX]
    assert not kept, "a refusal is kept to be explained, but not at any length"


def test_the_search_finds_what_is_kept() -> None:
    forget()
    canonical.from_http_date(MARK + "y" * LONG)
    try:
        assert "ogi.access.canonical.from_http_date" in hoarded()
    finally:
        canonical.from_http_date.cache_clear()
