"""Heads alone say which service a request is for."""

from __future__ import annotations

import pytest

from ogi.errors import Unsupported
from ogi.http import Request
from ogi.wire import codec, models, route
from ogi.wire.routing import SERVICES, UNKNOWN, Service

FORM = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")


def _request(method: str = "GET", path: str = "/", query: str = "", **headers: str) -> Request:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method, path, query, pairs)


@pytest.mark.parametrize("row", SERVICES, ids=lambda row: row.name)
def test_the_table_of_services_says_what_the_models_say(row: Service) -> None:
    metadata = models.load(row.name).metadata
    assert row.signing == (metadata.signing_name or metadata.endpoint_prefix)
    assert metadata.endpoint_prefix in row.hosts
    assert row.target == metadata.target_prefix
    speaks_query = "query" in metadata.protocols or metadata.aws_query_compatible is not None
    assert row.version == (metadata.api_version if speaks_query else "")


@pytest.mark.parametrize(
    ("scope", "service"),
    [
        ("s3", "s3"), ("sns", "sns"), ("sqs", "sqs"), ("lambda", "lambda"), ("kms", "kms"),
        ("iam", "iam"), ("sts", "sts"), ("cloudformation", "cloudformation"),
        ("monitoring", "cloudwatch"), ("logs", "logs"), ("s3express", "s3"),
        ("dynamodb", UNKNOWN), ("../../etc", UNKNOWN), ("", UNKNOWN),
    ],
)  # fmt: skip
def test_the_credential_scope_says_most(scope: str, service: str) -> None:
    misleading = _request(path="/2015-03-31/functions", host="sqs.us-east-1.amazonaws.com")
    assert route(misleading, scope).service == service


@pytest.mark.parametrize(
    ("request_", "service"),
    [
        (_request("POST", x_amz_target="AmazonSQS.SendMessage"), "sqs"),
        (_request("POST", x_amz_target="TrentService.Encrypt"), "kms"),
        (_request("POST", x_amz_target="Logs_20140328.PutLogEvents"), "logs"),
        (_request("POST", x_amz_target="DynamoDB_20120810.GetItem"), UNKNOWN),
        (
            _request(
                "POST",
                "/service/GraniteServiceVersion20100801/operation/PutMetricData",
                smithy_protocol="rpc-v2-cbor",
            ),
            "cloudwatch",
        ),
        (_request("POST", "/service", smithy_protocol="rpc-v2-cbor"), UNKNOWN),
        (_request(host="sns.eu-west-1.amazonaws.com"), "sns"),
        (_request(host="sqs.eu-west-1.amazonaws.com:443"), "sqs"),
        (_request(host="eu-west-1.queue.amazonaws.com"), "sqs"),
        (_request(host="sts.amazonaws.com"), "sts"),
        (_request(host="monitoring.us-east-1.amazonaws.com"), "cloudwatch"),
        (_request(host="stream-logs.us-east-1.amazonaws.com"), "logs"),
        (_request(host="lambda.localhost:4566"), "lambda"),
        (_request("POST", "/2015-03-31/functions/f/invocations", host="localhost"), "lambda"),
        (_request("GET", "/2021-10-31/functions/f/url", host="127.0.0.1:4566"), "lambda"),
        (_request("GET", "/000000000000/q", "Action=SendMessage&MessageBody=x"), "sqs"),
        (_request("GET", "/000000000000/q.fifo", "Action=ReceiveMessage"), "sqs"),
        (_request("GET", "/", "Action=ConfirmSubscription&TopicArn=a&Token=b"), "sns"),
        (_request("GET", "/", "Action=Unsubscribe&SubscriptionArn=a"), "sns"),
        (_request("GET", "/", "Action=ListUsers&Version=2010-05-08"), "iam"),
        (_request("GET", "/", "Action=Dance"), "s3"),
        (_request("GET", "/bucket/key", host="127.0.0.1:4566"), "s3"),
        (_request("GET", "/", host="s3.eu-west-1.amazonaws.com"), "s3"),
        (_request("PUT", "/bucket/2015-03-31/x"), "s3"),
        (_request("GET", "/", host="[::1]:4566"), "s3"),
    ],
)
def test_what_is_not_signed_is_told_by_headers_host_path_and_query(
    request_: Request, service: str
) -> None:
    found = route(request_, None)
    assert (found.service, found.needs_body) == (service, False)


def test_an_unsigned_form_is_told_by_its_body_once_it_is_there() -> None:
    async def chunks() -> object:
        yield b""

    coming = Request("POST", "/", "", [FORM], chunks())  # type: ignore[arg-type]
    assert route(coming, None).needs_body
    coming.body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r"
    found = route(coming, None)
    assert (found.service, found.needs_body) == ("sts", False)
    coming.body = b"Action=Unsubscribe&SubscriptionArn=a"
    assert route(coming, None).service == "sns"
    coming.body = b"nothing"
    assert route(coming, None).service == "s3"


@pytest.mark.parametrize(
    ("host", "path", "rewritten"),
    [
        ("photos.s3.amazonaws.com", "/a/b", "/photos/a/b"),
        ("photos.s3.eu-west-1.amazonaws.com", "/", "/photos/"),
        ("photos.s3-eu-west-1.amazonaws.com", "/k", "/photos/k"),
        ("my.dotted.bucket.s3.us-east-1.amazonaws.com:443", "/k", "/my.dotted.bucket/k"),
        ("photos.s3.localhost:4566", "/k", "/photos/k"),
        ("photos.localhost:4566", "/k%20x", "/photos/k%20x"),
        ("PHOTOS.s3.amazonaws.com", "/k", "/photos/k"),
        ("s3.localhost:4566", "/photos/k", "/photos/k"),
        ("s3.us-east-1.amazonaws.com", "/photos/k", "/photos/k"),
        ("localhost:4566", "/photos/k", "/photos/k"),
        ("127.0.0.1:4566", "/photos/k", "/photos/k"),
        ("", "/photos/k", "/photos/k"),
    ],
)
def test_a_bucket_in_the_host_moves_into_the_path(host: str, path: str, rewritten: str) -> None:
    for signed in ("s3", None):
        original = _request("GET", path, host=host)
        found = route(original, signed)
        assert found.service == "s3"
        assert found.request.path == rewritten
        # The signature is over what was sent.
        assert original.path == path


def test_the_host_of_another_service_is_no_bucket() -> None:
    assert route(_request("POST", "/", host="sqs.localhost"), None).service == "sqs"
    assert route(_request("POST", "/", host="kms.localhost"), "kms").request.path == "/"


@pytest.mark.parametrize("name", [UNKNOWN, "dynamodb", "../s3", ""])
def test_a_service_that_is_not_ours_is_refused_in_any_protocol(name: str) -> None:
    found = codec(name)
    for request in (_request("POST", x_amz_target="DynamoDB.GetItem"), _request("GET", "/x")):
        with pytest.raises(Unsupported):
            found.parse(request)
        assert found.refuse(Unsupported("no"), "id", request).status == 501
    assert not found.streams(_request("PUT", "/b/k"))
    assert codec("dynamodb") is codec("../s3")
