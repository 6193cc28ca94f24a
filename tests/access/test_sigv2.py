"""URLs that botocore presigns with Signature Version 2: verified, and refused when changed."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.session
import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access import authenticate, sigv2
from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire.routing import path_style

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXPIRES_S = 600

text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF), max_size=12)
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
headers = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "x-amz-acl", "content-type", "content-md5", "accept"]), words
)
parameters = st.dictionaries(
    st.sampled_from([*sorted(sigv2.SIGNED), "prefix", "marker", "list-type"]),
    text.filter(lambda value: "&" not in value),
    max_size=4,
)
tokens = st.none() | st.text(st.sampled_from("abcXYZ019+/="), min_size=1, max_size=40)


def path_of(request: Request) -> str:
    return path_style(request).path


def presign(
    method: str = "GET",
    path: str = "/bucket/key",
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    token: str | None = None,
    host: str = "127.0.0.1:4566",
    auth_path: str | None = None,
) -> Request:
    """What the client sends: headers that are signed go with the request, x-amz- in the URL."""
    encoded = "&".join(f"{k}={quote(v, safe='')}" for k, v in (query or {}).items())
    url = f"http://{host}{path}" + (f"?{encoded}" if encoded else "")
    asked = AWSRequest(method, url, headers=headers or {}, auth_path=auth_path)
    HmacV1QueryAuth(Credentials(KEY, SECRET, token), EXPIRES_S).add_auth(asked)
    sent = [("host", host)]
    for name, value in (headers or {}).items():
        if not name.startswith("x-amz-"):
            sent.append((name, value))
    split = urlsplit(asked.url)
    return Request(method, split.path, split.query, sent)


def read(request: Request, now: float | None = None) -> authenticate.Claim | None:
    return authenticate.read(request, time.time() if now is None else now, "eu-west-1", path_of)


def accept(request: Request) -> sigv2.Claim:
    claim = read(request)
    assert isinstance(claim, sigv2.Claim)
    claim.verify(SECRET)
    return claim


def refusal(request: Request, now: float | None = None) -> AwsError:
    with pytest.raises(AwsError) as raised:
        claim = read(request, now)
        assert claim is not None
        claim.verify(SECRET)
    return raised.value


def altered(request: Request, **fields: Any) -> Request:
    names = ("method", "path", "query", "headers", "body")
    return Request(**{name: getattr(request, name) for name in names} | fields)


def with_query(request: Request, change: Callable[[str], str]) -> Request:
    return altered(request, query=change(request.query))


def test_the_example_of_the_documentation_is_verified() -> None:
    query = f"AWSAccessKeyId={KEY}&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
    request = Request("GET", "/photos/puppy.jpg", query, [("host", "johnsmith.s3.amazonaws.com")])
    claim = read(request, now=1175139600)
    assert claim is not None
    claim.verify(SECRET)
    assert (claim.access_key, claim.service, claim.region) == (KEY, "s3", "eu-west-1")


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
    segments=st.lists(st.sampled_from(["a", "b-c", "%20", "%C3%A9", "x~y", "%2B", "..", ""])),
    query=parameters,
    headers=headers,
    token=tokens,
)
@settings(max_examples=150, deadline=None)
def test_what_botocore_presigns_is_verified(
    method: str, segments: list[str], query: dict[str, str], headers: dict[str, str],
    token: str | None,
) -> None:  # fmt: skip
    request = presign(method, "/" + "/".join(["bucket", *segments]), query, headers, token)
    claim = accept(request)
    assert claim.token == (token or "")
    # What S3 takes from the URL in place of a header reaches the codec as one; the token does not.
    for name, value in headers.items():
        assert request.header(name) == value
    assert not request.header(sigv2.TOKEN)


@given(data=st.data(), query=parameters, headers=headers, token=tokens)
@settings(max_examples=150, deadline=None)
def test_a_change_of_anything_that_is_signed_is_refused(
    data: st.DataObject, query: dict[str, str], headers: dict[str, str], token: str | None
) -> None:
    request = presign("PUT", "/bucket/key", query, headers, token)
    kind = data.draw(st.sampled_from(["method", "path", "add", "drop", "header", "amz", "expires"]))
    if kind == "method":
        changed = altered(request, method="DELETE")
    elif kind == "path":
        changed = altered(request, path="/bucket/kez")
    elif kind == "add":
        name = data.draw(st.sampled_from(sorted(sigv2.SIGNED | sigv2.UNSIGNED)))
        changed = with_query(request, lambda text: f"{text}&{name}")
    elif kind == "drop":
        parts = request.query.split("&")
        signed = [p for p in parts if p.split("=")[0] not in ("prefix", "marker", "list-type")]
        # Content-Type and Content-MD5 in the URL are for the reader of it; the headers are signed.
        signed = [p for p in signed if not p.startswith("content-")]
        dropped = data.draw(st.sampled_from(signed))
        changed = with_query(request, lambda _: "&".join(p for p in parts if p is not dropped))
    elif kind == "header":
        changed = altered(request, headers=[*request.headers, ("content-type", "x/y")])
    elif kind == "amz":
        changed = with_query(request, lambda text: f"{text}&x-amz-meta-z=1")
    else:
        changed = with_query(request, lambda text: text.replace("Expires=1", "Expires=2"))
    if kind == "header" and headers.get("content-type"):
        changed.headers = [(n, v) for n, v in request.headers if n != "content-type"]
    refusal(changed)


def test_a_bucket_in_the_host_is_signed_as_one_in_the_path() -> None:
    host = "bucket.s3.eu-west-1.localhost:4566"
    accept(presign(path="/key", host=host, auth_path="/bucket/key"))
    other = presign(path="/key", host=host, auth_path="/bucket/key")
    other.headers = [("host", "bucked.s3.eu-west-1.localhost:4566")]
    assert refusal(other).code is None
    assert refusal(other).shape == "SignatureDoesNotMatch"


def test_a_signed_value_cannot_be_read_as_two_parameters() -> None:
    request = presign("PUT", query={"partNumber": "1", "uploadId": "U"})
    sly = with_query(
        request, lambda text: text.replace("partNumber=1&uploadId=U", "partNumber=1%26uploadId=U")
    )
    assert sly.query != request.query
    assert refusal(sly).shape == "SignatureDoesNotMatch"
    lines = presign("PUT", headers={"x-amz-meta-a": "1", "x-amz-meta-b": "2"})
    sly = with_query(
        lines,
        lambda text: text.replace("meta-a=1&x-amz-meta-b=2", "meta-a=1%0Ax-amz-meta-b%3A2"),
    )
    assert sly.query != lines.query
    assert refusal(sly).shape == "SignatureDoesNotMatch"


def test_an_ampersand_in_a_file_name_is_no_trick() -> None:
    accept(presign(query={"response-content-disposition": 'attachment; filename="a&b.txt"'}))


def test_every_sub_resource_of_the_model_is_signed_or_refused() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    named = set()
    for name in model.operation_names:
        _, _, query = model.operation_model(name).http["requestUri"].partition("?")
        named |= {part.partition("=")[0] for part in query.split("&") if part}
    # ListObjects and its second version need the same permission.
    assert named - sigv2.SIGNED - sigv2.UNSIGNED == {"list-type"}
    for name in sigv2.UNSIGNED:
        error = refusal(with_query(presign(), lambda text, name=name: f"{text}&{name}"))
        assert error.shape == "InvalidRequest"


def test_an_expired_url_says_when_it_expired_and_what_time_it_is() -> None:
    error = refusal(presign(), now=time.time() + EXPIRES_S + 5)
    assert (error.shape, error.status, error.message) == (
        "AccessDenied", 403, "Request has expired"
    )  # fmt: skip
    assert error.members["Expires"] < error.members["ServerTime"]


def test_a_mismatch_says_what_was_to_be_signed() -> None:
    request = presign("PUT", headers={"content-type": "text/plain", "x-amz-acl": "private"})
    claim = read(request)
    assert claim is not None
    with pytest.raises(AwsError) as raised:
        claim.verify(SECRET + "x")
    members = raised.value.members
    lines = members["StringToSign"].split("\n")
    assert lines[:3] == ["PUT", "", "text/plain"]
    assert lines[4:] == ["x-amz-acl:private", "/bucket/key"]
    assert members["AWSAccessKeyId"] == KEY
    assert SECRET not in str(members)


@pytest.mark.parametrize("lacking", sigv2.MARKS)
def test_all_three_parameters_are_required_once(lacking: str) -> None:
    request = presign()
    parts = request.query.split("&")
    without = "&".join(p for p in parts if not p.startswith(f"{lacking}="))
    twice = request.query + "&" + next(p for p in parts if p.startswith(f"{lacking}="))
    for query in (without, twice):
        if lacking == "AWSAccessKeyId" and query is without:
            assert "Signature" in query
        error = refusal(with_query(request, lambda _, query=query: query))
        assert error.shape == "AccessDenied"
        assert error.message.startswith("Query-string authentication requires the Signature, ")


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1.5", "9" * 40, "\u0661"])
def test_an_expiry_that_is_no_time_is_refused(expires: str) -> None:
    request = with_query(presign(), lambda text: f"{text.rpartition('=')[0]}={quote(expires)}")
    error = refusal(request)
    assert error.message == f"Invalid date (should be seconds since epoch): {expires}"


def test_no_other_way_of_signing_goes_with_it() -> None:
    request = presign()
    request.headers.append(("authorization", f"AWS {KEY}:{b64encode(b'x').decode()}"))
    assert refusal(request).shape == "InvalidArgument"
    both = with_query(presign(), lambda text: f"{text}&X-Amz-Algorithm=AWS4-HMAC-SHA256")
    assert refusal(both).shape == "InvalidArgument"


def test_other_services_do_not_take_it() -> None:
    query = f"Action=ListQueues&AWSAccessKeyId={KEY}&Signature=x&SignatureVersion=2"
    error: Any = refusal(Request("GET", "/", query, [("host", "h")]))
    assert error.shape == "MissingAuthenticationToken"
