"""Whatever comes, the wire gives members or an error of the caller's, never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.http import Request, Response
from ogi.wire import Parsed, codec, models, route
from tests.wire import inverse

BUILDING_BLOCKS = [
    b"", b"{}", b"[]", b"null", b'{"a":', b"<a>", b"</a>", b"<Delete>", b"<!DOCTYPE a [", b"&b;",
    b"\xa1\x61a", b"\xbf", b"\xff", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"Action=", b"&",
    b"Publish", b"SendMessage", b"CreateRole", b"=", b".", b".member.", b"1", b"Tags", b"%", b"%ff",
    b"MessageAttributes.entry.", b"QueueUrl", b'"QueueUrl":1', b"\x00", b"xmlns", b'"', b",",
]  # fmt: skip
BODIES = st.binary(max_size=64) | st.lists(st.sampled_from(BUILDING_BLOCKS)).map(b"".join)
NAMES = st.sampled_from(
    ["x-amz-target", "smithy-protocol", "host", "content-type", "content-md5", "x-amz-copy-source",
     "x-amz-trailer", "x-amz-checksum-crc32", "x-amz-decoded-content-length", "if-match",
     "content-encoding", "x-amz-meta-a", "x-amz-object-attributes", "if-modified-since",
     "content-length", "x-amz-expected-bucket-owner", "expires"]
)  # fmt: skip
VALUES = st.text(max_size=20) | st.sampled_from(
    ["AmazonSQS.SendMessage", "TrentService.Encrypt", "Logs_20140328.PutLogEvents", "rpc-v2-cbor",
     "GraniteServiceVersion20100801.PutMetricData", "b.s3.amazonaws.com", "x.localhost", "[::1]",
     "application/x-www-form-urlencoded", "a,b", '"a', "\\", "-1", "9" * 30]
)  # fmt: skip
PATHS = st.sampled_from(
    ["/", "", "//", "/b", "/b/k", "/b//", "/%", "/%ff/%zz", "/2015-03-31/functions", "/a/b/c/d",
     "/2015-03-31/functions/f/invocations", "/000000000000/q", "*",
     "/service/GraniteServiceVersion20100801/operation/PutMetricData", "/service//operation/"]
) | st.text(max_size=30).map(lambda text: f"/{text}")  # fmt: skip
QUERIES = st.sampled_from(
    ["", "acl", "delete", "uploads", "uploadId=u&partNumber=x", "list-type=2&max-keys=x", "a=%ff",
     "Action=Publish", "Action", "versions&versions", "&&&=&", "attributes", "tagging=&tagging"]
) | st.text(max_size=30)  # fmt: skip
METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "BREW"])
REQUESTS = st.builds(
    Request, METHODS, PATHS, QUERIES, st.lists(st.tuples(NAMES, VALUES), max_size=4), BODIES
)
SCOPES = st.none() | st.sampled_from([*inverse.SERVICES, "monitoring", "dynamodb", ""])

FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


def _survives(service: str, request: Request) -> None:
    found = codec(service)
    found.streams(request)
    parsed: Parsed | None = None
    try:
        parsed = found.parse(request)
        assert isinstance(parsed.params, dict)
        assert parsed.operation in models.load(service).operations()
        refusal: BaseException = ValueError("afterwards")
    except AwsError as error:
        refusal = error
    response = found.refuse(refusal, "id", request, parsed)
    assert isinstance(response, Response)
    assert response.status >= 300
    assert isinstance(response.body, bytes)


@FUZZ
@given(REQUESTS, SCOPES)
def test_any_request_is_routed_and_answered(request_: Request, scope: str | None) -> None:
    found = route(request_, scope)
    if found.service != "unknown":
        _survives(found.service, found.request)


@pytest.mark.parametrize("service", inverse.SERVICES)
@settings(FUZZ, max_examples=60)
@given(request_=REQUESTS)
def test_no_service_is_surprised_by_any_request(service: str, request_: Request) -> None:
    _survives(service, request_)


@FUZZ
@given(data=st.data(), body=BODIES)
def test_no_operation_is_surprised_by_any_body(data: Any, body: bytes) -> None:
    service = data.draw(st.sampled_from(["sqs", "kms", "logs", "cloudwatch", "sns", "iam", "sts"]))
    metadata = models.load(service).metadata
    name = data.draw(st.sampled_from(models.load(service).operations()))
    if metadata.target_prefix:
        headers = [("x-amz-target", f"{metadata.target_prefix}.{name}")]
        _survives(service, Request("POST", "/", "", headers, body))
    _survives(service, Request("POST", "/", f"Action={name}", [], body))
