"""Data protection policies, in AWS's words: docs.aws.amazon.com/sns/latest/api/"""

from __future__ import annotations

import msgspec

from ogi import arn as arns
from ogi.service import Call, Fields
from ogi.services.sns import protection_policies, topics
from ogi.services.sns.errors import InvalidParameterException, NotFoundException
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction


def _topic_of(request: Fields) -> Fields:
    return {"TopicArn": request["ResourceArn"]}


def _on_resource(tx: Reader, call: Call, request: Fields) -> str:
    return topics.on_topic(tx, call, _topic_of(request))


def _home_of_resource(call: Call, request: Fields) -> Home:
    return topics.home_of(call, _topic_of(request))


def changed(tx: Transaction, call: Call, topic: Topic, text: str) -> Topic:
    """The topic with this policy; '' takes it away."""
    if text.strip() in ("", "{}"):
        return msgspec.structs.replace(topic, protection="")
    if topic.fifo:
        raise InvalidParameterException.of(
            "DataProtectionPolicy", "Data protection policies are for standard topics only"
        )
    policy = protection_policies.compile(text)
    for group in sorted(set(policy.groups) - {""}):
        _check_group(tx, call, topic, group)
    return msgspec.structs.replace(topic, protection=text)


def _check_group(tx: Transaction, call: Call, topic: Topic, group: str) -> None:
    """Who has findings logged must be allowed to set that up, and the group must be there
    (sns-message-data-protection-operations#required-permissions-log-operations)."""
    names = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery",
             "ListLogDeliveries")  # fmt: skip
    group_arn = arns.make("logs", topic.region, topic.account, f"log-group:{group}:*")
    for name in names:
        call.ports.authorise(tx, call, SERVICE, (f"logs:{name}",), ("*",), call.context)
    for name in ("PutResourcePolicy", "DescribeResourcePolicies"):
        call.ports.authorise(tx, call, SERVICE, (f"logs:{name}",), (group_arn,), call.context)
    found = call.invoke(tx, "logs", "DescribeLogGroups", {"logGroupNamePrefix": group})
    if group not in {one["logGroupName"] for one in found.get("logGroups", [])}:
        raise InvalidParameterException.of(
            "DataProtectionPolicy", f"The log group {group} does not exist"
        )


@SERVICE.operation(on=_on_resource, keys=topics.owner_keys, home=_home_of_resource)
def put_data_protection_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["ResourceArn"])
    topics.save(tx, changed(tx, call, topic, request["DataProtectionPolicy"]))
    return {}


@SERVICE.operation(on=_on_resource, keys=topics.owner_keys, reads=True)
def get_data_protection_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    topic = topics.look(tx, request["ResourceArn"])
    if topic is None:
        raise NotFoundException
    return {"DataProtectionPolicy": topic.protection}
