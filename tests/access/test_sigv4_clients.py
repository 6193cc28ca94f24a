"""botocore signs, we verify; one byte of it changed, and we refuse."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access import sigv4
from ogi.access.payloads import Mode
from ogi.errors import AwsError
from ogi.http import Request

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF), max_size=12)
token = st.none() | st.text(st.sampled_from("abcXYZ019+/="), min_size=1, max_size=40)
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
names = st.sampled_from(["x-amz-meta-a", "x-amz-target", "content-type", "cache-control"])
own = ("X-Amz-", "Signature", "AWSAccessKeyId")
parameters = st.dictionaries(
    text.filter(lambda name: bool(name) and not name.startswith(own)), text, max_size=4
)


def signed(
    auth: Callable[..., Any], service: str, query: bool, method: str, path: str,
    params: dict[str, str], headers: dict[str, str], body: bytes, token: str | None,
) -> Request:  # fmt: skip
    asked = AWSRequest(
        method, f"http://host.example:4566{path}", headers=headers, data=body, params=params
    )
    asked.context["timestamp"] = ""
    auth(Credentials(KEY, SECRET, token), service, "eu-central-1").add_auth(asked)
    sent = asked.prepare()
    pairs = [("host", "host.example:4566")]
    for name, value in sent.headers.items():
        pairs.append((name.lower(), value.decode() if isinstance(value, bytes) else str(value)))
    target = sent.url.removeprefix("http://host.example:4566")
    path, _, query_string = target.partition("?")
    return Request(method, path, query_string, pairs, body)


def verified(request: Request, secret: str = SECRET) -> sigv4.Claim:
    claim = sigv4.read(request, time.time(), "us-east-1")
    assert claim is not None
    claim.verify(secret)
    claim.body(secret, request.body)
    return claim


AUTHS = [
    (SigV4Auth, "sqs", False),
    (SigV4QueryAuth, "sqs", True),
    (S3SigV4Auth, "s3", False),
    (S3SigV4QueryAuth, "s3", True),
]


@pytest.mark.parametrize(("auth", "service", "query"), AUTHS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_botocore_signs_is_verified(
    auth: Any, service: str, query: bool, data: st.DataObject
) -> None:
    request = _drawn(auth, service, query, data)
    claim = verified(request)
    assert (claim.access_key, claim.region, claim.service) == (KEY, "eu-central-1", service)


@pytest.mark.parametrize(("auth", "service", "query"), AUTHS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_refused(
    auth: Any, service: str, query: bool, data: st.DataObject
) -> None:
    request = _drawn(auth, service, query, data)
    changed = _changed(request, data, query)
    try:
        claim = verified(changed)
    except AwsError:
        return
    # The one thing that a signature does not cover chooses the secret.
    assert claim.access_key != KEY


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_another_secret_is_refused(data: st.DataObject) -> None:
    request = _drawn(SigV4Auth, "kms", False, data)
    with pytest.raises(AwsError):
        verified(request, SECRET + "x")


def _drawn(auth: Any, service: str, query: bool, data: st.DataObject) -> Request:
    # What a URL's path may contain as it is sent; S3's keys are encoded by the client.
    segments = data.draw(st.lists(st.sampled_from(["a", "b-c", "%20", "%C3%A9", "x~y"])))
    return signed(
        auth,
        service,
        query,
        data.draw(st.sampled_from(["GET", "PUT", "POST", "DELETE"])),
        "/" + "/".join(segments),
        data.draw(parameters) if service == "s3" else {},
        data.draw(st.dictionaries(names, words, max_size=3)),
        b"" if query else data.draw(st.binary(max_size=40)),
        data.draw(token),
    )


def _changed(request: Request, data: st.DataObject, query: bool) -> Request:
    """The same with one character of something that was signed replaced or added."""
    where = ["method", "path", "header", "body", "query"]
    if query:
        # A presigned URL leaves the body open.
        where.remove("body")
    part = data.draw(st.sampled_from(where))
    headers = list(request.headers)
    method, path, query_string, body = request.method, request.path, request.query, request.body
    assert isinstance(body, bytes)
    if part == "method":
        method = "PATCH"
    elif part == "path":
        path += "z"
    elif part == "query":
        query_string += "&" * bool(query_string) + "zz=1"
    elif part == "body":
        at = data.draw(st.integers(0, len(body)))
        body = body[:at] + b"!" + body[at:]
    else:
        claim = sigv4.read(request, time.time(), "")
        assert claim is not None
        indexes = [
            index
            for index, (name, _) in enumerate(headers)
            if name == "authorization" or name in claim.signed_headers
        ]
        index = data.draw(st.sampled_from(indexes))
        name, value = headers[index]
        at = data.draw(st.integers(0, max(len(value) - 1, 0)))
        old = value[at : at + 1]
        headers[index] = (name, value[:at] + ("0" if old != "0" else "1") + value[at + 1 :])
    return Request(method, path, query_string, headers, body)


def test_an_unsigned_payload_is_signed_but_for_its_body() -> None:
    asked = AWSRequest("PUT", "http://h/b/k", headers={}, data=b"anything")
    asked.context["payload_signing_enabled"] = False

    class Unsigned(S3SigV4Auth):
        def _should_sha256_sign_payload(self, request: Any) -> bool:
            return False

    Unsigned(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(asked)
    pairs = [("host", "h")]
    pairs += [
        (k.lower(), v if isinstance(v, str) else v.decode()) for k, v in asked.headers.items()
    ]
    claim = verified(Request("PUT", "/b/k", "", pairs, b"something else"))
    assert claim.mode is Mode.UNSIGNED


def test_a_body_hashed_in_the_header_is_checked_when_it_is_read() -> None:
    request = signed(S3SigV4Auth, "s3", False, "PUT", "/b/k", {}, {}, b"good", None)
    claim = sigv4.read(request, time.time(), "")
    assert claim is not None
    claim.verify(SECRET)
    assert not claim.covers_body
    with pytest.raises(AwsError) as refused:
        claim.body(SECRET, b"evil")
    assert refused.value.shape == "XAmzContentSHA256Mismatch"
    assert refused.value.members == {
        "ClientComputedContentSHA256": hashlib.sha256(b"good").hexdigest(),
        "S3ComputedContentSHA256": hashlib.sha256(b"evil").hexdigest(),
    }


def test_an_amz_header_in_a_presigned_query_is_read_as_a_header() -> None:
    # The JavaScript SDK moves what it can into the URL, where the signature covers it.
    request = signed(
        S3SigV4QueryAuth, "s3", True, "PUT", "/b/k", {"x-amz-meta-a": "x é"}, {}, b"", "token"
    )
    verified(request)
    assert request.header("x-amz-meta-a") == "x é".encode().decode("latin-1")
    assert not request.header("x-amz-security-token")
    with_line_feed = signed(
        S3SigV4QueryAuth, "s3", True, "PUT", "/b/k", {"x-amz-meta-a": "1\nx-amz-acl:p"}, {}, b"",
        None,
    )  # fmt: skip
    with pytest.raises(AwsError):
        verified(with_line_feed)
