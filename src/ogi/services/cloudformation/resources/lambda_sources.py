"""AWS::Lambda::EventSourceMapping, AWS::Lambda::EventInvokeConfig and AWS::Lambda::Permission.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
"""

from __future__ import annotations

from typing import Any

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.resources.lambda_ import tags_of, update_tags
from ogi.services.cloudformation.schemas import (
    BOOLEAN,
    INTEGER,
    TAGS,
    TEXT,
    TEXTS,
    List,
    Shape,
)

_MAPPING = (
    "BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "Enabled", "FilterCriteria",
    "FunctionName", "FunctionResponseTypes", "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor", "ScalingConfig",
)  # fmt: skip
_MAPPING_DEFAULTS: Fields = {
    "BatchSize": 10,
    "Enabled": True,
    "FilterCriteria": {"Filters": []},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "ScalingConfig": {},
}


def _mapping_members(properties: Fields) -> Fields:
    return {name: properties[name] for name in _MAPPING if name in properties}


async def _create_mapping(hands: Hands, properties: Fields) -> Made:
    request = _mapping_members(properties)
    for name in ("EventSourceArn", "StartingPosition"):
        if name in properties:
            request[name] = properties[name]
    if tags_of(properties):
        request["Tags"] = tags_of(properties)

    async def recognise() -> Fields | None:
        ask = {"EventSourceArn": request["EventSourceArn"], "FunctionName": request["FunctionName"]}
        listed = await hands.look("lambda", "ListEventSourceMappings", ask)
        for mapping in listed.get("EventSourceMappings", []):
            found: Fields = mapping
            return found
        return None

    created = await hands.do("lambda", "CreateEventSourceMapping", request, recognise)
    return _mapping(hands, created["UUID"])


def _mapping(hands: Hands, uuid: str) -> Made:
    arn = hands.arn("lambda", f"event-source-mapping:{uuid}")
    return Made(uuid, {"Id": uuid, "EventSourceMappingArn": arn})


async def _update_mapping(hands: Hands, present: Present, properties: Fields) -> Made:
    new, old = _mapping_members(properties), _mapping_members(present.properties)
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    changed.update(
        {
            name: _MAPPING_DEFAULTS[name]
            for name in old.keys() - new.keys() & _MAPPING_DEFAULTS.keys()
        }
    )
    if changed:
        request = {"UUID": present.physical, **changed}
        await hands.do("lambda", "UpdateEventSourceMapping", request)
    made = _mapping(hands, present.physical)
    arn = made.attributes["EventSourceMappingArn"]
    await update_tags(hands, arn, present.properties, properties)
    return made


async def _delete_mapping(hands: Hands, present: Present) -> None:
    await hands.drop("lambda", "DeleteEventSourceMapping", {"UUID": present.physical})


# -- asynchronous events ------------------------------------------------------------------------


async def _create_events(hands: Hands, properties: Fields) -> Made:
    of = _of_events(properties)
    name = f"{of['FunctionName']}|{of['Qualifier']}"
    await hands.create(
        ("lambda", "GetFunctionEventInvokeConfig", of),
        ("lambda", "PutFunctionEventInvokeConfig", properties),
        "AWS::Lambda::EventInvokeConfig",
        name,
    )
    return Made(name)


async def _update_events(hands: Hands, present: Present, properties: Fields) -> Made:
    if properties != present.properties:
        await hands.do("lambda", "PutFunctionEventInvokeConfig", properties)
    return Made(present.physical)


async def _delete_events(hands: Hands, present: Present) -> None:
    of = _of_events(present.properties)
    await hands.drop("lambda", "DeleteFunctionEventInvokeConfig", of)


def _of_events(properties: Fields) -> Fields:
    return {name: properties[name] for name in ("FunctionName", "Qualifier")}


# -- permissions --------------------------------------------------------------------------------


async def _create_permission(hands: Hands, properties: Fields) -> Made:
    request = {**properties, "StatementId": hands.name}
    await hands.do("lambda", "AddPermission", request)
    return Made(hands.name, {"Id": hands.name})


async def _update_permission(hands: Hands, present: Present, properties: Fields) -> Made:
    return Made(present.physical, present.attributes)


async def _delete_permission(hands: Hands, present: Present) -> None:
    request = {
        "FunctionName": present.properties["FunctionName"], "StatementId": present.physical,
    }  # fmt: skip
    await hands.drop("lambda", "RemovePermission", request)


_PERMISSION: dict[str, Any] = {
    "Action": TEXT,
    "EventSourceToken": TEXT,
    "FunctionName": TEXT,
    "FunctionUrlAuthType": TEXT,
    "Principal": TEXT,
    "PrincipalOrgID": TEXT,
    "SourceAccount": TEXT,
    "SourceArn": TEXT,
}

TYPES = (
    Type(
        name="AWS::Lambda::EventSourceMapping",
        properties=Shape(
            {
                "BatchSize": INTEGER,
                "BisectBatchOnFunctionError": BOOLEAN,
                "DestinationConfig": Shape({"OnFailure": Shape({"Destination": TEXT})}),
                "Enabled": BOOLEAN,
                "EventSourceArn": TEXT,
                "FilterCriteria": Shape({"Filters": List(Shape({"Pattern": TEXT}))}),
                "FunctionName": TEXT,
                "FunctionResponseTypes": TEXTS,
                "MaximumBatchingWindowInSeconds": INTEGER,
                "MaximumRecordAgeInSeconds": INTEGER,
                "MaximumRetryAttempts": INTEGER,
                "ParallelizationFactor": INTEGER,
                "ScalingConfig": Shape({"MaximumConcurrency": INTEGER}),
                "StartingPosition": TEXT,
                "Tags": TAGS,
            },
            required=("FunctionName",),
            refused=frozenset(
                {
                    "AmazonManagedKafkaEventSourceConfig",
                    "DocumentDBEventSourceConfig",
                    "KmsKeyArn",
                    "LoggingConfig",
                    "MetricsConfig",
                    "ProvisionedPollerConfig",
                    "Queues",
                    "SelfManagedEventSource",
                    "SelfManagedKafkaEventSourceConfig",
                    "SourceAccessConfigurations",
                    "StartingPositionTimestamp",
                    "Topics",
                    "TumblingWindowInSeconds",
                }
            ),
        ),
        create=_create_mapping,
        update=_update_mapping,
        delete=_delete_mapping,
        attributes=frozenset({"Id", "EventSourceMappingArn"}),
        replaced_by=frozenset({"EventSourceArn", "StartingPosition"}),
    ),
    Type(
        name="AWS::Lambda::EventInvokeConfig",
        properties=Shape(
            {
                "DestinationConfig": Shape(
                    {
                        "OnFailure": Shape({"Destination": TEXT}, required=("Destination",)),
                        "OnSuccess": Shape({"Destination": TEXT}, required=("Destination",)),
                    }
                ),
                "FunctionName": TEXT,
                "MaximumEventAgeInSeconds": INTEGER,
                "MaximumRetryAttempts": INTEGER,
                "Qualifier": TEXT,
            },
            required=("FunctionName", "Qualifier"),
        ),
        create=_create_events,
        update=_update_events,
        delete=_delete_events,
        replaced_by=frozenset({"FunctionName", "Qualifier"}),
    ),
    Type(
        name="AWS::Lambda::Permission",
        properties=Shape(
            _PERMISSION,
            required=("Action", "FunctionName", "Principal"),
            refused=frozenset({"InvokedViaFunctionUrl"}),
        ),
        create=_create_permission,
        update=_update_permission,
        delete=_delete_permission,
        attributes=frozenset({"Id"}),
        replaced_by=frozenset(_PERMISSION),
        naming=Naming(chars_max=100),
        asks={"Action": ("lambda", "AddPermission")},
    ),
)
