"""A template's sections and their rules, and what a template asks for with given parameters.

`read` is what a text says; `resolve` is what it means for one stack. Both raise CloudFormation's
sentence for what is wrong, so that nothing is created from a template that cannot be right.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ogi.errors import unsupported
from ogi.services.cloudformation import documents, functions, graphs, parameters
from ogi.services.cloudformation.errors import ValidationError, format_error, template_error
from ogi.services.cloudformation.functions import Later, Scope, evaluate
from ogi.services.cloudformation.resources import TYPES

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


class Definition(msgspec.Struct, frozen=True):
    """One resource as the stack shall have it; `properties` is template data to evaluate."""

    type: str
    properties: dict[str, Any]
    needs: tuple[str, ...] = ()
    """Logical ids that must be there before: by DependsOn and by references."""
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    metadata: str = ""
    description: str = ""


class Output(msgspec.Struct, frozen=True):
    key: str
    value: Any
    description: str = ""
    export: Any = None


class Goal(msgspec.Struct, frozen=True):
    """What a stack shall be: the template with parameters and conditions resolved."""

    description: str
    parameters: dict[str, str]
    """Texts by name, secret ones too."""
    declared: dict[str, Any]
    pseudo: dict[str, Any]
    resources: dict[str, Definition]
    outputs: tuple[Output, ...]
    imports: tuple[str, ...]


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


# -- what it means for one stack ------------------------------------------------------------------


def resolve(
    template: Template,
    given: Sequence[Mapping[str, Any]],
    previous: Mapping[str, str] | None,
    pseudo: Mapping[str, Any],
    imported: Callable[[str], Any],
) -> Goal:
    """The goal of a stack with these parameters; everything that can be checked is."""
    check_types(template)
    texts = parameters.values(template.parameters, given, previous)
    names = {**parameters.resolve(template.parameters, texts), **pseudo}
    _check_references(template, names)
    conditions = _conditions(template, names)
    active = {
        logical: resource
        for logical, resource in template.resources.items()
        if _holds(resource, conditions, "Resources")
    }
    imports: list[str] = []

    def looked_up(name: str) -> Any:
        value = imported(name)
        if value is None:
            raise ValidationError(f"No export named {name} found")
        if name not in imports:
            imports.append(name)
        return value

    scope = Scope(
        parameters=names,
        resources=frozenset(active),
        mappings=template.mappings,
        conditions=conditions,
        imported=looked_up,
    )
    resources = {
        logical: _definition(logical, resource, scope, frozenset(template.resources))
        for logical, resource in active.items()
    }
    outputs = tuple(
        _output(key, output, scope)
        for key, output in template.outputs.items()
        if _holds(output, conditions, "Outputs")
    )
    graphs.check_cycles({logical: each.needs for logical, each in resources.items()})
    goal = Goal(
        description=template.description,
        parameters=texts,
        declared=template.parameters,
        pseudo=dict(pseudo),
        resources=resources,
        outputs=outputs,
        imports=tuple(imports),
    )
    _check_attributes(goal)
    return goal


def check_types(template: Template) -> None:
    """Refuse resource types that Ogi does not know, all by name."""
    unknown = sorted(
        {
            resource["Type"]
            for resource in template.resources.values()
            if resource["Type"] not in TYPES
        }
    )
    if unknown:
        raise format_error(f"Unrecognized resource types: [{', '.join(unknown)}]")


def check_references(template: Template, pseudo: Iterable[str]) -> None:
    """As far as references can be checked without parameters' values (ValidateTemplate)."""
    _check_references(template, {**dict.fromkeys(pseudo), **template.parameters})


def _check_references(template: Template, names: Mapping[str, Any]) -> None:
    known = {*names, *template.resources, "AWS::NoValue"}
    depends = [
        name
        for resource in template.resources.values()
        for name in depends_on(resource)
        if name not in template.resources
    ]
    for where, section in (("Resources", template.resources), ("Outputs", template.outputs)):
        missing = list(depends) if where == "Resources" else []
        for reference in functions.references(section):
            if reference.attribute is None:
                if reference.logical not in known:
                    missing.append(reference.logical)
            elif reference.logical not in template.resources:
                raise template_error(
                    f"instance of Fn::GetAtt references undefined resource {reference.logical}"
                )
        if missing:
            listed = ", ".join(dict.fromkeys(missing))
            raise format_error(
                f"Unresolved resource dependencies [{listed}] in the {where} block of the template"
            )
    for reference in functions.references(template.conditions):
        if reference.attribute is not None or reference.logical not in names:
            raise format_error(
                f"Unresolved dependencies [{reference.logical}]. Cannot reference resources in the"
                " Conditions block of the template"
            )


def depends_on(resource: Mapping[str, Any]) -> list[str]:
    depends = resource.get("DependsOn", [])
    return [depends] if isinstance(depends, str) else list(depends)


def _conditions(template: Template, names: Mapping[str, Any]) -> dict[str, bool]:
    needs = {name: tuple(_named_conditions(node)) for name, node in template.conditions.items()}
    found: dict[str, bool] = {}
    for name in graphs.order(needs, what="conditions"):
        if name in template.conditions:
            scope = Scope(parameters=names, mappings=template.mappings, conditions=found)
            found[name] = functions.truth(template.conditions[name], scope)
    return found


def _named_conditions(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Condition" and isinstance(value, str):
                yield value
            else:
                yield from _named_conditions(value)
    elif isinstance(node, list):
        for item in node:
            yield from _named_conditions(item)


def _holds(member: Mapping[str, Any], conditions: Mapping[str, bool], where: str) -> bool:
    name = member.get("Condition")
    if name is None:
        return True
    if name not in conditions:
        raise format_error(
            f"Unresolved condition dependency {name} in the {where} block of the template"
        )
    return conditions[name]


def _definition(
    logical: str, resource: Mapping[str, Any], scope: Scope, declared: frozenset[str]
) -> Definition:
    kind = TYPES[resource["Type"]]
    values = evaluate(resource.get("Properties", {}), scope)
    if isinstance(values, Later):
        raise format_error(f"[/Resources/{logical}/Properties] expected a JSON object")
    try:
        kind.properties.convert(values, "")
        if kind.check is not None:
            kind.check(values)
    except ValidationError as error:
        raise ValidationError(f"{error.message} (resource {logical}, {kind.name})") from None
    node = functions.plain(values)
    _check_mentions(node, scope, "Resources")
    mentioned = [reference.logical for reference in functions.references(node)]
    needs = dict.fromkeys(
        name for name in (*depends_on(resource), *mentioned) if name in scope.resources
    )
    metadata = resource.get("Metadata")
    deletion = resource.get("DeletionPolicy", "Delete")
    return Definition(
        type=kind.name,
        properties=node,
        needs=tuple(needs),
        deletion_policy=deletion,
        replace_policy=resource.get("UpdateReplacePolicy", "Delete"),
        metadata="" if metadata is None else msgspec.json.encode(metadata).decode(),
        description=resource.get("Description", ""),
    )


def _check_mentions(node: Any, scope: Scope, where: str) -> None:
    """What is mentioned is in this stack, and has the attribute that is asked of it."""
    for reference in functions.references(node):
        if reference.logical not in scope.resources:
            raise format_error(
                f"Unresolved resource dependencies [{reference.logical}] in the {where} block of"
                " the template"
            )


def _check_attributes(goal: Goal) -> None:
    """Refuse Fn::GetAtt of what a resource's type does not have."""
    nodes = [each.properties for each in goal.resources.values()]
    for reference in functions.references([*nodes, *(output.value for output in goal.outputs)]):
        if reference.attribute is None:
            continue
        kind = TYPES[goal.resources[reference.logical].type]
        if reference.attribute not in kind.attributes:
            raise template_error(
                f"resource {reference.logical} does not support attribute type"
                f" {reference.attribute} in Fn::GetAtt"
            )


def _output(key: str, output: Mapping[str, Any], scope: Scope) -> Output:
    value = functions.plain(evaluate(output["Value"], scope))
    _check_mentions(value, scope, "Outputs")
    export = output.get("Export")
    description = output.get("Description", "")
    if not isinstance(description, str):
        raise format_error("Every Description member must be a string.")
    return Output(
        key=key,
        value=value,
        description=description,
        export=None if export is None else functions.plain(evaluate(export["Name"], scope)),
    )
