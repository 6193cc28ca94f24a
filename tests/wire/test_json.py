"""AWS JSON and REST JSON: what is ignored, what is refused, and how."""

from __future__ import annotations

import math

import msgspec
import pytest

from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire import codec


def _request(service: str, operation: str, body: bytes) -> Request:
    prefix = {"sqs": "AmazonSQS", "kms": "TrentService", "logs": "Logs_20140328"}[service]
    return Request("POST", "/", "", [("x-amz-target", f"{prefix}.{operation}")], body)


def _refused(service: str, operation: str, body: bytes) -> AwsError:
    with pytest.raises(AwsError) as caught:
        codec(service).parse(_request(service, operation, body))
    return caught.value


def test_unknown_members_and_nulls_are_not_passed_on() -> None:
    body = b'{"QueueUrl":"u","MessageBody":"b","DelaySeconds":null,"Colour":"red","__type":"x"}'
    parsed = codec("sqs").parse(_request("sqs", "SendMessage", body))
    assert parsed.params == {"QueueUrl": "u", "MessageBody": "b"}


def test_an_empty_body_is_an_empty_structure() -> None:
    assert codec("kms").parse(_request("kms", "ListKeys", b"")).params == {}
    assert codec("sqs").parse(_request("sqs", "ListQueues", b"{}")).params == {}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ('"DelaySeconds":"1"', "STRING_VALUE can not be converted to an Integer"),
        ('"DelaySeconds":true', "TRUE_VALUE can not be converted to an Integer"),
        ('"DelaySeconds":1.5', "NUMBER_VALUE can not be converted to an Integer"),
        ('"DelaySeconds":4294967296', "NUMBER_VALUE can not be converted to an Integer"),
        ('"DelaySeconds":1e400', ""),
        ('"MessageBody":1', "NUMBER_VALUE can not be converted to a String"),
        ('"MessageBody":false', "FALSE_VALUE can not be converted to a String"),
        ('"MessageBody":{}', "Start of structure or map found where not expected."),
        ('"MessageBody":[]', "Start of list found where not expected"),
        ('"MessageAttributes":[]', "Expected map or null"),
        ('"MessageAttributes":{"a":1}', "Expected map or null"),
        ('"MessageAttributes":{"a":null}', "Unexpected null in a map"),
        (
            '"MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"%"}}',
            "The value is not valid base64",
        ),
        (
            '"MessageAttributes":{"a":{"DataType":"Binary","BinaryListValues":"%"}}',
            "Expected list or null",
        ),
    ],
)
def test_a_member_of_another_type_is_refused(members: str, message: str) -> None:
    error = _refused("sqs", "SendMessage", f'{{"QueueUrl":"u",{members}}}'.encode())
    assert (error.shape, error.message) == ("SerializationException", message)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"nonsense", b"\xff\xfe", b'{"QueueUrl":"\xff"}', b"{}{}", b'{"a":"\\ud800"}',
        b"[" * 100_000, b'{"a":' * 100_000, b"{" + b'"a":1,' * 10,
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_without_a_word(body: bytes) -> None:
    error = _refused("sqs", "SendMessage", body)
    assert (error.shape, error.message) == ("SerializationException", "")


@pytest.mark.parametrize("operation", ["", "Fly", "SendMessageToTheMoon", "x" * 100_000])
def test_an_unknown_target_is_refused(operation: str) -> None:
    error = _refused("kms", operation, b"{}")
    assert (error.shape, error.status) == ("UnknownOperationException", 400)
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/2015-03-31/planets"), ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions//versions"), ("GET", "//"), ("GET", ""),
        ("POST", "/2015-03-31/functions/f/invocations/more"),
    ],
)  # fmt: skip
def test_an_unknown_path_of_lambda_is_refused(method: str, path: str) -> None:
    request = Request(method, path, "", [])
    with pytest.raises(AwsError) as caught:
        codec("lambda").parse(request)
    response = codec("lambda").refuse(caught.value, "id", request)
    assert response.status == 404
    assert ("x-amzn-ErrorType", "UnknownOperationException") in response.headers


def test_lambdas_paths_hold_encoded_arns_and_may_end_in_a_slash() -> None:
    path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"
    parsed = codec("lambda").parse(Request("GET", path, "Qualifier=v1", []))
    assert (parsed.operation, parsed.params) == (
        "GetFunction",
        {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f", "Qualifier": "v1"},
    )
    for path in ("/2015-03-31/functions", "/2015-03-31/functions/"):
        assert codec("lambda").parse(Request("GET", path, "", [])).operation == "ListFunctions"


def test_an_invocation_is_bytes_both_ways() -> None:
    headers = [("x-amz-invocation-type", "Event"), ("x-amz-log-type", "Tail")]
    path = "/2015-03-31/functions/f/invocations"
    parsed = codec("lambda").parse(Request("POST", path, "", headers, b'{"a":1}'))
    assert parsed.params == {
        "FunctionName": "f", "InvocationType": "Event", "LogType": "Tail", "Payload": b'{"a":1}',
    }  # fmt: skip
    result = {"StatusCode": 202, "FunctionError": "Unhandled", "Payload": b"null"}
    response = codec("lambda").respond(parsed, result, "id-1")
    assert (response.status, response.body) == (202, b"null")
    assert response.headers == [
        ("x-amzn-RequestId", "id-1"),
        ("X-Amz-Function-Error", "Unhandled"),
        ("Content-Type", "application/json"),
    ]


def test_special_numbers_are_texts_in_json() -> None:
    target = ("x-amz-target", "GraniteServiceVersion20100801.GetMetricStatistics")
    body = (
        b'{"Namespace":"n","MetricName":"m","StartTime":1,"EndTime":"2026-01-31T10:00:00Z",'
        b'"Period":60}'
    )
    parsed = codec("cloudwatch").parse(Request("POST", "/", "", [target], body))
    assert (parsed.params["StartTime"], parsed.params["EndTime"]) == (1.0, 1769853600.0)
    points = [{"Sum": math.inf, "Average": math.nan, "Minimum": -math.inf, "Timestamp": 1.5004}]
    response = codec("cloudwatch").respond(parsed, {"Datapoints": points}, "id")
    assert msgspec.json.decode(response.body)["Datapoints"] == [
        {"Sum": "Infinity", "Average": "NaN", "Minimum": "-Infinity", "Timestamp": 1.5}
    ]
