"""AWS::SNS::Subscription.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-subscription.html
"""

from __future__ import annotations

from ogi.errors import AwsError
from ogi.service import Fields
from ogi.services.cloudformation.resources import attributes
from ogi.services.cloudformation.resources.contract import Hands, Made, Present, Refusal
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import BOOLEAN, POLICY, TEXT, Shape

_DEFAULTS = {
    "DeliveryPolicy": "",
    "FilterPolicy": "",
    "FilterPolicyScope": "MessageAttributes",
    "RawMessageDelivery": "false",
    "RedrivePolicy": "",
    "ReplayPolicy": "",
}


async def _create(hands: Hands, properties: Fields) -> Made:
    request: Fields = {
        "TopicArn": properties["TopicArn"],
        "Protocol": properties["Protocol"],
        "ReturnSubscriptionArn": True,
    }
    if "Endpoint" in properties:
        request["Endpoint"] = properties["Endpoint"]
    given = attributes.given(properties, _DEFAULTS)
    if given:
        request["Attributes"] = given
    region = properties.get("Region", hands.region)
    arn = (await hands.do("sns", "Subscribe", request, region=region))["SubscriptionArn"]
    return Made(arn, {"Arn": arn})


async def _update(hands: Hands, present: Present, properties: Fields) -> Made:
    region = properties.get("Region", hands.region)
    if region != present.physical.split(":")[3]:
        # "If you perform an update operation that only updates the Region property [...], that
        # operation will fail" but between none and the stack's own.
        raise Refusal("The Region of a subscription cannot be changed", "NotUpdatable")
    changed = attributes.changed(
        attributes.given(properties, _DEFAULTS),
        attributes.given(present.properties, _DEFAULTS),
        _DEFAULTS,
    )
    if changed.get("FilterPolicyScope") == "MessageBody":
        # A policy of attributes may say what one of bodies may, not the other way round: what
        # counts between the two requests must be right, too.
        changed = {"FilterPolicyScope": "MessageBody", **changed}
    for name, value in changed.items():
        request = {
            "SubscriptionArn": present.physical, "AttributeName": name, "AttributeValue": value,
        }  # fmt: skip
        await hands.do("sns", "SetSubscriptionAttributes", request, region=region)
    return Made(present.physical, {"Arn": present.physical})


async def _delete(hands: Hands, present: Present) -> None:
    region = present.physical.split(":")[3]
    request = {"SubscriptionArn": present.physical}
    try:
        await hands.drop("sns", "Unsubscribe", request, region=region)
    except AwsError as error:
        # One that nobody has confirmed ends by itself, or with its topic.
        if "pending confirmation" not in error.message:
            raise


TYPES = (
    Type(
        name="AWS::SNS::Subscription",
        properties=Shape(
            {
                "DeliveryPolicy": POLICY,
                "Endpoint": TEXT,
                "FilterPolicy": POLICY,
                "FilterPolicyScope": TEXT,
                "Protocol": TEXT,
                "RawMessageDelivery": BOOLEAN,
                "RedrivePolicy": POLICY,
                "Region": TEXT,
                "ReplayPolicy": POLICY,
                "TopicArn": TEXT,
            },
            required=("Protocol", "TopicArn"),
            refused=frozenset({"SubscriptionRoleArn"}),
        ),
        create=_create,
        update=_update,
        delete=_delete,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Endpoint", "Protocol", "TopicArn"}),
    ),
)
