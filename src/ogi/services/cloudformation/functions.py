"""The intrinsic functions: a tree of template data to the values that it stands for.

What cannot be known before resources exist stays in the tree as `Later`, with all that is known
around it already evaluated; the same evaluation runs again when they do.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ogi.errors import unsupported
from ogi.services.cloudformation.errors import ValidationError, template_error
from ogi.services.cloudformation.values import NO_VALUE, Later, is_known, plain, text_of

CIDR_COUNT_MAX = 256
"""Blocks of one Fn::Cidr: the reference says 1 to 256."""

_VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")
_LITERAL = re.compile(r"\$\{!([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_.:]+\Z")


@dataclass(frozen=True)
class Reference:
    """One resource's mention of another: by Ref (no attribute) or by Fn::GetAtt."""

    logical: str
    attribute: str | None


def never_known(*_: str) -> Any:
    return None


@dataclass(frozen=True)
class Scope:
    """What names mean. A lookup that gives None is not known yet."""

    parameters: Mapping[str, Any]
    """Values of parameters and pseudo parameters: texts and lists of texts."""
    resources: frozenset[str] = frozenset()
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    ref: Callable[[str], Any] = never_known
    attribute: Callable[[str, str], Any] = never_known
    imported: Callable[[str], Any] = never_known


def evaluate(node: Any, scope: Scope) -> Any:
    """The value of `node`; Later where it depends on what does not exist yet."""
    if isinstance(node, list):
        values = (evaluate(item, scope) for item in node)
        return [value for value in values if value is not NO_VALUE]
    if not isinstance(node, dict):
        return node
    name = function_of(node)
    if name is None:
        pairs = ((key, evaluate(value, scope)) for key, value in node.items())
        return {key: value for key, value in pairs if value is not NO_VALUE}
    return _FUNCTIONS[name](node[name], scope)


def function_of(node: Mapping[str, Any]) -> str | None:
    """The function that a mapping calls, None if it is data. `Condition` is data elsewhere."""
    if len(node) != 1:
        return None
    name = next(iter(node))
    if name == "Ref" or name in _FUNCTIONS:
        return name
    if name.startswith("Fn::"):
        if name in ("Fn::Transform", "Fn::ForEach", "Fn::Length", "Fn::ToJsonString"):
            raise unsupported(f"the function {name}")
        raise template_error(f"unsupported function: {name}")
    return None


def references(node: Any) -> Iterator[Reference]:
    """All mentions of resources (and of parameters by Ref) in template data."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "Ref" and len(node) == 1 and isinstance(value, str):
            yield Reference(value, None)
        elif key == "Fn::GetAtt" and len(node) == 1:
            yield Reference(*_attribute_of(value))
        elif key == "Fn::Sub" and len(node) == 1:
            text, variables = _sub_arguments(value)
            for name in _VARIABLE.findall(text):
                if name not in variables:
                    logical, dot, attribute = name.strip().partition(".")
                    yield Reference(logical, attribute if dot else None)
            yield from references(variables)
        else:
            yield from references(value)


# -- the functions ------------------------------------------------------------------------------


def _ref(name: Any, scope: Scope) -> Any:
    if not isinstance(name, str):
        raise template_error("every Ref object must have a single String value.")
    if name == "AWS::NoValue":
        return NO_VALUE
    if name in scope.parameters:
        return scope.parameters[name]
    value = scope.ref(name) if name in scope.resources else None
    return Later({"Ref": name}) if value is None else value


def _get_att(argument: Any, scope: Scope) -> Any:
    logical, attribute = _attribute_of(argument, scope)
    if logical not in scope.resources:
        raise template_error(f"instance of Fn::GetAtt references undefined resource {logical}")
    value = scope.attribute(logical, attribute)
    return Later({"Fn::GetAtt": [logical, attribute]}) if value is None else value


def _attribute_of(argument: Any, scope: Scope | None = None) -> tuple[str, str]:
    if isinstance(argument, str):
        logical, dot, attribute = argument.partition(".")
        if dot and logical and attribute:
            return logical, attribute
    elif isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str):
        logical, attribute = argument
        if scope is not None:
            # The attribute's name may be a Ref to a parameter.
            attribute = evaluate(attribute, scope)
        if logical and attribute:
            return logical, attribute if isinstance(attribute, str) else ""
    raise template_error(
        "every Fn::GetAtt object requires two non-empty parameters, the resource name and the"
        " resource attribute"
    )


def _sub(argument: Any, scope: Scope) -> Any:
    text, variables = _sub_arguments(argument)
    values = {name: evaluate(value, scope) for name, value in variables.items()}

    def value_of(name: str) -> Any:
        if name in values:
            return values[name]
        if not _NAME.match(name):
            raise template_error(
                "variable names in Fn::Sub syntax must contain only alphanumeric characters,"
                " underscores, periods, and colons"
            )
        logical, dot, attribute = name.partition(".")
        if dot and name not in scope.parameters:
            return _get_att([logical, attribute], scope)
        return _ref(name, scope)

    found = {name: value_of(name.strip()) for name in _VARIABLE.findall(text)}
    if not all(map(is_known, found.values())):
        kept = {name.strip(): plain(value) for name, value in found.items()}
        return Later({"Fn::Sub": [text, kept]})
    for name, value in found.items():
        if isinstance(value, (list, dict)) or value is NO_VALUE:
            raise template_error(
                f"Fn::Sub expression does not resolve to a string: variable {name}"
            )
    replaced = _VARIABLE.sub(lambda match: text_of(found[match.group(1)]), text)
    return _LITERAL.sub(r"${\1}", replaced)


def _sub_arguments(argument: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    if (
        isinstance(argument, list)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and isinstance(argument[1], dict)
    ):
        return argument[0], argument[1]
    raise template_error(
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a"
        " string as first argument, and an optional second argument to specify a mapping of values"
        " to replace in the string"
    )


def _join(argument: Any, scope: Scope) -> Any:
    sentence = (
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
        " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs)"
        " to be joined."
    )
    if not isinstance(argument, list) or len(argument) != 2:
        raise template_error(sentence)
    delimiter, parts = (evaluate(item, scope) for item in argument)
    if not is_known([delimiter, parts]):
        return Later({"Fn::Join": [plain(delimiter), plain(parts)]})
    if not isinstance(delimiter, str) or not isinstance(parts, list):
        raise template_error(sentence)
    if any(isinstance(part, (list, dict)) for part in parts):
        raise template_error(sentence)
    return delimiter.join(map(text_of, parts))


def _select(argument: Any, scope: Scope) -> Any:
    sentence = (
        "every Fn::Select object requires two non-empty parameters, the first as an integer index"
        " and the second as a list of elements."
    )
    if not isinstance(argument, list) or len(argument) != 2:
        raise template_error(sentence)
    index, values = (evaluate(item, scope) for item in argument)
    if isinstance(values, list) and is_known(index) and not is_known(values):
        return values[_index(index, values, sentence)]
    if not is_known([index, values]):
        return Later({"Fn::Select": [plain(index), plain(values)]})
    if not isinstance(values, list):
        raise template_error(sentence)
    return values[_index(index, values, sentence)]


def _index(index: Any, values: list[Any], sentence: str) -> int:
    try:
        number = int(text_of(index))
    except ValueError:
        raise template_error(sentence) from None
    if not 0 <= number < len(values):
        raise template_error(f"Fn::Select cannot select nonexistent value at index {number}")
    return number


def _split(argument: Any, scope: Scope) -> Any:
    sentence = (
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to"
        " be split or a function that returns a string to be split."
    )
    if not isinstance(argument, list) or len(argument) != 2:
        raise template_error(sentence)
    delimiter, text = (evaluate(item, scope) for item in argument)
    if not is_known([delimiter, text]):
        return Later({"Fn::Split": [plain(delimiter), plain(text)]})
    if not isinstance(delimiter, str) or not delimiter or isinstance(text, (list, dict)):
        raise template_error(sentence)
    return text_of(text).split(delimiter)


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise template_error("Fn::If requires a list argument with three elements")
    name, then, otherwise = argument
    if name not in scope.conditions:
        raise template_error(f"unresolved condition dependency {name} in Fn::If")
    return evaluate(then if scope.conditions[name] else otherwise, scope)


def _equals(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise template_error("Fn::Equals requires a list argument with two elements")
    left, right = (evaluate(item, scope) for item in argument)
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        return bool(left == right)
    return text_of(left) == text_of(right)


def _truths(name: str, argument: Any, scope: Scope, least: int, most: int) -> list[bool]:
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        count = "one element" if most == 1 else f"{least} to {most} elements"
        raise template_error(f"every {name} object requires a list of {count}")
    return [truth(item, scope) for item in argument]


def truth(node: Any, scope: Scope) -> bool:
    """The value of a condition."""
    if isinstance(node, dict) and len(node) == 1 and isinstance(node.get("Condition"), str):
        name = node["Condition"]
        if name not in scope.conditions:
            raise ValidationError(
                f"Template format error: Unresolved condition dependency {name} in the Conditions"
                " block of the template"
            )
        return scope.conditions[name]
    value = evaluate(node, scope)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise template_error("every Condition member must be a boolean or a function of conditions")


def _base64(argument: Any, scope: Scope) -> Any:
    value = evaluate(argument, scope)
    if not is_known(value):
        return Later({"Fn::Base64": plain(value)})
    if isinstance(value, (list, dict)):
        raise template_error("every Fn::Base64 object must have a String-typed value.")
    return base64.b64encode(text_of(value).encode()).decode()


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:
        raise template_error(
            "every Fn::FindInMap object requires three parameters, the map name, map key and the"
            " attribute for return value"
        )
    values = [evaluate(item, scope) for item in argument]
    if not all(isinstance(value, (str, int, float)) for value in values):
        raise template_error(
            "every Fn::FindInMap object requires three parameters, the map name, map key and the"
            " attribute for return value"
        )
    name, first, second = map(text_of, values)
    if name not in scope.mappings:
        raise template_error(
            f"Mapping named '{name}' is not present in the 'Mappings' section of template."
        )
    found = scope.mappings[name].get(first, {}).get(second)
    if found is None:
        raise template_error(f"Unable to get mapping for {name}::{first}::{second}")
    return found


def _import_value(argument: Any, scope: Scope) -> Any:
    name = evaluate(argument, scope)
    if not is_known(name):
        raise template_error(
            "the attribute in Fn::ImportValue must not depend on any resources, imported values,"
            " or Fn::GetAZs"
        )
    value = scope.imported(text_of(name))
    return Later({"Fn::ImportValue": text_of(name)}) if value is None else value


def _cidr(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) not in (2, 3):
        raise template_error(
            "every Fn::Cidr object requires two or three parameters, the IP block, the count and"
            " the cidr bits"
        )
    values = [evaluate(item, scope) for item in argument]
    if not is_known(values):
        return Later({"Fn::Cidr": [plain(value) for value in values]})
    block, count, *bits = values
    try:
        network = ipaddress.ip_network(text_of(block), strict=False)
        wanted = int(text_of(count))
        hosts = int(text_of(bits[0])) if bits else 8
        if not 1 <= wanted <= CIDR_COUNT_MAX:
            raise ValueError(wanted)
        subnets = network.subnets(new_prefix=network.max_prefixlen - hosts)
        found = [str(subnet) for _, subnet in zip(range(wanted), subnets, strict=False)]
        if len(found) < wanted:
            raise ValueError(wanted)
    except ValueError:
        raise template_error(
            "Fn::Cidr: the IP block does not hold that many blocks of that size"
        ) from None
    return found


def _get_azs(argument: Any, scope: Scope) -> Any:
    region = evaluate(argument, scope)
    if not isinstance(region, str):
        raise template_error("every Fn::GetAZs object must have a String value.")
    region = region or scope.parameters["AWS::Region"]
    return [f"{region}{zone}" for zone in "abc"]


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": lambda argument, scope: all(_truths("Fn::And", argument, scope, 2, 10)),
    "Fn::Or": lambda argument, scope: any(_truths("Fn::Or", argument, scope, 2, 10)),
    "Fn::Not": lambda argument, scope: not _truths("Fn::Not", argument, scope, 1, 1)[0],
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::ImportValue": _import_value,
    "Fn::GetAZs": _get_azs,
}
