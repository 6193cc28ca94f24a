"""Feedback: which deliveries of a topic are told to Logs, and as which roles. Pure.

docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ogi import arn as arns
from ogi.errors import unsupported
from ogi.services.sns.errors import InvalidParameterException

KINDS = {
    "http": "HTTP",
    "https": "HTTP",
    "sqs": "SQS",
    "lambda": "Lambda",
    "application": "Application",
}
"""The beginning of the attributes' names, by a subscription's protocol."""
RATE_DEFAULT = 100
"""Percent of the successes that are told where a role is given and no rate."""

_NAME = re.compile(
    r"(HTTP|SQS|Lambda|Application|Firehose)"
    r"(SuccessFeedbackRoleArn|SuccessFeedbackSampleRate|FailureFeedbackRoleArn)"
)


def is_role(attribute: str) -> bool:
    """Whether a topic's attribute names a role of the feedback."""
    return attribute.endswith("FeedbackRoleArn")


def changed(
    feedback: Mapping[str, str], name: str, value: str, account: str
) -> dict[str, str] | None:
    """The topic's feedback with one attribute; None if the attribute is none of them."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        return None
    if parts[1] == "Firehose":
        raise unsupported(f"Amazon Data Firehose (the topic attribute {name})")
    rest = {key: kept for key, kept in feedback.items() if key != name}
    if not value:
        return rest
    check(account, name, value)
    return {**rest, name: value}


def check(account: str, name: str, value: str) -> None:
    """Raise what is refused of an attribute that names a role of `account`, or a rate."""
    if name.endswith("Rate"):
        if not value.isdecimal() or int(value) > 100:
            # AWS's answer in the tests of Ballerina's client (see applications).
            raise InvalidParameterException.of(
                f"{name}: {value} value provided is not an integer between 0-100"
            )
        return
    role = arns.parse(value)
    if role is None or role.service != "iam" or not role.resource.startswith("role/"):
        raise InvalidParameterException.of(name)
    if role.account != account:
        raise InvalidParameterException.of(name, "The role must be in the topic's account")


def role_of_failures(feedback: Mapping[str, str], protocol: str) -> str:
    """'' if failures of this protocol are told to nobody."""
    return feedback.get(f"{KINDS.get(protocol, '')}FailureFeedbackRoleArn", "")


def role_of_successes(feedback: Mapping[str, str], protocol: str) -> tuple[str, int]:
    """(role, percent); ('', 0) if successes of this protocol are told to nobody."""
    kind = KINDS.get(protocol, "")
    role = feedback.get(f"{kind}SuccessFeedbackRoleArn", "")
    rate = int(feedback.get(f"{kind}SuccessFeedbackSampleRate", RATE_DEFAULT))
    return (role, rate) if role and rate else ("", 0)
