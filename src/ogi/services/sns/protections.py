"""Data protection at work: what a topic's policy does to a message on its way in and out.

On the way in: audited by lot, then denied or de-identified, before it is sealed. On the way out:
denied to a subscriber, which the delivery status log tells. A topic without a policy does not come
here.
docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-operations.html
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields, Principal
from ogi.services.sns import protection_policies
from ogi.services.sns.contents import Content
from ogi.services.sns.errors import AuthorizationErrorException
from ogi.services.sns.protection_policies import Audit, Policy, Statement, joined, replaced
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Transaction

DETECTIONS_MAX = 1_000
"""Places that a record lists of one data identifier; it counts them all."""


class Prohibited(AwsError):
    """The topic's data protection policy denies a message to a subscriber."""

    status = 403


def prohibition(subscription_arn: str) -> Prohibited:
    return Prohibited(
        "The topic's data protection policy prohibits this message from being delivered to"
        f" {subscription_arn}"
    )


def incoming(tx: Transaction, call: Call, topic: Topic, content: Content) -> Content:
    """The message as it goes on; raises AuthorizationError where it may not."""
    policy = protection_policies.compile(topic.protection)
    arns = _arns(call.principal)
    audited = policy.audit
    if audited is not None and audited.audit is not None and audited.concerns(*arns):
        _tell(tx, call, topic, content, audited, audited.audit)
    texts = (content.text, *content.texts.values())
    for statement in policy.denies_inbound:
        if statement.concerns(*arns) and any(map(statement.finds, texts)):
            raise AuthorizationErrorException(
                "The topic's data protection policy prohibits this message from being published to"
                f" {topic.arn}"
            )
    masks = [one for one in policy.masks if one.concerns(*arns)]
    if not masks:
        return content
    return msgspec.structs.replace(
        content,
        text=_masked(topic, content.text, masks),
        texts={name: _masked(topic, text, masks) for name, text in content.texts.items()},
    )


def outgoing(topic: Topic, subscription: Subscription, content: Content) -> bool:
    """Whether a subscriber may have the message."""
    policy: Policy = protection_policies.compile(topic.protection)
    text = content.text_for(subscription.protocol)
    who = subscription.principal
    return not any(one.concerns(who) and one.finds(text) for one in policy.denies_outbound)


def _arns(principal: Principal) -> tuple[str, ...]:
    return (principal.arn, principal.role_arn) if principal.role_arn else (principal.arn,)


def _masked(topic: Topic, text: str, masks: list[Statement]) -> str:
    for statement in masks:
        spans = joined([span for _, found in statement.spans(text) for span in found])
        if not spans:
            continue
        if not replaced(text, spans, "").strip():
            # "The caller receives the following error when the entire message is sensitive".
            raise AuthorizationErrorException(
                f"The topic's data protection policy leaves nothing of this message to {topic.arn}"
            )
        text = replaced(text, spans, statement.replacement or "")
    return text


def _tell(
    tx: Transaction,
    call: Call,
    topic: Topic,
    content: Content,
    statement: Statement,
    audit: Audit,
) -> None:
    """Owe the log group what was found in this message, if the lot falls on it."""
    if int.from_bytes(call.entropy(4), "big") % 100 >= audit.percent:
        return
    found = statement.spans(content.text)
    group = audit.with_findings if found else audit.without_findings
    if not group:
        return
    moment = datetime.fromtimestamp(call.now, UTC)
    record: Fields = {
        "messageId": content.id,
        "auditTimestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "callerPrincipal": call.principal.role_arn or call.principal.arn,
        "resourceArn": topic.arn,
        "dataIdentifiers": [
            {
                "name": name,
                "count": len(spans),
                "detections": [{"start": a, "end": b} for a, b in spans[:DETECTIONS_MAX]],
            }
            for name, spans in found
        ],
    }
    sender = call.as_service("sns.amazonaws.com", topic.arn, topic.account)
    deliveries.post(
        tx, sender.in_place(topic.account, topic.region), topic.home, "logs", "take_vended",
        {
            "LogGroup": group, "LogStream": f"{topic.name}_{topic.region}_data_protection",
            "Message": msgspec.json.encode(record).decode(),
        },
    )  # fmt: skip
