"""Topics, in AWS's words: docs.aws.amazon.com/sns/latest/api/"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.access.authorise import authorise_pass_role
from ogi.service import Call, Fields
from ogi.services.sns import (
    api_protections,
    archives,
    copies,
    feedback,
    pages,
    quotas,
    replays,
    subscriptions,
    topic_tags,
    topics,
)
from ogi.services.sns.errors import (
    InvalidParameterException,
    InvalidStateException,
    ResourceNotFoundException,
    of_attributes,
)
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.keys import text

SWEEP_PAGE = 100
"""Subscriptions of a deleted topic that go in one transaction."""


def _on_new(tx: Reader, call: Call, request: Fields) -> str:
    return call.arn("sns", request["Name"])


def _tag_keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    tags = request.get("Tags", [])
    found: dict[str, Any] = {f"aws:RequestTag/{t['Key']}": t["Value"] for t in tags}
    names = [t["Key"] for t in tags] or request.get("TagKeys", [])
    if names:
        found["aws:TagKeys"] = names
    return {**found, **topics.owner_keys(tx, call, request)}


@SERVICE.operation(on=_on_new, keys=_tag_keys)
def create_topic(tx: Transaction, call: Call, request: Fields) -> Fields:
    name, attributes = request["Name"], request.get("Attributes", {})
    if "FifoTopic" in attributes:
        # "True" will do: str(True) is what AWS's own example sends (sns_fifo_topic.py in
        # github.com/awsdocs/aws-doc-sdk-examples).
        attributes = {**attributes, "FifoTopic": attributes["FifoTopic"].lower()}
    _check_name(name, attributes.get("FifoTopic", "false"))
    made = Topic(name, call.account, call.region, call.arn("sns", name), epoch=call.new_id())
    for attribute, value in attributes.items():
        _check_pass(tx, call, attribute, value, made.arn)
        with of_attributes():
            attributes = {**attributes, attribute: topics.fastened(tx, attribute, value)}
            made = topics.with_attribute(made, attribute, attributes[attribute])
    made = msgspec.structs.replace(made, tags=topic_tags.merged({}, request.get("Tags", [])))
    if made.tags:
        # "To be able to tag a topic on creation, you must have the sns:CreateTopic and
        # sns:TagResource permissions" (API reference).
        keys = {**call.context, **_tag_keys(tx, call, request)}
        call.ports.authorise(tx, call, SERVICE, ("sns:TagResource",), (made.arn,), keys)
    found = topics.TABLE.get(tx, call.home, name)
    protection = request.get("DataProtectionPolicy", "")
    if protection:
        call.ports.authorise(
            tx, call, SERVICE, ("sns:PutDataProtectionPolicy",), (made.arn,), call.context
        )
        made = api_protections.changed(tx, call, made, protection)
    if found is None:
        quotas.add_topic(tx, call, made)
        topics.save(tx, archives.changed(tx, call, None, made))
        return {"TopicArn": made.arn}
    asked = found
    for attribute, value in attributes.items():
        asked = topics.with_attribute(asked, attribute, value)
    # Whoever asks for what a topic does that was not told asks for the same.
    asked = msgspec.structs.replace(
        asked, tracing=found.tracing, signature_told=found.signature_told
    )
    if asked != found or (protection and made.protection != found.protection):
        raise InvalidParameterException.of(
            "Attributes", "Topic already exists with different attributes"
        )
    if request.get("Tags") and made.tags != found.tags:
        raise InvalidParameterException.of("Tags", "Topic already exists with different tags")
    return {"TopicArn": found.arn}


def _check_name(name: str, fifo: str) -> None:
    if fifo == "true" and not topics.FIFO_NAME.fullmatch(name):
        raise InvalidParameterException.of(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and"
            " lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and"
            " 256 characters long."
        )
    if fifo != "true" and not topics.NAME.fullmatch(name):
        raise InvalidParameterException.of("Topic Name")


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, home=topics.home_of)
def delete_topic(tx: Transaction, call: Call, request: Fields) -> Fields:
    if topics.parse(request["TopicArn"]).region != call.region:
        raise InvalidParameterException.of("TopicArn")
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        return {}  # Idempotent, says the action's page.
    if topic.archive is not None:
        # "You can not delete a topic with an active message archive policy"
        # (message-archiving-and-replay-topic-owner), in these words (cdk-preflight).
        raise InvalidStateException("Invalid state: Cannot delete a topic with an ArchivePolicy")
    quotas.drop_topic(tx, topic, topics.counts(tx, topic))
    topics.TABLE.delete(tx, topic.control, topic.name)
    topics.COUNTS.delete(tx, topic.control, topic.name)
    deliveries.post(
        tx, call, topic.control, "sns", "sweep_subscriptions",
        {"TopicArn": topic.arn, "Epoch": topic.epoch, "After": ""},
    )  # fmt: skip
    return {}


@SERVICE.duty(home=topics.home_of)
def sweep_subscriptions(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Forget the subscriptions of a deleted topic, a page at a time."""
    found = topics.parse(request["TopicArn"])
    home, after = control(found.account, found.region), request["After"]
    start = text(after) + b"\x00" if after else None
    rows = subscriptions.TABLE.scan(tx, home, found.resource, limit=SWEEP_PAGE, start=start)
    for _, row in rows:
        if row.epoch == request["Epoch"]:  # The name may have a new topic meanwhile.
            subscriptions.forget(tx, row)
    if len(rows) == SWEEP_PAGE:
        rest = {**request, "After": rows[-1][1].id}
        deliveries.post(tx, call, home, "sns", "sweep_subscriptions", rest)
    return {}


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, reads=True)
def get_topic_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["TopicArn"])
    return {"Attributes": {**topics.attributes(tx, topic), **archives.shown(call, topic)}}


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, home=topics.home_of)
def set_topic_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["TopicArn"])
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    _check_pass(tx, call, name, value, topic.arn)
    changed = topics.with_attribute(topic, name, topics.fastened(tx, name, value))
    if name == "MaximumMessageSize" and changed.message_bytes_max > topics.MESSAGE_BYTES_DEFAULT:
        _check_large(tx, topic)
    if name == "ArchivePolicy":
        changed = archives.changed(tx, call, topic.archive, changed)
        if changed.archive is None:
            replays.release(tx, topic)
    topics.save(tx, changed)
    return {}


def _check_pass(tx: Reader, call: Call, attribute: str, value: str, topic_arn: str) -> None:
    """Who has a topic's deliveries logged hands the role for it to SNS (iam:PassRole)."""
    if value and feedback.is_role(attribute):
        authorise_pass_role(tx, call, SERVICE, value, copies.PRINCIPAL, topic_arn)


def _check_large(tx: Reader, topic: Topic) -> None:
    most = topics.SUBSCRIPTIONS_OF_LARGE_MAX
    rows = subscriptions.TABLE.scan(tx, topic.control, topic.name, limit=most + 1)
    if len(rows) > most or any(s.protocol not in topics.PROTOCOLS_OF_LARGE for _, s in rows):
        raise InvalidParameterException.of("MaximumMessageSize")


@SERVICE.operation(reads=True)
def list_topics(tx: Reader, call: Call, request: Fields) -> Fields:
    start = pages.start(request.get("NextToken"))
    rows = topics.TABLE.scan(tx, call.home, limit=pages.PAGE + 1, start=start)
    result: Fields = {"Topics": [{"TopicArn": t.arn} for _, t in rows[: pages.PAGE]]}
    if len(rows) > pages.PAGE:
        result["NextToken"] = pages.token(rows[pages.PAGE - 1][0])
    return result


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, home=topics.home_of)
def add_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["TopicArn"])
    policy = json.loads(topic.policy or topics.default_policy(topic))
    statements = _statements(policy)
    label = request["Label"]
    if any(s.get("Sid") == label for s in statements):
        raise InvalidParameterException.of("Statement already exists")
    actions = [f"SNS:{name}" for name in request["ActionName"]]
    accounts = [_principal(tx, name) for name in request["AWSAccountId"]]
    statements.append({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": accounts[0] if len(accounts) == 1 else accounts},
        "Action": actions[0] if len(actions) == 1 else actions,
        "Resource": topic.arn,
    })  # fmt: skip
    policy["Statement"] = statements
    topics.save(tx, topics.with_attribute(topic, "Policy", _encoded(policy)))
    return {}


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, home=topics.home_of)
def remove_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["TopicArn"])
    policy = json.loads(topic.policy or topics.default_policy(topic))
    policy["Statement"] = [s for s in _statements(policy) if s.get("Sid") != request["Label"]]
    if policy["Statement"]:
        topics.save(tx, topics.with_attribute(topic, "Policy", _encoded(policy)))
    else:
        topics.save(tx, msgspec.structs.replace(topic, policy=""))
    return {}


def _encoded(policy: dict[str, Any]) -> str:
    """As a topic's default policy is written: without spaces."""
    return json.dumps(policy, separators=(",", ":"))


def _principal(tx: Reader, name: str) -> str:
    """Whom a member of AWSAccountId means, as a policy names him."""
    if re.fullmatch(r"[0-9]{12}", name):
        return f"arn:aws:iam::{name}:root"
    if name == "*":
        return name
    if not name.startswith("arn:"):
        # AWS's answer in the tests of github.com/ballerina-platform/module-ballerinax-aws.sns.
        raise InvalidParameterException.of("A provided account ID is not valid")
    named = {"Effect": "Allow", "Principal": {"AWS": name}, "Action": "sns:Publish",
             "Resource": "*"}  # fmt: skip
    text = topics.fastened(tx, "Policy", json.dumps({"Version": "2012-10-17", "Statement": named}))
    found: str = json.loads(text)["Statement"]["Principal"]["AWS"]
    return found


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found = policy.get("Statement", [])
    return list(found) if isinstance(found, list) else [found]


def _on_resource(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["ResourceArn"]
    return arn


def _home_of_resource(call: Call, request: Fields) -> Home:
    found = arns.parse(request["ResourceArn"])
    return call.home if found is None else control(found.account, found.region)


def _tagged(tx: Reader, call: Call, request: Fields) -> Topic:
    topic = topics.look(tx, request["ResourceArn"])
    if topic is None or topic.region != call.region:
        raise ResourceNotFoundException
    return topic


@SERVICE.operation(on=_on_resource, keys=_tag_keys, home=_home_of_resource)
def tag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = _tagged(tx, call, request)
    topics.save(
        tx, msgspec.structs.replace(topic, tags=topic_tags.merged(topic.tags, request["Tags"]))
    )
    return {}


@SERVICE.operation(on=_on_resource, keys=_tag_keys, home=_home_of_resource)
def untag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = _tagged(tx, call, request)
    kept = {k: v for k, v in topic.tags.items() if k not in request["TagKeys"]}
    topics.save(tx, msgspec.structs.replace(topic, tags=kept))
    return {}


@SERVICE.operation(on=_on_resource, reads=True)
def list_tags_for_resource(tx: Reader, call: Call, request: Fields) -> Fields:
    tags = _tagged(tx, call, request).tags
    return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
