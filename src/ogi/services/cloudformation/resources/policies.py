"""Types that give a neighbour's resources their policy: one for several of them, one for each.

AWS::SQS::QueuePolicy and QueueInlinePolicy, AWS::SNS::TopicPolicy and TopicInlinePolicy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import POLICY, TEXT, TEXTS, Shape

SetPolicy = Callable[[Hands, str, Fields | None], Awaitable[None]]
"""Give one resource a policy; None: what it has when nobody gave it one, if it is there still."""


def of_several(name: str, member: str, set_policy: SetPolicy) -> Type:
    """The type whose policy counts for all that the property `member` lists."""

    async def create(hands: Hands, properties: Fields) -> Made:
        hands.made(hands.name)
        for each in properties[member]:
            await set_policy(hands, each, properties["PolicyDocument"])
        return Made(hands.name, {"Id": hands.name})

    async def update(hands: Hands, present: Present, properties: Fields) -> Made:
        for each in present.properties[member]:
            if each not in properties[member]:
                await set_policy(hands, each, None)
        for each in properties[member]:
            await set_policy(hands, each, properties["PolicyDocument"])
        return Made(present.physical, {"Id": present.physical})

    async def delete(hands: Hands, present: Present) -> None:
        for each in present.properties[member]:
            await set_policy(hands, each, None)

    return Type(
        name=name,
        properties=Shape(
            {"PolicyDocument": POLICY, member: TEXTS}, required=("PolicyDocument", member)
        ),
        create=create,
        update=update,
        delete=delete,
        attributes=frozenset({"Id"}),
        naming=Naming(chars_max=128),
    )


def of_one(name: str, member: str, set_policy: SetPolicy) -> Type:
    """The type whose policy counts for the one that the property `member` names."""

    async def create(hands: Hands, properties: Fields) -> Made:
        hands.made(properties[member])
        await set_policy(hands, properties[member], properties["PolicyDocument"])
        return Made(properties[member])

    async def update(hands: Hands, present: Present, properties: Fields) -> Made:
        await set_policy(hands, present.physical, properties["PolicyDocument"])
        return Made(present.physical)

    async def delete(hands: Hands, present: Present) -> None:
        await set_policy(hands, present.physical, None)

    return Type(
        name=name,
        properties=Shape(
            {"PolicyDocument": POLICY, member: TEXT}, required=("PolicyDocument", member)
        ),
        create=create,
        update=update,
        delete=delete,
        replaced_by=frozenset({member}),
    )
