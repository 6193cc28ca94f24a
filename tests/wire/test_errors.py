"""Every error has the code, status and form that its service and protocol want."""

from __future__ import annotations

import msgspec
import pytest

from ogi.errors import AccessDenied, AwsError, InternalFailure, unsupported
from ogi.http import Request, Response
from ogi.wire import models
from ogi.wire.codecs import codec
from tests.wire import inverse

TARGET = [("x-amz-target", "AmazonSQS.SendMessage")]
CBOR = [("smithy-protocol", "rpc-v2-cbor")]
REQUESTS = {
    "json": Request("POST", "/", "", TARGET),
    "query": Request("POST", "/", "", []),
    "rest-json": Request("GET", "/2015-03-31/functions/f", "", []),
    "rest-xml": Request("GET", "/bucket/key", "", []),
    "smithy-rpc-v2-cbor": Request("POST", "/service/A/operation/B", "", CBOR),
}


class NoSuchKey(AwsError):
    """The specified key does not exist."""


class QueueDoesNotExist(AwsError):
    """The specified queue does not exist."""


class NotFoundException(AwsError):
    """Not here"""


class ResourceNotFoundException(AwsError):
    """Function not found"""


class NoSuchEntityException(AwsError):
    """The role with name r cannot be found."""


class NotModified(AwsError):
    """Not Modified"""

    status = 304


def _refuse(service: str, error: BaseException, protocol: str) -> Response:
    return codec(service).refuse(error, "id-1", REQUESTS[protocol])


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
def test_each_error_of_a_model_is_the_one_that_botocore_raises(service: str, protocol: str) -> None:
    model = inverse.service_model(service)
    for name in model.shape_names:
        shape = model.shape_for(name)
        if shape.type_name != "structure" or not shape.metadata.get("exception"):
            continue
        error = type(name, (AwsError,), {})("because <of> & so")
        response = _refuse(service, error, protocol)
        trait = shape.metadata.get("error", {})
        if service != "sqs":
            fallback = 500 if models.load(service).file.shapes[name].fault else 400
            assert response.status == trait.get("httpStatusCode", fallback), name
        found = inverse.error(response, protocol)
        # Where the model has a code of its own, that is what clients of query see.
        told = {trait.get("code"), name}
        if service != "sqs":
            assert found["Error"]["Code"] in told, name
        assert found["Error"]["Message"] == "because <of> & so"
        assert found["ResponseMetadata"]["RequestId"] == "id-1"


def test_sqs_over_json_names_the_shape_and_tells_the_old_code_in_a_header() -> None:
    response = _refuse("sqs", QueueDoesNotExist(), "json")
    assert response.status == 400
    assert dict(response.headers) == {
        "x-amzn-RequestId": "id-1",
        "Content-Type": "application/x-amz-json-1.0",
        "x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender",
    }
    assert response.body == (
        b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist",'
        b'"message":"The specified queue does not exist."}'
    )
    found = inverse.error(response, "json")["Error"]
    assert found["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert found["QueryErrorCode"] == "QueueDoesNotExist"


def test_what_no_model_of_sqs_lists_has_the_frameworks_name_over_json() -> None:
    # As AWS answered in http4k/http4k#1336 and brefphp/laravel-bridge#154 on GitHub.
    for code, name in (
        ("InvalidParameterValue", "InvalidParameterValueException"),
        ("MissingParameter", "MissingRequiredParameterException"),
        ("AccessDenied", "AccessDeniedException"),
    ):
        error = type(code, (AwsError,), {"code": code})("no")
        response = _refuse("sqs", error, "json")
        assert ("x-amzn-query-error", f"{code};Sender") in response.headers
        assert msgspec.json.decode(response.body)["__type"] == f"com.amazon.coral.service#{name}"
        assert f"<Code>{code}</Code>".encode() in _refuse("sqs", error, "query").body


@pytest.mark.parametrize("protocol", ["json", "query"])
@pytest.mark.parametrize("shape", ["InvalidAddress", "ReceiptHandleIsInvalid"])
def test_what_sqs_does_not_find_is_404(shape: str, protocol: str) -> None:
    assert _refuse("sqs", type(shape, (AwsError,), {})("no"), protocol).status == 404


def test_sqs_over_query_answers_as_it_did_before_json() -> None:
    response = _refuse("sqs", QueueDoesNotExist(), "query")
    assert response.body == (
        b'<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>'
        b"<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        b"<Message>The specified queue does not exist for this wsdl version.</Message><Detail/>"
        b"</Error>"
        b"<RequestId>id-1</RequestId></ErrorResponse>"
    )


def test_query_takes_code_and_status_from_the_error_shape() -> None:
    response = _refuse("iam", NoSuchEntityException(), "query")
    assert response.status == 404
    assert response.body == (
        b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error>'
        b"<Type>Sender</Type><Code>NoSuchEntity</Code>"
        b"<Message>The role with name r cannot be found.</Message></Error>"
        b"<RequestId>id-1</RequestId></ErrorResponse>"
    )


def test_kms_names_the_shape_alone() -> None:
    response = _refuse("kms", NotFoundException(), "json")
    assert (response.status, response.body) == (
        400,
        b'{"__type":"NotFoundException","message":"Not here"}',
    )
    assert not any(name == "x-amzn-query-error" for name, _ in response.headers)


def test_lambda_says_the_type_in_a_header_and_whose_fault_it_was() -> None:
    response = _refuse("lambda", ResourceNotFoundException(), "rest-json")
    assert response.status == 404
    assert ("x-amzn-ErrorType", "ResourceNotFoundException") in response.headers
    assert msgspec.json.decode(response.body) == {"Message": "Function not found", "Type": "User"}


def test_s3_names_resource_request_and_host_and_the_errors_own_members() -> None:
    response = _refuse("s3", NoSuchKey(Key="a<b"), "rest-xml")
    assert response.status == 404
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        b"<Message>The specified key does not exist.</Message><Key>a&lt;b</Key>"
        b"<Resource>/bucket/key</Resource><RequestId>id-1</RequestId>"
        b"<HostId>aWQtMQ==</HostId></Error>"
    )
    assert response.headers[:2] == [("x-amz-request-id", "id-1"), ("x-amz-id-2", "aWQtMQ==")]


def test_s3_answers_head_and_not_modified_without_a_body() -> None:
    head = Request("HEAD", "/bucket/key", "", [])
    missing = codec("s3").refuse(NoSuchKey(), "id-1", head)
    assert (missing.status, missing.body) == (404, b"")
    assert inverse.error(missing, "rest-xml")["Error"]["Code"] == "404"
    unchanged = codec("s3").refuse(NotModified(ETag='"1"'), "id-1", REQUESTS["rest-xml"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert ("ETag", '"1"') in unchanged.headers


def test_a_member_named_like_a_header_becomes_one() -> None:
    error = NoSuchKey(**{"x-amz-delete-marker": "true"})
    response = _refuse("s3", error, "rest-xml")
    assert ("x-amz-delete-marker", "true") in response.headers
    assert b"delete-marker" not in response.body  # type: ignore[operator]


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
def test_a_defect_of_ours_is_an_internal_failure_and_tells_nothing(
    service: str, protocol: str
) -> None:
    for error in (ValueError("secret"), InternalFailure()):
        response = _refuse(service, error, protocol)
        found = inverse.error(response, protocol)["Error"]
        assert response.status == 500
        assert found["Code"] == ("InternalError" if service == "s3" else "InternalFailure")
        assert b"secret" not in response.body  # type: ignore[operator]


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
def test_errors_that_no_model_lists_say_their_own_code_and_status(
    service: str, protocol: str
) -> None:
    response = _refuse(service, unsupported("flying"), protocol)
    assert response.status == 501
    assert inverse.error(response, protocol)["Error"]["Code"] == "NotImplemented"
    denied = _refuse(service, AccessDenied(), protocol)
    assert denied.status == 403
    assert inverse.error(denied, protocol)["Error"]["Code"] == "AccessDenied"
