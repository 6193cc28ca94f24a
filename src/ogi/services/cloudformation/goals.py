"""Goals: what a template means for one stack, with parameters and conditions resolved.

All that can be known without the resources is evaluated and checked here, so that nothing is
created from a template that cannot be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ogi.services.cloudformation import functions, graphs, parameters
from ogi.services.cloudformation.errors import ValidationError, format_error, template_error
from ogi.services.cloudformation.functions import Scope, evaluate
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.templates import Template
from ogi.services.cloudformation.values import Later, plain


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
    node = plain(values)
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
    value = plain(evaluate(output["Value"], scope))
    _check_mentions(value, scope, "Outputs")
    export = output.get("Export")
    description = output.get("Description", "")
    if not isinstance(description, str):
        raise format_error("Every Description member must be a string.")
    return Output(
        key=key,
        value=value,
        description=description,
        export=None if export is None else plain(evaluate(export["Name"], scope)),
    )
