"""Who must allow what, hop by hop: each way, each thing that can be wrong, and AWS's outcome.

`refused at once` is the answer to who asks. `lost`: nobody is told, as on AWS; the trace and the
audit say it. `dead letter`: SNS does not try again what the subscriber's side forbids, and gives
it to the subscription's dead-letter queue. `waits`: the messages stay in the queue and the poller
tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.scenarios.conftest import Server
from tests.scenarios.hop_ways import (
    RIGHT,
    function_made_with_a_key,
    function_with_variables_runs,
    log_group_gets_a_key,
    mapping_made,
    poller_polls,
    role_handed_to_lambda,
    s3_to_lambda_configured,
    s3_to_lambda_event,
    s3_to_sns_configured,
    s3_to_sns_event,
    s3_to_sqs_configured,
    s3_to_sqs_event,
    sns_may_send,
    sns_to_lambda,
    sns_to_sqs,
    sns_to_sqs_without_dead_letters,
    stack_as_its_role,
    stack_as_the_caller,
    user_publishes,
    user_receives,
    user_sends,
)
from tests.scenarios.hops import ACCOUNT, ARRIVES, Way, refused

S3 = "AmazonS3/latest/userguide/"
SNS = "sns/latest/dg/"
SQS = "AWSSimpleQueueService/latest/SQSDeveloperGuide/"
LAMBDA = "lambda/latest/dg/"
STACKS = "AWSCloudFormation/latest/UserGuide/"
IAM = "IAM/latest/UserGuide/"

GRANT = S3 + "grant-destinations-permissions-to-s3.html"
S3_TYPES = S3 + "notification-how-to-event-types-and-destinations.html"
SNS_KEYS = SNS + "sns-key-management.html"
SNS_DEAD = SNS + "sns-dead-letter-queues.html"
SQS_KEYS = SQS + "sqs-key-management.html"
WITH_SQS = LAMBDA + "services-sqs-configure.html"
VARIABLES = LAMBDA + "configuration-envvars-encryption.html"
SERVICE_ROLE = STACKS + "using-iam-servicerole.html"
LOGS_KEYS = "AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
PASS_ROLE = IAM + "id_roles_use_passrole.html"

UNVALIDATED = (
    "refused at once: InvalidArgument: Unable to validate the following destination configurations"
)


class Cell(NamedTuple):
    hop: Callable[[Way, str], str]
    wrong: str
    outcome: str
    page: str
    """Of docs.aws.amazon.com."""


NO_RECEIVE = (
    "refused at once: InvalidParameterValueException: The provided execution role does not have"
    " permissions to call ReceiveMessage on SQS"
)
NOT_MINE = "dead letter: AccessDenied"

TABLE = [
    Cell(s3_to_sns_configured, RIGHT, "s3:TestEvent arrives", S3_TYPES),
    Cell(s3_to_sns_configured, "topic policy", UNVALIDATED, GRANT),
    Cell(s3_to_sns_configured, "topic policy for another bucket", UNVALIDATED, GRANT),
    Cell(s3_to_sns_configured, "key policy", UNVALIDATED, GRANT),
    Cell(s3_to_sns_configured, "AWS's key", UNVALIDATED, GRANT),
    Cell(s3_to_sns_configured, "key policy for another context", UNVALIDATED, SNS_KEYS),
    Cell(s3_to_sns_configured, "key policy for this context", "s3:TestEvent arrives", SNS_KEYS),
    Cell(s3_to_sns_event, RIGHT, ARRIVES, S3_TYPES),
    Cell(s3_to_sns_event, "topic policy", "lost: AuthorizationErrorException", GRANT),
    Cell(s3_to_sns_event, "key policy", "lost: KMSAccessDeniedException", GRANT),
    Cell(s3_to_sns_event, "disabled key", "lost: KMSDisabledException", SNS_KEYS),
    Cell(s3_to_sqs_configured, RIGHT, "s3:TestEvent arrives", S3_TYPES),
    Cell(s3_to_sqs_configured, "queue policy", UNVALIDATED, GRANT),
    Cell(s3_to_sqs_configured, "queue policy for another bucket", UNVALIDATED, GRANT),
    Cell(s3_to_sqs_configured, "key policy", UNVALIDATED, SQS_KEYS),
    Cell(s3_to_sqs_configured, "AWS's key", UNVALIDATED, SQS_KEYS),
    Cell(s3_to_sqs_configured, "key policy for another context", UNVALIDATED, SQS_KEYS),
    Cell(s3_to_sqs_configured, "key policy for this context", "s3:TestEvent arrives", SQS_KEYS),
    Cell(s3_to_sqs_event, RIGHT, ARRIVES, S3_TYPES),
    Cell(s3_to_sqs_event, "queue policy", "lost: AccessDenied", GRANT),
    Cell(s3_to_sqs_event, "key policy", "lost: KMS.AccessDeniedException", SQS_KEYS),
    Cell(s3_to_lambda_configured, RIGHT, "configured", GRANT),
    Cell(s3_to_lambda_configured, "function policy", UNVALIDATED, GRANT),
    Cell(s3_to_lambda_configured, "function policy for another bucket", UNVALIDATED, GRANT),
    Cell(s3_to_lambda_event, RIGHT, ARRIVES, LAMBDA + "with-s3.html"),
    Cell(s3_to_lambda_event, "function policy", "lost: AccessDeniedException", GRANT),
    Cell(sns_to_sqs, RIGHT, ARRIVES, SNS + "sns-sqs-as-subscriber.html"),
    Cell(sns_to_sqs, "queue policy", NOT_MINE, SNS_DEAD),
    Cell(sns_to_sqs, "queue policy for another topic", NOT_MINE, SNS_DEAD),
    Cell(sns_to_sqs, "key policy", "dead letter: KMS.AccessDeniedException", SNS_DEAD),
    Cell(sns_to_sqs, "AWS's key", "dead letter: KMS.AccessDeniedException", SNS_KEYS),
    Cell(sns_to_sqs, "key policy for another context", "dead letter: KMS.AccessDeniedException",
         SQS_KEYS),
    Cell(sns_to_sqs, "key policy for this context", ARRIVES, SQS_KEYS),
    Cell(sns_to_sqs_without_dead_letters, RIGHT, ARRIVES, SNS + "sns-sqs-as-subscriber.html"),
    Cell(sns_to_sqs_without_dead_letters, "queue policy", "lost: AccessDenied", SNS_DEAD),
    Cell(sns_to_sqs_without_dead_letters, "dead-letter queue's policy", "lost: AccessDenied",
         SNS_DEAD),
    Cell(sns_to_lambda, RIGHT, ARRIVES, SNS + "sns-lambda-as-subscriber.html"),
    Cell(sns_to_lambda, "function policy", "dead letter: AccessDeniedException", SNS_DEAD),
    Cell(sns_to_lambda, "function policy for another topic",
         "dead letter: AccessDeniedException", SNS_DEAD),
    Cell(user_publishes, RIGHT, ARRIVES, SNS_KEYS),
    Cell(user_publishes, "kms:GenerateDataKey of the user", "refused at once: KMSAccessDenied",
         SNS_KEYS),
    Cell(user_sends, RIGHT, ARRIVES, SQS_KEYS),
    Cell(user_sends, "kms:GenerateDataKey of the user",
         "refused at once: KMS.AccessDeniedException", SQS_KEYS),
    Cell(user_receives, RIGHT, ARRIVES, SQS_KEYS),
    Cell(user_receives, "kms:Decrypt of the user", "refused at once: KMS.AccessDeniedException",
         SQS_KEYS),
    Cell(mapping_made, RIGHT, "configured", WITH_SQS),
    Cell(mapping_made, "sqs:ReceiveMessage", NO_RECEIVE, WITH_SQS),
    Cell(mapping_made, "sqs:DeleteMessage", NO_RECEIVE.replace("Receive", "Delete"), WITH_SQS),
    Cell(mapping_made, "sqs:GetQueueAttributes",
         NO_RECEIVE.replace("ReceiveMessage", "GetQueueAttributes"), WITH_SQS),
    Cell(mapping_made, "kms:Decrypt", "configured", WITH_SQS),
    Cell(poller_polls, RIGHT, ARRIVES, WITH_SQS),
    Cell(poller_polls, "sqs:ReceiveMessage",
         "waits: PROBLEM: Error occurred while ReceiveMessage", WITH_SQS),
    Cell(poller_polls, "kms:Decrypt", "waits: PROBLEM: Error occurred while ReceiveMessage",
         SQS_KEYS),
    Cell(poller_polls, "sqs:DeleteMessage", "runs again and again", WITH_SQS),
    Cell(function_made_with_a_key, RIGHT, "configured", VARIABLES),
    Cell(function_made_with_a_key, "the user's use of the key",
         "refused at once: KMSAccessDeniedException", VARIABLES),
    Cell(function_with_variables_runs, RIGHT, ARRIVES, VARIABLES),
    Cell(function_with_variables_runs, "kms:Decrypt of the role",
         "refused at once: KMSAccessDeniedException", VARIABLES),
    Cell(function_with_variables_runs, "context of another function",
         "refused at once: KMSAccessDeniedException", VARIABLES),
    Cell(role_handed_to_lambda, RIGHT, "configured", PASS_ROLE),
    Cell(role_handed_to_lambda, "iam:PassRole",
         f"refused at once: AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/NAME is not"
         f" authorized to perform: iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/NAME"
         " because no identity-based policy allows the iam:PassRole action", PASS_ROLE),
    Cell(role_handed_to_lambda, "iam:PassRole to another service",
         f"refused at once: AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/NAME is not"
         f" authorized to perform: iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/NAME"
         " because no identity-based policy allows the iam:PassRole action", PASS_ROLE),
    Cell(role_handed_to_lambda, "trust policy of the role",
         "refused at once: InvalidParameterValueException: The role defined for the function"
         " cannot be assumed by Lambda.", LAMBDA + "lambda-intro-execution-role.html"),
    Cell(stack_as_the_caller, RIGHT, "CREATE_COMPLETE", SERVICE_ROLE),
    Cell(stack_as_the_caller, "sqs:CreateQueue of the caller",
         "ROLLBACK_COMPLETE because of sqs:createqueue", SERVICE_ROLE),
    Cell(stack_as_its_role, RIGHT, "CREATE_COMPLETE", SERVICE_ROLE),
    Cell(stack_as_its_role, "sqs:CreateQueue of the role",
         "ROLLBACK_COMPLETE because of sqs:createqueue", SERVICE_ROLE),
    Cell(stack_as_its_role, "iam:PassRole", "refused at once: AccessDenied", SERVICE_ROLE),
    Cell(stack_as_its_role, "trust policy of the role", "refused at once: ValidationError",
         SERVICE_ROLE),
    Cell(log_group_gets_a_key, RIGHT, "configured", LOGS_KEYS),
    Cell(log_group_gets_a_key, "key policy", "refused at once: AccessDeniedException",
         LOGS_KEYS),
    Cell(log_group_gets_a_key, "key policy for another group",
         "refused at once: AccessDeniedException", LOGS_KEYS),
]  # fmt: skip


@pytest.mark.parametrize(
    "cell", TABLE, ids=[f"{cell.hop.__name__}-{cell.wrong.replace(' ', '_')}" for cell in TABLE]
)
def test_each_hop_does_what_aws_does(server: Server, name: str, cell: Cell) -> None:
    assert cell.hop(Way(server, name), cell.wrong) == cell.outcome


def test_each_hop_is_tried_with_everything_right() -> None:
    assert {cell.hop for cell in TABLE if cell.wrong == RIGHT} == {cell.hop for cell in TABLE}


def test_a_key_that_is_given_back_lets_what_comes_next_arrive(server: Server, name: str) -> None:
    way = Way(server, name)
    key = way.key("sns")
    way.make_topic()
    url = way.make_queue("", key, sns_may_send(way))
    way.subscribe("sqs", way.queue)
    way.client("kms").disable_key(KeyId=key)
    way.client("sns").publish(TopicArn=way.topic, Message="one")
    assert way.lost("sns.undelivered") == "lost: KMS.DisabledException"
    sqs = way.client("sqs")
    said = refused(lambda: sqs.send_message(QueueUrl=url, MessageBody="mine"))
    assert said.startswith("KMS.DisabledException")
    way.client("kms").enable_key(KeyId=key)
    way.client("sns").publish(TopicArn=way.topic, Message="two")
    assert "two" in way.received()
