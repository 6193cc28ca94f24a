"""Topics: their records, names, attributes and policies. A record lies in the control home."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ogi import arn as arns
from ogi.access import policy as policies
from ogi.access import trusts
from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.sns import archive_policies, delivery_policies, feedback, topic_policies
from ogi.services.sns.archive_policies import Archive
from ogi.services.sns.errors import (
    InvalidParameterException,
    NotFoundException,
    check_elements,
)
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
FIFO_NAME = re.compile(r"(?=.{1,256}$)[A-Za-z0-9_-]+\.fifo")
"""docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
DISPLAY_NAME_CHARS_MAX = 100
POLICY_BYTES_MAX = 30 * 1024
MESSAGE_BYTES_DEFAULT = 262_144
MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX = 1_024, 1_048_576
SUBSCRIPTIONS_OF_LARGE_MAX = 100
"""A topic that takes messages over 256 KiB has at most so many subscriptions, all of them of these
protocols (docs: API_SetTopicAttributes)."""
SUBSCRIPTIONS_OF_FIFO_MAX = 10_000
"""What the quota of a FIFO topic's subscriptions may be raised to."""
PROTOCOLS_OF_LARGE = frozenset(("sqs", "lambda", "firehose"))

_OWNER_ACTIONS = [
    "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
    "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic", "SNS:Publish",
]  # fmt: skip


class Topic(msgspec.Struct, frozen=True):
    name: str
    account: str
    region: str
    arn: str
    policy: str = ""
    """'' is the default: what the owner's account may do."""
    display_name: str = ""
    kms_key_id: str = ""
    signature_version: str = "1"
    signature_told: bool = False
    """Somebody has asked for that version: it is shown, also where it is the default."""
    message_bytes_max: int = MESSAGE_BYTES_DEFAULT
    tags: dict[str, str] = {}
    epoch: str = ""
    """Which of the topics that had this name in turn: subscriptions belong to one of them."""
    delivery_policy: str = ""
    content_based_deduplication: bool = False
    throughput_scope: str = "Topic"
    """What a deduplication id is compared with: all of the topic, or its own group."""
    feedback: dict[str, str] = {}
    """The attributes of delivery status logging; empty: nothing is logged."""
    archive: Archive | None = None
    """Of FIFO topics only."""
    protection: str = ""
    """The data protection policy; of standard topics only."""
    tracing: str = ""
    """TracingConfig, if it was ever set."""

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def home(self) -> Home:
        """Where its messages lie."""
        return Home(self.arn)

    @property
    def control(self) -> Home:
        """Where its record and its subscriptions lie."""
        return control(self.account, self.region)


class Counts(msgspec.Struct, frozen=True):
    """Subscriptions of a topic by state, and how many ask for a text (see audiences)."""

    confirmed: int = 0
    pending: int = 0
    deleted: int = 0
    of_attributes: int = 0
    of_bodies: int = 0
    of_patterns: int = 0
    """Those that ask for other than plain values (see lookups)."""
    shaped: int = 0
    """Of those that ask for a text or another condition, whose paths the topic knows; all but
    those of folders from before it did."""
    filters: int = 0
    """All that have a filter policy."""


TABLE = Table("sns.topic", Topic)
COUNTS = Table("sns.counts", Counts)


def parse(topic_arn: str, member: str = "TopicArn") -> arns.Arn:
    """The parts of a topic's ARN; InvalidParameter in SNS's words if it is none."""
    check_elements(topic_arn, member)
    found = arns.parse(topic_arn)
    if found is None or found.service != "sns" or ":" in found.resource:
        raise InvalidParameterException.of(member)
    return found


def on_topic(tx: Reader, call: Call, request: Fields) -> str:
    """The ARN to authorise for a request that has a TopicArn."""
    parse(request["TopicArn"])
    topic_arn: str = request["TopicArn"]
    return topic_arn


def home_of(call: Call, request: Fields) -> Home:
    """The control home in which the topic of a request lies."""
    found = parse(request["TopicArn"])
    return control(found.account, found.region)


def home_of_messages(call: Call, request: Fields) -> Home:
    """The home in which the messages of the topic of a request lie."""
    parse(request["TopicArn"])
    return Home(request["TopicArn"])


def owner_keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """AWS:SourceOwner, on which a topic's default policy is conditional."""
    return {"aws:SourceOwner": call.principal.account} if call.principal.account else {}


def look(tx: Reader, topic_arn: str) -> Topic | None:
    found = arns.parse(topic_arn)
    if found is None or found.service != "sns":
        return None
    return TABLE.get(tx, control(found.account, found.region), found.resource)


def tags_of(tx: Reader, topic_arn: str) -> dict[str, str] | None:
    """Of a topic, or of the topic of a subscription."""
    found = look(tx, ":".join(topic_arn.split(":")[:6]))
    return None if found is None else found.tags


def find(tx: Reader, call: Call, topic_arn: str) -> Topic:
    found = parse(topic_arn)
    if found.region != call.region:
        raise InvalidParameterException.of("TopicArn")
    topic = TABLE.get(tx, control(found.account, found.region), found.resource)
    if topic is None:
        raise NotFoundException
    return topic


def save(tx: Transaction, topic: Topic) -> None:
    TABLE.put(tx, topic, topic.control, topic.name)


def policy_of(tx: Reader, arn: str) -> str | None:
    topic = look(tx, arn)
    return None if topic is None else topic.policy or default_policy(topic)


def default_policy(topic: Topic) -> str:
    """What a topic that was given no policy has."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": _OWNER_ACTIONS,
        "Resource": topic.arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": topic.account}},
    }
    return msgspec.json.encode(
        {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    ).decode()


def with_attribute(topic: Topic, name: str, value: str) -> Topic:
    """`topic` with one attribute as SetTopicAttributes or CreateTopic names it."""
    change = msgspec.structs.replace
    match name:
        case "Policy":
            return change(topic, policy=_checked_policy(value))
        case "DisplayName":
            if len(value) > DISPLAY_NAME_CHARS_MAX:
                raise InvalidParameterException.of("DisplayName")
            return change(topic, display_name=value)
        case "KmsMasterKeyId":
            return change(topic, kms_key_id=value)
        case "SignatureVersion":
            if value not in ("1", "2"):
                # This sentence and that of TracingConfig: cdk-preflight.
                raise InvalidParameterException.of(
                    "SignatureVersion: Invalid value. Must be 1 or 2."
                )
            return change(topic, signature_version=value, signature_told=True)
        case "MaximumMessageSize":
            return change(topic, message_bytes_max=_message_bytes_max(value))
        case "TracingConfig" if value == "PassThrough":
            return change(topic, tracing=value)
        case "FifoTopic" if value == ("true" if topic.fifo else "false"):
            return topic
        case "ContentBasedDeduplication" if topic.fifo:
            if value.lower() not in ("true", "false"):
                raise InvalidParameterException.of("ContentBasedDeduplication")
            return change(topic, content_based_deduplication=value.lower() == "true")
        case "FifoThroughputScope" if topic.fifo:
            if value not in ("Topic", "MessageGroup"):
                raise InvalidParameterException.of("FifoThroughputScope")
            return change(topic, throughput_scope=value)
        case "DeliveryPolicy":
            delivery_policies.of(value, "")
            return change(topic, delivery_policy=value)
        case "ArchivePolicy" if topic.fifo:
            return change(topic, archive=archive_policies.archive(topic.archive, value))
        case "TracingConfig" if value == "Active":
            raise unsupported("X-Ray (the topic attribute TracingConfig with the value Active)")
        case "TracingConfig":
            raise InvalidParameterException.of(f"Invalid tracing config value: {value}")
    told = feedback.changed(topic.feedback, name, value, topic.account)
    if told is None:
        raise InvalidParameterException.unknown(name)
    return change(topic, feedback=told)


def _message_bytes_max(value: str) -> int:
    if not value.isdecimal() or not MESSAGE_BYTES_MIN <= int(value) <= MESSAGE_BYTES_MAX:
        raise InvalidParameterException.of("MaximumMessageSize")
    return int(value)


def _checked_policy(value: str) -> str:
    if len(trusts.as_given(value).encode()) > POLICY_BYTES_MAX:
        raise InvalidParameterException.of("Policy", "Policy exceeds the maximum size")
    try:
        policies.compile(value)
    except ValueError as error:
        # Whatever is wrong: github.com/serverless/serverless/issues/5519.
        raise InvalidParameterException.of("Policy Error: null") from error
    topic_policies.check_actions(value)
    return value


def fastened(tx: Reader, name: str, value: str) -> str:
    """The value of an attribute, a policy bound to the users and roles that it names."""
    if name != "Policy" or not value:
        return value
    _checked_policy(value)
    if trusts.names_nobody(tx, value):
        # github.com/hashicorp/terraform-provider-aws/issues/26041
        raise InvalidParameterException.of("Policy Error: PrincipalNotFound")
    return trusts.fastened(tx, value)


def attributes(tx: Reader, topic: Topic) -> dict[str, str]:
    """As GetTopicAttributes answers them."""
    numbers = counts(tx, topic)
    found = {
        "TopicArn": topic.arn,
        "Owner": topic.account,
        "Policy": trusts.unfastened(tx, topic.policy) or default_policy(topic),
        "DisplayName": topic.display_name,
        "SubscriptionsConfirmed": str(numbers.confirmed),
        "SubscriptionsPending": str(numbers.pending),
        "SubscriptionsDeleted": str(numbers.deleted),
        "EffectiveDeliveryPolicy": msgspec.json.encode(
            delivery_policies.shown_of_topic(topic.delivery_policy)
        ).decode(),
        **topic.feedback,
    }
    if topic.delivery_policy:
        found["DeliveryPolicy"] = topic.delivery_policy
    if topic.fifo:
        found["FifoTopic"] = "true"
        found["ContentBasedDeduplication"] = (
            "true" if topic.content_based_deduplication else "false"
        )
        found["FifoThroughputScope"] = topic.throughput_scope
    if topic.kms_key_id:
        found["KmsMasterKeyId"] = topic.kms_key_id
    if topic.signature_told or topic.signature_version != "1":
        found["SignatureVersion"] = topic.signature_version
    if topic.message_bytes_max != MESSAGE_BYTES_DEFAULT:
        found["MaximumMessageSize"] = str(topic.message_bytes_max)
    if topic.tracing:
        # A topic that was not told has none (TestAccSNSTopic_basic of
        # github.com/hashicorp/terraform-provider-aws), though it passes headers through as well.
        found["TracingConfig"] = topic.tracing
    return found


def counts(tx: Reader, topic: Topic) -> Counts:
    return COUNTS.get(tx, topic.control, topic.name) or Counts()


def count(tx: Transaction, topic: Topic, **changes: int) -> None:
    """Add to the numbers of subscriptions by state."""
    found = counts(tx, topic)
    new = {name: max(0, getattr(found, name) + by) for name, by in changes.items()}
    COUNTS.put(tx, msgspec.structs.replace(found, **new), topic.control, topic.name)
