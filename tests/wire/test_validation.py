"""What the model forbids is refused before any service sees it, in that service's words."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire import codec, models
from ogi.wire.constraints import PATTERN_CHARACTERS_MAX, compiled


def _json(service: str, operation: str, members: Any) -> Request:
    target = f"{models.load(service).metadata.target_prefix}.{operation}"
    return Request("POST", "/", "", [("x-amz-target", target)], json.dumps(members).encode())


def _query(**members: str) -> Request:
    return Request("POST", "/", "", [], urlencode(members).encode())


def _refused(service: str, request: Request) -> AwsError:
    with pytest.raises(AwsError) as caught:
        codec(service).parse(request)
    return caught.value


@pytest.mark.parametrize(
    ("service", "request_", "code", "sentence"),
    [
        (
            "kms",
            _json("kms", "Encrypt", {"KeyId": "k"}),
            "ValidationException",
            "1 validation error detected: Value null at 'plaintext' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "kms",
            _json("kms", "Encrypt", {"KeyId": "", "Plaintext": "QQ=="}),
            "ValidationException",
            "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            # Key material and plain text never come back in an error.
            "kms",
            _json("kms", "Encrypt", {"KeyId": "k", "Plaintext": "QUFB" * 2000}),
            "ValidationException",
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
            "Member must have length less than or equal to 4096",
        ),
        (
            "kms",
            _json("kms", "CreateKey", {"Origin": "THE_MOON"}),
            "ValidationException",
            "1 validation error detected: Value 'THE_MOON' at 'origin' failed to satisfy "
            "constraint: Member must satisfy enum value set: [AWS_KMS, EXTERNAL, AWS_CLOUDHSM, "
            "EXTERNAL_KEY_STORE]",
        ),
        (
            "kms",
            _json("kms", "GenerateRandom", {"NumberOfBytes": 0}),
            "ValidationException",
            "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1",
        ),
        (
            # As a user met it with PutLogEvents.
            "logs",
            _json(
                "logs",
                "PutLogEvents",
                {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"message": "m"}]},
            ),
            "InvalidParameterException",
            "1 validation error detected: Value null at 'logEvents.1.member.timestamp' failed to "
            "satisfy constraint: Member must not be null",
        ),
        (
            # As a user met it with DescribeLogGroups.
            "logs",
            _json("logs", "DescribeLogGroups", {"logGroupNamePrefix": ""}),
            "InvalidParameterException",
            "2 validation errors detected: Value '' at 'logGroupNamePrefix' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+; "
            "Value '' at 'logGroupNamePrefix' failed to satisfy constraint: Member must have "
            "length greater than or equal to 1",
        ),
        (
            # The name is looked at later, and in IAM's own words: test_iam_words.py.
            "iam",
            _query(Action="CreateRole", Version="2010-05-08", RoleName="a b"),
            "ValidationError",
            "1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to "
            "satisfy constraint: Member must not be null",
        ),
        (
            "sts",
            _query(
                Action="AssumeRole", RoleArn="arn:aws:iam::1:role/r", RoleSessionName="s" * 3,
                DurationSeconds="60",
            ),
            "ValidationError",
            "1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy "
            "constraint: Member must have value greater than or equal to 900",
        ),
        (
            "cloudformation",
            _query(Action="DescribeStackEvents"),
            "ValidationError",
            "1 validation error detected: Value null at 'stackName' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "sns",
            _query(Action="Publish", TopicArn="t"),
            "ValidationError",
            "1 validation error detected: Value null at 'message' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            # AWS's answer, up to the key, in the tests of
            # github.com/ballerina-platform/module-ballerinax-aws.sns: topics-tests.bal.
            "sns",
            _query(
                Action="CreateTopic", Name="t", **{"Tags.member.1.Key": "k" * 129,
                                                   "Tags.member.1.Value": "v"},
            ),
            "ValidationError",
            f"1 validation error detected: Value '{'k' * 129}' at 'tags.1.member.key' failed to "
            "satisfy constraint: Member must have length less than or equal to 128",
        ),
        (
            # There too, in sms-sandbox-tests.bal, before the model hid the number.
            "sns",
            _query(Action="CreateSMSSandboxPhoneNumber", PhoneNumber="1234567890"),
            "ValidationError",
            "1 validation error detected: Value at 'phoneNumber' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^(\\+[0-9]{8,}|[0-9]{0,9})$",
        ),
        (
            "sqs",
            _json("sqs", "SendMessage", {"QueueUrl": "q"}),
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "sqs",
            _json("sqs", "SendMessageBatch", {"QueueUrl": "q", "Entries": [{"MessageBody": "b"}]}),
            "MissingParameter",
            "The request must contain the parameter SendMessageBatchRequestEntry.1.Id.",
        ),
        (
            "sqs",
            _query(Action="SetQueueAttributes", QueueUrl="q"),
            "MissingParameter",
            "The request must contain the parameter Attribute.Name.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_is_the_services_own(
    service: str, request_: Request, code: str, sentence: str
) -> None:
    error = _refused(service, request_)
    assert (error.code or error.shape, error.message) == (code, sentence)
    assert error.status == 400


def test_lambdas_names_begin_small_as_javas_fields_do() -> None:
    members = {
        "FunctionName": "f", "Role": "lambdarole", "Code": {"ZipFile": ""}, "KMSKeyArn": "no",
    }  # fmt: skip
    body = json.dumps(members).encode()
    error = _refused("lambda", Request("POST", "/2015-03-31/functions", "", [], body))
    assert type(error).__name__ == "ValidationException"
    assert "Value 'lambdarole' at 'role' failed" in error.message
    assert "Value 'no' at 'kMSKeyArn' failed" in error.message


def test_lambda_itself_judges_the_runtime() -> None:
    members = {
        "FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": ""},
        "Runtime": "python9.9", "Handler": "a.b",
    }  # fmt: skip
    request = Request("POST", "/2015-03-31/functions", "", [], json.dumps(members).encode())
    assert codec("lambda").parse(request).params["Runtime"] == "python9.9"


def test_a_collection_of_scalars_is_refused_as_a_whole() -> None:
    members = {"KeyId": "k", "GranteePrincipal": "p", "Operations": ["Decrypt", "Dance"]}
    error = _refused("kms", _json("kms", "CreateGrant", members))
    assert error.message.startswith(
        "1 validation error detected: Value '[Decrypt, Dance]' at 'operations' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must satisfy enum value set: [Decrypt,"
    )


def test_keys_and_values_of_a_map_are_named_apart() -> None:
    members = {"logGroupName": "g", "tags": {"k" * 129: "v", "l": "v" * 257}}
    error = _refused("logs", _json("logs", "CreateLogGroup", members))
    assert error.message.startswith("2 validation errors detected: ")
    assert (
        "Map keys must satisfy constraint: [Member must have length less than or" in error.message
    )
    assert "Map value must satisfy constraint: [Member must have length less than" in error.message


def test_an_answer_lists_a_bounded_number_of_errors() -> None:
    members = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{}] * 5000}
    error = _refused("logs", _json("logs", "PutLogEvents", members))
    assert len(error.message) < 4000


def test_a_batch_without_entries_is_an_empty_one() -> None:
    query = _query(Action="SendMessageBatch", QueueUrl="q")
    assert codec("sqs").parse(query).params == {"QueueUrl": "q", "Entries": []}


def test_tags_may_be_in_any_language() -> None:
    members = {"logGroupName": "g", "tags": {"école": "日本 é²"}}
    assert codec("logs").parse(_json("logs", "CreateLogGroup", members)).params == members
    members["tags"] = {"bell\x07": "x"}
    assert "pattern" in _refused("logs", _json("logs", "CreateLogGroup", members)).message


def _patterns() -> list[tuple[str, int]]:
    found = {}
    for service in ("kms", "iam", "sts", "cloudformation", "logs", "cloudwatch", "lambda"):
        for definition in models.load(service).file.shapes.values():
            if definition.pattern:
                longest = int(definition.max or PATTERN_CHARACTERS_MAX)
                found[definition.pattern] = max(longest, found.get(definition.pattern, 0))
    return sorted(found.items())


def test_no_pattern_of_a_model_takes_long_on_the_worst_that_its_limit_admits() -> None:
    beginnings = (
        "", "arn:aws:", "arn:aws:iam::000000000000:", "arn:aws:lambda:us-east-1:000000000000:",
        "http:", "/",
    )  # fmt: skip
    repeated = ("a", "a-", "-a", ":", "::", "a:", ".", "a.", "/", "a/", "http:", "0", " ", "é")
    slowest = (0.0, "")
    for pattern, longest in _patterns():
        matcher = compiled(pattern)
        for beginning in beginnings:
            for piece in repeated:
                hostile = (beginning + piece * longest)[: min(longest, 5000) - 1] + "\x00"
                before = time.process_time()
                matcher.fullmatch(hostile)
                slowest = max(slowest, (time.process_time() - before, pattern))
    # Far above what is measured (milliseconds), far below what backtracking without end takes.
    assert slowest[0] < 2, slowest
