"""No secret and no content comes through the elements of a record, whatever the model grows."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.audit import elements
from ogi.wire import models
from ogi.wire.models import Shape

SERVICES = (
    "s3", "sns", "sqs", "lambda", "kms", "iam", "sts", "cloudformation", "cloudwatch", "logs",
)  # fmt: skip
DEPTH_MAX = 6
SECRET = "a-secret-that-nobody-may-find"
NAMES_OF_KEYS = {"SSEKMSKeyId", "NonEmptyKmsKeyArnString"}
WORDS = ("secret", "password", "plaintext", "token")
NOT_SECRET = {
    # Places in lists, ids of requests, what a client makes up to be recognised.
    "NextToken", "nextToken", "ContinuationToken", "NextContinuationToken", "ClientRequestToken",
    "clientToken", "ClientToken", "nextForwardToken", "nextBackwardToken", "sequenceToken",
    "uploadSequenceToken", "nextSequenceToken", "sessionId", "LastTokenId", "StartTokenId",
    "EndTokenId", "token", "AllowUsersToChangePassword", "ExpirePasswords",
    "PasswordReusePrevention", "PasswordPolicy", "PasswordLastUsed", "PasswordResetRequired",
    "HardExpiry", "MinimumPasswordLength", "MaxPasswordAge", "GlobalEndpointTokenVersion",
    "BranchToken", "ServicePasswordAge", "OptionalObjectAttributes",
    # CloudTrail shows the subject of a web identity: IAM's example of AssumeRoleWithWebIdentity.
    "SubjectFromWebIdentityToken", "inferredTokenName",
}  # fmt: skip


def sample(shape: Shape, depth: int = 0) -> Any:
    """A value of the shape in which everything that is a text or bytes is the secret."""
    if depth > DEPTH_MAX:
        return None
    if shape.type == "structure":
        return {name: sample(of, depth + 1) for name, of in shape.members.items()}
    if shape.type == "list":
        return [sample(shape.member, depth + 1)]
    if shape.type == "map":
        return {SECRET: sample(shape.value, depth + 1)}
    if shape.type == "blob":
        return SECRET.encode()
    return SECRET if shape.type in ("string", "character") else 1


def leaves(shape: Shape, depth: int = 0) -> Any:
    """(member's name, shape) of all that is below a structure."""
    if depth > DEPTH_MAX:
        return
    for name, of in shape.members.items() if shape.type == "structure" else ():
        yield name, of
        yield from leaves(of, depth + 1)
    if shape.type == "list":
        yield from leaves(shape.member, depth + 1)
    elif shape.type == "map":
        yield from leaves(shape.value, depth + 1)


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_model_calls_sensitive_and_all_bytes_are_left_out(service: str) -> None:
    model = models.load(service)
    for operation in model.operations():
        found = model.operation(operation)
        assert found is not None
        sides = ((found.input, elements.asked), (found.output, elements.answered))
        for shape, show in sides:
            if shape is None:
                continue
            for name, of in shape.members.items():
                shown = show(service, operation, {name: sample(of)})
                if (of.definition.sensitive and of.name not in NAMES_OF_KEYS) or of.type == "blob":
                    assert shown is None, f"{service}:{operation} shows {name}"


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_that_is_named_like_a_secret_is_shown(service: str) -> None:
    model = models.load(service)
    told: set[str] = set()
    for operation in model.operations():
        found = model.operation(operation)
        assert found is not None
        for shape in (found.input, found.output):
            for name, of in leaves(shape) if shape is not None else ():
                named = any(word in name.lower() for word in WORDS)
                if not named or name in NOT_SECRET or of.type not in ("string", "blob"):
                    continue
                holder = elements._Structure(service, model.shape(_holder(model, name, of)))
                if SECRET in str(holder({name: SECRET})):
                    told.add(name)
    assert not told


def _holder(model: models.Model, name: str, of: Shape) -> str:
    """A structure that has the member."""
    return next(
        shape
        for shape, definition in model.file.shapes.items()
        if name in definition.members and definition.members[name].shape == of.name
    )


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        (
            "sns", "Publish",
            {"TopicArn": "t", "Message": SECRET, "Subject": SECRET,
             "MessageAttributes": {"a": {"DataType": "String", "StringValue": SECRET}}},
            {"topicArn": "t", "message": elements.HIDDEN, "subject": elements.HIDDEN,
             "messageAttributes": elements.HIDDEN},
        ),
        (
            "sqs", "SendMessageBatch",
            {"QueueUrl": "q", "Entries": [{"Id": "1", "MessageBody": SECRET}]},
            {"queueUrl": "q", "entries": [{"id": "1", "messageBody": elements.HIDDEN}]},
        ),
        ("sns", "ConfirmSubscription", {"TopicArn": "t", "Token": SECRET},
         {"topicArn": "t", "token": elements.HIDDEN}),
        ("sns", "Subscribe", {"TopicArn": "t", "Protocol": "https",
                              "Endpoint": f"https://ann:{SECRET}@example.com"},
         {"topicArn": "t", "protocol": "https", "endpoint": elements.HIDDEN}),
        ("sns", "Subscribe", {"TopicArn": "t", "Protocol": "sqs", "Endpoint": "arn:aws:sqs:x"},
         {"topicArn": "t", "protocol": "sqs", "endpoint": "arn:aws:sqs:x"}),
        ("sns", "CreatePlatformApplication",
         {"Name": "n", "Platform": "GCM", "Attributes": {"PlatformCredential": SECRET}},
         {"name": "n", "platform": "GCM",
          "attributes": {"PlatformCredential": elements.HIDDEN}}),
        ("lambda", "CreateFunction",
         {"FunctionName": "f", "Code": {"ZipFile": SECRET.encode()},
          "Environment": {"Variables": {"PASSWORD": SECRET}}},
         {"functionName": "f", "code": {}, "environment": {}}),
        ("lambda", "Invoke", {"FunctionName": "f", "Payload": SECRET, "ClientContext": SECRET},
         {"functionName": "f"}),
        ("logs", "PutLogEvents",
         {"logGroupName": "g", "logEvents": [{"timestamp": 1, "message": SECRET}]},
         {"logGroupName": "g"}),
        ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": SECRET}]}},
         {"bucketName": "b"}),
    ],
)  # fmt: skip
def test_contents_are_hidden(
    service: str, operation: str, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert elements.asked(service, operation, params) == expected


def test_values_that_the_model_does_not_expect_are_not_shown() -> None:
    odd = {"QueueUrl": b"bytes", "MaxNumberOfMessages": object(), "Unheard": SECRET}
    assert elements.asked("sqs", "ReceiveMessage", odd) is None
