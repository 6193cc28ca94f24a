"""Templates: the sections of a template and their rules; what it means is in `goals`.

What is wrong is refused with CloudFormation's sentence.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ogi.errors import unsupported
from ogi.services.cloudformation import documents, parameters
from ogi.services.cloudformation.errors import ValidationError, format_error

BODY_BYTES_MAX = 51_200
OBJECT_BYTES_MAX = 1_000_000
RESOURCES_MAX = 500
OUTPUTS_MAX = 200
MAPPINGS_MAX = 200
DESCRIPTION_BYTES_MAX = 1024
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""

VERSION = "2010-09-09"
SERVERLESS = "AWS::Serverless-2016-10-31"

_SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Transform",
        "Resources",
        "Outputs",
    ]
)
_REFUSED_SECTIONS = frozenset({"Rules", "Hooks"})
_RESOURCE_MEMBERS = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "Metadata",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Description",
    ]
)
_REFUSED_MEMBERS = frozenset({"CreationPolicy", "UpdatePolicy"})
_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate"})
_OUTPUT_MEMBERS = frozenset({"Description", "Value", "Export", "Condition"})


class Template(msgspec.Struct, frozen=True):
    """The sections of a template whose structure is right, transforms not yet applied."""

    description: str = ""
    metadata: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    mappings: dict[str, Any] = {}
    conditions: dict[str, Any] = {}
    transforms: tuple[str, ...] = ()
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    globals: dict[str, Any] = {}
    version: str = ""

    def document(self) -> dict[str, Any]:
        """The template as one document again, without its transforms."""
        sections = {
            "AWSTemplateFormatVersion": self.version,
            "Description": self.description,
            "Metadata": self.metadata,
            "Parameters": self.parameters,
            "Mappings": self.mappings,
            "Conditions": self.conditions,
            "Resources": self.resources,
            "Outputs": self.outputs,
        }
        return {name: section for name, section in sections.items() if section}


def read(text: str) -> Template:
    """The sections of the template in `text`."""
    document = documents.read(text)
    transforms = _transforms(document.get("Transform"))
    known = _SECTIONS | ({"Globals"} if SERVERLESS in transforms else frozenset())
    for name in document.keys() & _REFUSED_SECTIONS:
        raise unsupported(f"the template section {name}")
    unknown = [name for name in document if name not in known]
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    return _sections(document, transforms)


def reread(template: Template, document: Mapping[str, Any]) -> Template:
    """`template` as a transform made it."""
    return _sections(document, template.transforms)


def _sections(document: Mapping[str, Any], transforms: tuple[str, ...]) -> Template:
    version = document.get("AWSTemplateFormatVersion", VERSION)
    if version != VERSION:
        raise format_error(f"Unrecognized template format version: {version}.")
    description = document.get("Description", "")
    if not isinstance(description, str):
        raise format_error("Every Description member must be a string.")
    if len(description.encode()) > DESCRIPTION_BYTES_MAX:
        raise format_error(f"Template description is longer than {DESCRIPTION_BYTES_MAX} bytes.")
    named = {
        section: _section(document, section)
        for section in ("Metadata", "Parameters", "Mappings", "Conditions", "Resources", "Outputs")
    }
    if not named["Resources"]:
        raise format_error("At least one Resources member must be defined.")
    _no_nulls(document)
    parameters.check(named["Parameters"])
    _check_mappings(named["Mappings"])
    for logical, resource in named["Resources"].items():
        _check_resource(logical, resource, SERVERLESS in transforms)
    _check_outputs(named["Outputs"])
    _limit("resources", len(named["Resources"]), RESOURCES_MAX)
    _limit("outputs", len(named["Outputs"]), OUTPUTS_MAX)
    _limit("mappings", len(named["Mappings"]), MAPPINGS_MAX)
    return Template(
        description=description,
        metadata=named["Metadata"],
        parameters=named["Parameters"],
        mappings=named["Mappings"],
        conditions=named["Conditions"],
        transforms=transforms,
        resources=named["Resources"],
        outputs=named["Outputs"],
        globals=document.get("Globals", {}),
        version=document.get("AWSTemplateFormatVersion", ""),
    )


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise format_error(f"[/{name}] expected a JSON object")
    return section


def _transforms(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str):
            raise unsupported("Transform with parameters")
        if name != SERVERLESS:
            raise unsupported(f"the transform {name}")
    return tuple(names)


def _no_nulls(document: Mapping[str, Any]) -> None:
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, node = waiting.pop()
        if node is None:
            raise format_error(f"[{path}] 'null' values are not allowed in templates")
        if isinstance(node, dict):
            waiting.extend((f"{path}/{key}", item) for key, item in node.items())
        elif isinstance(node, list):
            waiting.extend((f"{path}/{index}", item) for index, item in enumerate(node))


def _limit(what: str, count: int, most: int) -> None:
    if count > most:
        raise format_error(f"Number of {what}, {count}, is greater than maximum allowed, {most}")


def _check_mappings(mappings: Mapping[str, Any]) -> None:
    for name, first in mappings.items():
        if not isinstance(first, dict):
            raise format_error(f"Every Mappings member {name} must be a map")
        for key, second in first.items():
            if not isinstance(second, dict):
                raise format_error(f"Every Mappings attribute must be a String or a List. ({key})")
            for value in second.values():
                if isinstance(value, dict):
                    raise format_error("Every Mappings attribute must be a String or a List.")


def _check_resource(logical: str, resource: Any, serverless: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9]+", logical):
        raise format_error(f"Resource name {logical} is non alphanumeric.")
    if not isinstance(resource, dict):
        raise format_error(f"[/Resources/{logical}] resource definition is malformed")
    kind = resource.get("Type")
    if not isinstance(kind, str):
        raise format_error(
            f"[/Resources/{logical}] Every Resources object must contain a Type member."
        )
    for name in resource:
        if name in _REFUSED_MEMBERS:
            raise unsupported(f"the resource attribute {name} (of {logical})")
        if name not in _RESOURCE_MEMBERS and not (
            serverless and name in ("Connectors", "IgnoreGlobals")
        ):
            raise ValidationError(f"Invalid template resource property '{name}'")
    if not isinstance(resource.get("Properties", {}), dict):
        raise format_error(f"[/Resources/{logical}/Properties] expected a JSON object")
    depends = resource.get("DependsOn", [])
    if not isinstance(depends, str) and not (
        isinstance(depends, list) and all(isinstance(name, str) for name in depends)
    ):
        raise format_error("DependsOn must be a string or list of strings.")
    if not isinstance(resource.get("Condition", ""), str):
        raise format_error("Every Condition member must be a string.")
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(name, "Delete")
        if policy == "Snapshot":
            raise unsupported(f"{name}: Snapshot (of {logical})")
        if policy not in _POLICIES:
            raise format_error(f"Unrecognized {name} {policy} for resource {logical}")


def _check_outputs(outputs: Mapping[str, Any]) -> None:
    for key, output in outputs.items():
        if not re.fullmatch(r"[A-Za-z0-9]+", key):
            raise format_error(f"Output name {key} is non alphanumeric.")
        if not isinstance(output, dict) or "Value" not in output:
            raise format_error("Every Outputs member must contain a Value object")
        for name in output:
            if name not in _OUTPUT_MEMBERS:
                raise ValidationError(f"Invalid template output property '{name}'")
        export = output.get("Export")
        if export is not None and not (isinstance(export, dict) and list(export) == ["Name"]):
            raise format_error(f"Output {key} is malformed. The Export must have a Name.")
