"""A template deployed on paper: each resource with the name and ARN that it would have.

What a template does not say (a parameter without a default, another stack's export) gets an ARN of
its own, `arn:aws:external:...`, which is equal to itself and to nothing else. Conditions are taken
as the parameters make them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ogi.errors import AwsError
from ogi.services.cloudformation import functions
from ogi.services.cloudformation.functions import Scope
from ogi.services.cloudformation.values import NO_VALUE

ACCOUNT = "111122223333"
REGION = "us-east-1"
EXTERNAL = "arn:aws:external:"

Path = list[str | int]
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    logical: str
    type: str
    properties: dict[str, Any]
    arn: str
    name: str

    def path(self, *more: str | int) -> Path:
        """The place of a property in the template."""
        return ["Resources", self.logical, *(("Properties", *more) if more else ())]


@dataclass
class Paper:
    """All resources of a template, evaluated."""

    template: Mapping[str, Any]
    account: str = ACCOUNT
    region: str = REGION
    given: Mapping[str, Any] = field(default_factory=dict)
    """Values of parameters that differ from the defaults."""
    resources: dict[str, Resource] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._declared: dict[str, Any] = {
            logical: body
            for logical, body in _section(self.template, "Resources").items()
            if isinstance(body, dict) and isinstance(body.get("Type"), str)
        }
        self._names = self._values()
        self._scope = Scope(
            parameters=self._names,
            resources=frozenset(self._declared),
            mappings=_section(self.template, "Mappings"),
            conditions=self._conditions(),
            ref=lambda logical: self._reference(logical, None),
            attribute=self._reference,
            imported=lambda name: _external(f"import/{name}"),
        )
        for logical, body in self._declared.items():
            condition = body.get("Condition")
            if condition is None or self._scope.conditions.get(condition, True):
                self._resource(logical)

    # -- looking around -----------------------------------------------------------------------

    def of_type(self, *types: str) -> Iterator[Resource]:
        return (resource for resource in self.resources.values() if resource.type in types)

    def at(self, arn: object) -> Resource | None:
        """The resource with this ARN, or of this template's name for it (a URL, an id)."""
        for resource in self.resources.values():
            if arn in (resource.arn, _ref(resource)):
                return resource
        return None

    def key(self, name: object) -> Resource | None:
        """The key that a KmsMasterKeyId means, if it is in the template."""
        text = str(name)
        alias = text[text.find("alias/") :] if "alias/" in text else ""
        for resource in self.of_type("AWS::KMS::Alias"):
            if alias and resource.name == alias:
                return self.key(resource.properties.get("TargetKeyId"))
        for resource in self.of_type("AWS::KMS::Key"):
            if text in (resource.arn, resource.name):
                return resource
        return None

    def written(self, arn: str) -> str:
        """An ARN as a template would write it."""
        resource = self.at(arn)
        if resource is None:
            return f'"{arn}"'
        if resource.type == "AWS::SNS::Topic":
            return f"!Ref {resource.logical}"
        if resource.type == "AWS::S3::Bucket":
            # The bucket cannot be referred to: it is made after the policy that lets it publish.
            return f'!Sub "arn:${{AWS::Partition}}:s3:::{resource.name}"'
        return f"!GetAtt {resource.logical}.Arn"

    # -- evaluation ---------------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        names: dict[str, Any] = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "stack",
            "AWS::StackId": f"arn:aws:cloudformation:{self.region}:{self.account}:stack/stack/0",
            "AWS::NotificationARNs": [],
        }
        for name, declared in _section(self.template, "Parameters").items():
            listed = isinstance(declared, dict) and (
                "List" in str(declared.get("Type", "")) or declared.get("Type") == "List<Number>"
            )
            value = self.given.get(name)
            if value is None and isinstance(declared, dict):
                value = declared.get("Default")
            if value is None:
                value = _external(f"parameter/{name}")
            names[name] = str(value).split(",") if listed else value
        return names

    def _conditions(self) -> dict[str, bool]:
        """The conditions as the parameters make them; what cannot be told is taken as true."""
        found: dict[str, bool] = {}
        waiting = dict(_section(self.template, "Conditions"))
        for _ in range(len(waiting) + 1):
            scope = Scope(self._names, mappings=_section(self.template, "Mappings"),
                          conditions=found)  # fmt: skip
            for name, node in list(waiting.items()):
                try:
                    found[name] = functions.truth(node, scope)
                except (AwsError, TypeError, ValueError):
                    continue  # It rests on one that comes later, or on what nobody knows.
                del waiting[name]
        return {**dict.fromkeys(waiting, True), **found}

    def _resource(self, logical: str) -> Resource:
        known = self.resources.get(logical)
        if known is not None:
            return known
        body = self._declared[logical]
        self._under_way.add(logical)
        node = body.get("Properties")
        properties: dict[str, Any] = {}
        for name, value in (node if isinstance(node, dict) else {}).items():
            try:
                properties[name] = functions.evaluate(value, self._scope)
            except (AwsError, TypeError, ValueError, KeyError):
                continue  # A property that nobody can evaluate says nothing.
        self._under_way.discard(logical)
        properties = {
            n: v for n, v in properties.items() if not hasattr(v, "node") and v is not NO_VALUE
        }
        name = self._name(logical, body["Type"], properties)
        made = Resource(logical, body["Type"], properties, self._arn(body["Type"], name,
                                                                     properties), name)  # fmt: skip
        self.resources[logical] = made
        return made

    def _reference(self, logical: str, attribute: str | None) -> Any:
        if logical in self._under_way:
            return _external(f"circle/{logical}")
        resource = self._resource(logical)
        if attribute is None:
            return _ref(resource)
        if attribute in ("Arn", "TopicArn", "PolicyArn", "FunctionArn"):
            return resource.arn
        if attribute in ("QueueName", "TopicName", "KeyId", "RoleName"):
            return resource.name
        if attribute == "QueueUrl":
            return _ref(resource)
        return _external(f"{logical}/{attribute}")

    def _name(self, logical: str, type: str, properties: Properties) -> str:
        given = properties.get(_NAMED.get(type, ""))
        if given:
            return str(given)
        if type == "AWS::S3::Bucket":
            return logical.lower()
        fifo = _true(properties.get("FifoQueue")) or _true(properties.get("FifoTopic"))
        return f"{logical}.fifo" if fifo else logical

    def _arn(self, type: str, name: str, properties: Properties) -> str:
        form = _ARNS.get(type)
        if form is None:
            return f"{EXTERNAL}{self.region}:{self.account}:{type}/{name}"
        path = str(properties.get("Path", "/"))
        return form.format(r=self.region, a=self.account, n=name, path=path)


_NAMED = {
    "AWS::SNS::Topic": "TopicName", "AWS::SQS::Queue": "QueueName",
    "AWS::S3::Bucket": "BucketName", "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName", "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
}  # fmt: skip
_ARNS = {
    "AWS::SNS::Topic": "arn:aws:sns:{r}:{a}:{n}",
    "AWS::SQS::Queue": "arn:aws:sqs:{r}:{a}:{n}",
    "AWS::S3::Bucket": "arn:aws:s3:::{n}",
    "AWS::KMS::Key": "arn:aws:kms:{r}:{a}:key/{n}",
    "AWS::KMS::Alias": "arn:aws:kms:{r}:{a}:{n}",
    "AWS::Lambda::Function": "arn:aws:lambda:{r}:{a}:function:{n}",
    "AWS::IAM::Role": "arn:aws:iam::{a}:role{path}{n}",
    "AWS::IAM::User": "arn:aws:iam::{a}:user{path}{n}",
    "AWS::IAM::ManagedPolicy": "arn:aws:iam::{a}:policy{path}{n}",
}


def _ref(resource: Resource) -> str:
    """What Ref gives."""
    if resource.type in ("AWS::SNS::Topic", "AWS::IAM::ManagedPolicy"):
        return resource.arn
    if resource.type == "AWS::SQS::Queue":
        _, _, _, region, account, name = resource.arn.split(":", 5)
        return f"https://sqs.{region}.amazonaws.com/{account}/{name}"
    if resource.type in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        function = str(resource.properties.get("FunctionName", ""))
        return f"{function}:{resource.properties.get('Name', '1')}"
    return resource.name


def guessed(text: str) -> tuple[str, str]:
    """Account and region of a template that writes them out; else some of nobody."""
    found = re.findall(r"arn:aws:[a-z0-9-]+:([a-z0-9-]*):(\d{12}):", text)
    regions = {region for region, _ in found if region}
    accounts = {account for _, account in found}
    return (
        accounts.pop() if len(accounts) == 1 else ACCOUNT,
        regions.pop() if len(regions) == 1 else REGION,
    )


def is_external(value: object) -> bool:
    return EXTERNAL in str(value)


def _external(what: str) -> str:
    return f"{EXTERNAL}{REGION}:{ACCOUNT}:{what}"


def _section(template: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = template.get(name)
    return section if isinstance(section, dict) else {}


def _true(value: object) -> bool:
    return str(value).lower() == "true"


def number(value: object) -> int | None:
    """A whole number, also where it is written as a text; None for anything else."""
    try:
        return int(str(value))
    except ValueError:
        return None


def listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


is_true = _true
