"""A user without permissions hears it from each service in its code and its sentence.

Codes: each service's "Common errors" page, and S3's and KMS's own lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def nobody(server: Server) -> Iterator[dict[str, str]]:
    """The credentials of a user who may nothing."""
    iam = server.client("iam")
    iam.create_user(UserName="refused")
    key = iam.create_access_key(UserName="refused")["AccessKey"]
    yield {
        "aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]
    }  # fmt: skip
    iam.delete_access_key(UserName="refused", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="refused")


QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:refused"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:refused"


@pytest.mark.parametrize(
    ("service", "call", "asked", "code", "status", "action", "resource"),
    [
        ("sqs", "create_queue", {"QueueName": "refused"}, "AccessDenied", 403,
         "sqs:createqueue", QUEUE),
        ("sns", "create_topic", {"Name": "refused"}, "AuthorizationError", 403,
         "SNS:CreateTopic", TOPIC),
        ("s3", "create_bucket",
         {"Bucket": "refused", "CreateBucketConfiguration": {"LocationConstraint": REGION}},
         "AccessDenied", 403, "s3:CreateBucket", '"arn:aws:s3:::refused"'),
        ("kms", "create_key", {}, "AccessDeniedException", 400, "kms:CreateKey", "*"),
        ("lambda", "list_functions", {}, "AccessDeniedException", 403, "lambda:ListFunctions",
         "*"),
        ("iam", "get_user", {"UserName": "refused"}, "AccessDenied", 403, "iam:GetUser",
         "user refused"),
        ("logs", "create_log_group", {"logGroupName": "refused"}, "AccessDeniedException", 400,
         "logs:CreateLogGroup",
         f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:refused:log-stream:"),
        ("cloudformation", "list_stacks", {}, "AccessDenied", 403, "cloudformation:ListStacks",
         "*"),
    ],
)  # fmt: skip
def test_each_service_refuses_in_its_own_words(
    server: Server, nobody: dict[str, str], service: str, call: str, asked: dict[str, Any],
    code: str, status: int, action: str, resource: str,
) -> None:  # fmt: skip
    client = server.client(service, **nobody)
    with pytest.raises(ClientError) as refused:
        getattr(client, call)(**asked)
    answer = refused.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/refused is not authorized to perform: {action} on"
        f" resource: {resource} because no identity-based policy allows the {action} action"
    )
