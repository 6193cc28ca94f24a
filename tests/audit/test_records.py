"""A request's record is what CloudTrail's documentation shows for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.audit import identities, names, records
from ogi.audit.records import Requester
from ogi.errors import AwsError
from ogi.http import Request, Tls
from ogi.service import ANONYMOUS, Principal, service_principal

ROLE = Principal(
    kind="role",
    account="123456789012",
    arn="arn:aws:sts::123456789012:assumed-role/RoleToBeAssumed/MySessionName",
    id="AROAIDPPEZS35WEXAMPLE:MySessionName",
    role_arn="arn:aws:iam::123456789012:role/RoleToBeAssumed",
)
ALICE = Principal(
    kind="user",
    account="111122223333",
    arn="arn:aws:iam::111122223333:user/Alice",
    id="EX_PRINCIPAL_ID",
)
KEY = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def record(
    service: str,
    operation: str,
    asked: dict[str, Any],
    result: dict[str, Any] | None = None,
    *,
    region: str = "us-west-2",
    account: str = "111122223333",
    who: Requester | None = None,
    error: AwsError | None = None,
) -> dict[str, Any]:
    identity = identities.of(ALICE, {}, "EXAMPLE_KEY_ID", "")
    return records.of(
        who or Requester(identity, "192.0.2.0", "aws-cli/1.11.10"), "an-event", 0.0,
        service=service, operation=operation, region=region, account=account,
        request_id="a-request", asked=asked, result=result, error=error,
    )  # fmt: skip


def test_sending_a_message_is_recorded_as_sqs_shows_it() -> None:
    """docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/logging-using-cloudtrail.html"""
    url = "https://sqs.ap-southeast-4.amazonaws.com/123456789012/MyQueue"
    context = {"aws:TokenIssueTime": "2023-11-07T22:13:06Z"}
    who = Requester(
        identities.of(ROLE, context, "ACCESS_KEY_ID", ""), "10.0.118.80", "aws-cli/1.29.16",
        "sqs.ap-southeast-4.amazonaws.com", Tls("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    )  # fmt: skip
    made = record(
        "sqs", "SendMessage",
        {"QueueUrl": url, "MessageBody": "a secret", "MessageDeduplicationId": "MsgDedupId",
         "MessageGroupId": "MsgGroupIdSdk16"},
        {"MD5OfMessageBody": "9a4e3f7a614d9dd9f8722092dbda17a2",
         "MD5OfMessageSystemAttributes": "f88f0587f951b7f5551f18ae699c3a9d",
         "MessageId": "93bb6e2d-1090-416c-81b0-31eb1faa8cd8",
         "SequenceNumber": "18881790870905840128"},
        region="ap-southeast-4", account="123456789012", who=who,
    )  # fmt: skip
    assert made == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAIDPPEZS35WEXAMPLE:MySessionName",
            "arn": "arn:aws:sts::123456789012:assumed-role/RoleToBeAssumed/MySessionName",
            "accountId": "123456789012",
            "accessKeyId": "ACCESS_KEY_ID",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAIDPPEZS35WEXAMPLE",
                    "arn": "arn:aws:iam::123456789012:role/RoleToBeAssumed",
                    "accountId": "123456789012",
                    "userName": "RoleToBeAssumed",
                },
                "attributes": {
                    "creationDate": "2023-11-07T22:13:06Z", "mfaAuthenticated": "false",
                },
            },
        },
        "eventTime": "1970-01-01T00:00:00Z",
        "eventSource": "sqs.amazonaws.com",
        "eventName": "SendMessage",
        "awsRegion": "ap-southeast-4",
        "sourceIPAddress": "10.0.118.80",
        "userAgent": "aws-cli/1.29.16",
        "requestParameters": {
            "queueUrl": url,
            "messageBody": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "messageDeduplicationId": "MsgDedupId",
            "messageGroupId": "MsgGroupIdSdk16",
        },
        "responseElements": {
            "mD5OfMessageBody": "9a4e3f7a614d9dd9f8722092dbda17a2",
            "mD5OfMessageSystemAttributes": "f88f0587f951b7f5551f18ae699c3a9d",
            "messageId": "93bb6e2d-1090-416c-81b0-31eb1faa8cd8",
            "sequenceNumber": "18881790870905840128",
        },
        "requestID": "a-request",
        "eventID": "an-event",
        "readOnly": False,
        "resources": [
            {
                "accountId": "123456789012",
                "type": "AWS::SQS::Queue",
                "ARN": "arn:aws:sqs:ap-southeast-4:123456789012:MyQueue",
            }
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": "123456789012",
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.2",
            "cipherSuite": "ECDHE-RSA-AES128-GCM-SHA256",
            "clientProvidedHostHeader": "sqs.ap-southeast-4.amazonaws.com",
        },
    }  # fmt: skip


def test_decrypting_names_algorithm_and_key_and_shows_no_text() -> None:
    """docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html"""
    context = {"Department": "Engineering", "Project": "Alpha"}
    made = record(
        "kms", "Decrypt",
        {"KeyId": KEY, "CiphertextBlob": b"sealed", "EncryptionContext": context},
        {"KeyId": KEY, "Plaintext": b"open", "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    )  # fmt: skip
    assert made["requestParameters"] == {
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": KEY, "encryptionContext": context,
    }  # fmt: skip
    assert made["responseElements"] is None
    assert made["readOnly"] is True and made["managementEvent"] is True
    assert made["resources"] == [{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": KEY}]
    assert made["userIdentity"] == {
        "type": "IAMUser",
        "principalId": "EX_PRINCIPAL_ID",
        "arn": "arn:aws:iam::111122223333:user/Alice",
        "accountId": "111122223333",
        "accessKeyId": "EXAMPLE_KEY_ID",
        "userName": "Alice",
    }


def test_times_and_names_of_members_are_those_of_the_examples() -> None:
    """docs.aws.amazon.com/kms/latest/developerguide/ct-createkey.html"""
    made = record(
        "kms", "CreateKey", {"Origin": "AWS_KMS", "BypassPolicyLockoutSafetyCheck": False},
        {"KeyMetadata": {"AWSAccountId": "111122223333", "Arn": KEY, "CreationDate": 1593484447.0}},
    )  # fmt: skip
    assert made["requestParameters"] == {
        "origin": "AWS_KMS", "bypassPolicyLockoutSafetyCheck": False,
    }  # fmt: skip
    assert made["responseElements"] == {
        "keyMetadata": {
            "aWSAccountId": "111122223333", "arn": KEY, "creationDate": "Jun 30, 2020 2:34:07 AM",
        }
    }  # fmt: skip


def test_of_a_stack_s_parameters_only_the_names_are_shown() -> None:
    """docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-api-logging-cloudtrail.html"""
    made = record(
        "cloudformation", "CreateStack",
        {"StackName": "my-test-stack", "DisableRollback": True, "TemplateBody": "{}",
         "Tags": [{"Key": "test", "Value": "tag"}],
         "Parameters": [{"ParameterKey": "password", "ParameterValue": "hunter2"},
                        {"ParameterKey": "securitygroup", "ParameterValue": "sg"}]},
        {"StackId": "arn:aws:cloudformation:us-east-1:012345678910:stack/my-test-stack/a38e6a60"},
    )  # fmt: skip
    assert made["requestParameters"] == {
        "tags": [{"key": "test", "value": "tag"}],
        "stackName": "my-test-stack",
        "disableRollback": True,
        "parameters": [{"parameterKey": "password"}, {"parameterKey": "securitygroup"}],
    }
    assert made["responseElements"]["stackId"].endswith("my-test-stack/a38e6a60")


def test_assuming_a_role_shows_the_key_s_id_but_neither_secret_nor_token() -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html, without the token."""
    role = "arn:aws:iam::111122223333:role/EC2-dev"
    made = record(
        "sts", "AssumeRole",
        {"RoleArn": role, "RoleSessionName": "JohnDoe-EC2-dev", "SourceIdentity": "JohnDoe"},
        {"Credentials": {"AccessKeyId": "AKIAQRSTUVWXYZEXAMPLE", "SecretAccessKey": "s",
                         "SessionToken": "t", "Expiration": 1405699659.0},
         "AssumedRoleUser": {"AssumedRoleId": "AIDAQ:JohnDoe-EC2-dev", "Arn": "arn"}},
    )  # fmt: skip
    assert made["responseElements"] == {
        "credentials": {
            "accessKeyId": "AKIAQRSTUVWXYZEXAMPLE", "expiration": "Jul 18, 2014 4:07:39 PM",
        },
        "assumedRoleUser": {"assumedRoleId": "AIDAQ:JohnDoe-EC2-dev", "arn": "arn"},
    }  # fmt: skip
    assert made["resources"] == [
        {"accountId": "111122223333", "type": "AWS::IAM::Role", "ARN": role}
    ]


def test_a_refusal_has_code_and_message_and_reads_answer_nothing() -> None:
    """docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html"""

    class AccessDeniedException(AwsError):
        """User: arn:aws:iam::999999999999:user/myUserName is not authorized."""

        code = "AccessDenied"

    made = record("lambda", "GetFunction", {"FunctionName": "f"}, error=AccessDeniedException())
    assert made["errorCode"] == "AccessDenied"
    assert made["errorMessage"].startswith("User: arn:aws:iam::999999999999:user/myUserName")
    assert made["responseElements"] is None
    assert made["eventName"] == "GetFunction20150331v2"
    assert list(made).index("errorCode") < list(made).index("requestParameters")


@pytest.mark.parametrize(
    ("service", "operation", "event", "category", "reads"),
    [
        ("s3", "PutBucketNotificationConfiguration", "PutBucketNotification", "Management", False),
        ("s3", "PutPublicAccessBlock", "PutBucketPublicAccessBlock", "Management", False),
        ("s3", "ListObjectsV2", "ListObjects", "Data", True),
        ("s3", "PutObject", "PutObject", "Data", False),
        ("lambda", "CreateFunction", "CreateFunction20150331", "Management", False),
        ("lambda", "AddPermission", "AddPermission20150331v2", "Management", False),
        ("lambda", "Invoke", "Invoke", "Data", False),
        ("sqs", "ReceiveMessage", "ReceiveMessage", "Data", True),
        ("sqs", "CreateQueue", "CreateQueue", "Management", False),
        ("sns", "Publish", "Publish", "Data", False),
        ("kms", "GenerateDataKey", "GenerateDataKey", "Management", True),
        ("logs", "PutLogEvents", "PutLogEvents", "Data", False),
        ("iam", "SimulatePrincipalPolicy", "SimulatePrincipalPolicy", "Management", True),
    ],
)
def test_events_are_named_and_sorted_as_documented(
    service: str, operation: str, event: str, category: str, reads: bool
) -> None:
    made = record(service, operation, {})
    assert (made["eventName"], made["eventCategory"]) == (event, category)
    assert (made["readOnly"], made["managementEvent"]) == (reads, category == "Management")


def test_s3_speaks_of_buckets_keys_and_headers() -> None:
    """docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html"""
    http = Request(
        "PUT", "/b/k", "", [("host", "s3.us-west-2.amazonaws.com"), ("user-agent", "aws-cli")]
    )
    who = records.client(http, None, identities.of(ANONYMOUS, {}, "", ""), "s3")
    made = record(
        "s3", "PutObject",
        {"Bucket": "b", "Key": "k", "Body": b"content", "StorageClass": "STANDARD",
         "Metadata": {"x": "mine"}, "SSECustomerKey": "a key"},
        {"ETag": '"1"', "ServerSideEncryption": "AES256"}, who=who,
    )  # fmt: skip
    assert made["requestParameters"] == {
        "bucketName": "b", "key": "k", "x-amz-storage-class": "STANDARD",
        "Host": "s3.us-west-2.amazonaws.com",
    }  # fmt: skip
    assert made["responseElements"] == {"ETag": '"1"', "x-amz-server-side-encryption": "AES256"}
    assert made["userAgent"] == "[aws-cli]"
    assert made["userIdentity"] == {
        "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL",
    }  # fmt: skip
    assert [r["ARN"] for r in made["resources"]] == ["arn:aws:s3:::b/k", "arn:aws:s3:::b"]


@pytest.mark.parametrize(
    ("principal", "context", "expected"),
    [
        (
            Principal("root", "111122223333", "arn:aws:iam::111122223333:root", "111122223333"),
            {},
            {
                "type": "Root",
                "principalId": "111122223333",
                "arn": "arn:aws:iam::111122223333:root",
                "accountId": "111122223333",
                "accessKeyId": "AKIA",
            },
        ),
        (
            Principal(
                "federated", "111122223333", "arn:aws:sts::111122223333:federated-user/bob",
                "111122223333:bob", role_arn="arn:aws:iam::111122223333:user/Alice",
            ),
            {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"},
            {
                "type": "FederatedUser",
                "principalId": "111122223333:bob",
                "arn": "arn:aws:sts::111122223333:federated-user/bob",
                "accountId": "111122223333",
                "accessKeyId": "AKIA",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "IAMUser",
                        "arn": "arn:aws:iam::111122223333:user/Alice",
                        "accountId": "111122223333",
                        "userName": "Alice",
                    },
                    "attributes": {
                        "creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false",
                    },
                },
            },
        ),
        (
            service_principal("sns.amazonaws.com"),
            {},
            {"type": "AWSService", "invokedBy": "sns.amazonaws.com"},
        ),
    ],
)  # fmt: skip
def test_each_kind_of_identity(
    principal: Principal, context: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert identities.of(principal, context, "AKIA", "") == expected


def test_a_role_s_session_says_whose_it_is_and_who_works_as_it() -> None:
    context = {"aws:SourceIdentity": "JohnDoe", "aws:TokenIssueTime": "2019-10-02T21:50:54Z"}
    made = identities.of(ROLE, context, "ASIA", "lambda.amazonaws.com")
    assert made["sessionContext"]["sourceIdentity"] == "JohnDoe"
    assert made["invokedBy"] == "lambda.amazonaws.com"


def test_large_parameters_are_left_out_and_said_so() -> None:
    made = record("kms", "CreateKey", {"Policy": "x" * 200_000})
    assert json.loads(records.line(made))["requestParameters"] == {"omitted": True}


def test_what_proves_nothing_is_recorded_as_unknown() -> None:
    who = Requester(identities.unknown("AKIA"), "192.0.2.0", "agent")
    made = record("sqs", "", {"QueueUrl": "unproved"}, who=who)
    assert made["userIdentity"] == {"type": "Unknown", "accessKeyId": "AKIA"}
    assert made["eventName"] == "Unknown" and made["requestParameters"] is None
    assert "resources" not in made


def test_a_queues_name_in_place_of_its_url_is_of_the_callers_account() -> None:
    asked = {"QueueUrl": "orders", "MessageBody": "x"}
    (found,) = names.resources("sqs", "eu-west-1", "111122223333", asked, {})
    assert found["ARN"] == "arn:aws:sqs:eu-west-1:111122223333:orders"
