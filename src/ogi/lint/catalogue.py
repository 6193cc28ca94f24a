"""The catalogue of pitfalls: the id of each, what it is, and the page that says so.

Ids are those of cfn-lint's rules: E is an error, what AWS refuses or what never arrives; W is a
warning. Numbers from 9000 are for rules that are not cfn-lint's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ogi.lint.paper import Path

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
_SNS = "https://docs.aws.amazon.com/sns/latest/dg/"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"


@dataclass(frozen=True)
class Pitfall:
    id: str
    title: str
    page: str


@dataclass(frozen=True)
class Finding:
    """One pitfall at one place of a template."""

    id: str
    path: Path
    message: str
    fix: str
    """What to write, as YAML where it is something to paste."""


ALL = {
    pitfall.id: pitfall
    for pitfall in (
        Pitfall("E9001", "The key of an encrypted topic does not let its publisher use it",
                _SNS + "sns-key-management.html#compatibility-with-aws-services"),
        Pitfall("E9002", "The key of an encrypted queue does not let its sender use it",
                _SQS + "sqs-key-management.html#compatibility-with-aws-services"),
        Pitfall("E9003", "A key that AWS manages lets no service in, and its policy is fixed",
                _SQS + "sqs-key-management.html#compatibility-with-aws-services"),
        Pitfall("E9004", "The queue's policy does not let its sender send",
                _SNS + "subscribe-sqs-queue-to-sns-topic.html"),
        Pitfall("E9005", "The topic's policy does not let the bucket publish",
                _S3 + "grant-destinations-permissions-to-s3.html"),
        Pitfall("E9006", "No permission lets the service invoke the function",
                _LAMBDA + "access-control-resource-based.html"),
        Pitfall("E9007", "The queue's visibility timeout is less than the function's timeout",
                _LAMBDA + "services-sqs-configure.html"),
        Pitfall("E9008", "The function's role may not read its queue",
                _LAMBDA + "services-sqs-configure.html#events-sqs-permissions"),
        Pitfall("E9009", "The function's role may not decrypt what its queue holds",
                _SQS + "sqs-key-management.html"),
        Pitfall("E9010", "FIFO does not go with what is not FIFO",
                _SNS + "sns-fifo-topics.html"),
        Pitfall("E9011", "Reserved concurrency is less than what the event sources may use",
                _LAMBDA + "services-sqs-scaling.html"),
        Pitfall("W9012", "The queue's visibility timeout is less than six function timeouts",
                _LAMBDA + "services-sqs-configure.html"),
        Pitfall("W9013", "A queue that feeds a function has no dead-letter queue",
                _LAMBDA + "services-sqs-configure.html"),
        Pitfall("W9014", "Messages go to the dead-letter queue after fewer than five tries",
                _LAMBDA + "services-sqs-configure.html"),
        Pitfall("W9015", "The dead-letter queue does not keep messages longer than its source",
                _SQS + "sqs-dead-letter-queues.html"),
        Pitfall("W9016", "Messages expire before they were tried as often as they should be",
                _SQS + "sqs-dead-letter-queues.html"),
        Pitfall("W9017", "Everybody is let in without a condition",
                _IAM + "reference_policies_elements_principal.html"),
        Pitfall("W9018", "A service may be anybody's deputy",
                _IAM + "confused-deputy.html"),
        Pitfall("W9019", "Reserved concurrency is less than the pollers that a queue begins with",
                _LAMBDA + "services-sqs-scaling.html"),
        Pitfall("W9020", "A key is written twice, and only the last one counts",
                "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
                "template-formats.html"),
    )
}  # fmt: skip
