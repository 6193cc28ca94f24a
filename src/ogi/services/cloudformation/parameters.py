"""Parameters: what a template declares, what a request gives, and what the stack is made with.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ogi.errors import unsupported
from ogi.services.cloudformation.errors import ValidationError, format_error
from ogi.services.cloudformation.values import text_of

PARAMETERS_MAX = 200
VALUE_CHARS_MAX = 4096
MASK = "****"

_PROPERTIES = frozenset(
    [
        "Type",
        "Default",
        "NoEcho",
        "AllowedValues",
        "AllowedPattern",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
        "Description",
        "ConstraintDescription",
    ]
)
_TYPES = frozenset({"String", "Number", "List<Number>", "CommaDelimitedList"})


def check(declared: Mapping[str, Any]) -> None:
    """Refuse declarations that CloudFormation refuses."""
    if len(declared) > PARAMETERS_MAX:
        raise format_error(
            f"Number of parameters, {len(declared)}, is greater than maximum allowed,"
            f" {PARAMETERS_MAX}"
        )
    for name, declaration in declared.items():
        if not re.fullmatch(r"[A-Za-z0-9]{1,255}", name):
            raise format_error(f"Parameter name {name} is non alphanumeric.")
        if not isinstance(declaration, dict):
            raise format_error(f"Any Parameters member must be an object ({name}).")
        if "Type" not in declaration:
            raise format_error("Every Parameters object must contain a Type member.")
        for unknown in declaration.keys() - _PROPERTIES:
            raise ValidationError(f"Invalid template parameter property '{unknown}'")
        kind = declaration["Type"]
        if isinstance(kind, str) and kind.startswith(("AWS::", "List<AWS::")):
            raise unsupported(f"parameters of type {kind}")
        if kind not in _TYPES:
            raise format_error(f"Unrecognized parameter type: {kind}")
        if "Default" in declaration:
            default = declaration["Default"]
            if isinstance(default, (dict, list)) or default is None:
                raise format_error("Every Default member must be a string.")


def values(
    declared: Mapping[str, Any],
    given: Sequence[Mapping[str, Any]],
    previous: Mapping[str, str] | None,
) -> dict[str, str]:
    """The text of every parameter: given, the stack's previous one where asked, or the default."""
    unknown = [entry["ParameterKey"] for entry in given if entry["ParameterKey"] not in declared]
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    found: dict[str, str] = {}
    for entry in given:
        name = entry["ParameterKey"]
        if entry.get("UsePreviousValue"):
            if previous is None or name not in previous:
                raise ValidationError(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as"
                    " true for a parameter key not in the previous template"
                )
            found[name] = previous[name]
        elif "ParameterValue" in entry:
            found[name] = entry["ParameterValue"]
    for name, declaration in declared.items():
        if name not in found and "Default" in declaration:
            found[name] = text_of(declaration["Default"])
    missing = [name for name in declared if name not in found]
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, declaration in declared.items():
        _constrain(name, declaration, found[name])
    return {name: found[name] for name in declared}


def resolve(declared: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values as Ref gives them: texts, and lists of texts for the list types."""
    resolved: dict[str, Any] = {}
    for name, declaration in declared.items():
        text = texts[name]
        if declaration["Type"] in ("CommaDelimitedList", "List<Number>"):
            resolved[name] = [part.strip() for part in text.split(",")] if text else []
        else:
            resolved[name] = text
    return resolved


def shown(declared: Mapping[str, Any], texts: Mapping[str, str]) -> list[dict[str, str]]:
    """As DescribeStacks lists them; what is NoEcho is masked."""
    return [
        {
            "ParameterKey": name,
            "ParameterValue": MASK if _is_true(declared[name].get("NoEcho")) else text,
        }
        for name, text in texts.items()
    ]


def declarations(declared: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As ValidateTemplate and GetTemplateSummary list them."""
    listed = []
    for name, declaration in declared.items():
        entry: dict[str, Any] = {
            "ParameterKey": name,
            "ParameterType": declaration["Type"],
            "NoEcho": _is_true(declaration.get("NoEcho")),
        }
        if "Default" in declaration:
            entry["DefaultValue"] = text_of(declaration["Default"])
        if "Description" in declaration:
            entry["Description"] = text_of(declaration["Description"])
        constraints: dict[str, Any] = {}
        if "AllowedValues" in declaration:
            constraints["AllowedValues"] = [text_of(v) for v in declaration["AllowedValues"]]
        entry["ParameterConstraints"] = constraints
        listed.append(entry)
    return listed


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _constrain(name: str, declaration: Mapping[str, Any], text: str) -> None:
    described = declaration.get("ConstraintDescription")

    def refuse(sentence: str) -> ValidationError:
        if described is not None:
            return ValidationError(f"Parameter {name} failed to satisfy constraint: {described}")
        return ValidationError(sentence)

    if len(text) > VALUE_CHARS_MAX:
        raise ValidationError(
            f"Parameter '{name}' must contain at most {VALUE_CHARS_MAX} characters"
        )
    kind = declaration["Type"]
    parts = [part.strip() for part in text.split(",")] if kind not in ("String", "Number") else []
    checked = parts or [text]
    allowed = declaration.get("AllowedValues")
    if allowed is not None:
        permitted = set(map(text_of, allowed))
        if any(part not in permitted for part in checked):
            raise refuse(f"Parameter '{name}' must be one of AllowedValues")
    if kind in ("Number", "List<Number>"):
        for part in checked:
            _constrain_number(name, declaration, part, refuse)
        return
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and any(not _fits(pattern, part, name) for part in checked):
        raise refuse(f"Parameter '{name}' must match pattern {pattern}")
    least, most = declaration.get("MinLength"), declaration.get("MaxLength")
    if least is not None and len(text) < int(least):
        raise refuse(f"Parameter '{name}' must contain at least {least} characters")
    if most is not None and len(text) > int(most):
        raise refuse(f"Parameter '{name}' must contain at most {most} characters")


def _constrain_number(name: str, declaration: Mapping[str, Any], text: str, refuse: Any) -> None:
    try:
        number = float(text)
    except ValueError:
        raise ValidationError(f"Parameter '{name}' must be a number") from None
    least, most = declaration.get("MinValue"), declaration.get("MaxValue")
    if least is not None and number < float(least):
        raise refuse(f"Parameter '{name}' must be a number not less than {least}")
    if most is not None and number > float(most):
        raise refuse(f"Parameter '{name}' must be a number not greater than {most}")


def _fits(pattern: str, text: str, name: str) -> bool:
    """The pattern is Java's; the whole value must match."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        raise format_error(f"Invalid pattern {pattern} of the parameter {name}") from None
