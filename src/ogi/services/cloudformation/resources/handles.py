"""AWS::CloudFormation::WaitConditionHandle: a name for nothing, as templates use it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-waitconditionhandle.html
"""

from __future__ import annotations

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import Shape


async def _create(hands: Hands, properties: Fields) -> Made:
    host = f"cloudformation-waitcondition-{hands.region}.s3.{hands.region}.amazonaws.com"
    return Made(f"https://{host}/{hands.name}")


async def _update(hands: Hands, present: Present, properties: Fields) -> Made:
    return Made(present.physical)


async def _delete(hands: Hands, present: Present) -> None:
    return None


TYPES = (
    Type(
        name="AWS::CloudFormation::WaitConditionHandle",
        properties=Shape({}),
        create=_create,
        update=_update,
        delete=_delete,
        naming=Naming(chars_max=255),
    ),
)
