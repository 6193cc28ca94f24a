"""What CreateFunction and UpdateFunctionConfiguration ask for: checked, and what is not done here
refused by name.

Lambda quotas page: timeout 900 s, memory 128 MB to 10,240 MB, /tmp 512 MB to 10,240 MB.
"""

from __future__ import annotations

from typing import Any

from ogi.errors import unsupported
from ogi.service import Fields
from ogi.services.lambda_ import runtimes, variables
from ogi.services.lambda_.errors import InvalidParameterValueException, ValidationException

TIMEOUT_S_MAX = 900
MEMORY_MB_MIN, MEMORY_MB_MAX = 128, 10_240
EPHEMERAL_MB_MIN, EPHEMERAL_MB_MAX = 512, 10_240
DEFAULTS: dict[str, Any] = {
    "description": "",
    "timeout_s": 3,
    "memory_mb": 128,
    "ephemeral_mb": 512,
    "architecture": "x86_64",
    "log_group": "",
    "kms_key": "",
}
UNSUPPORTED = (
    "Layers", "FileSystemConfigs", "CodeSigningConfigArn", "ImageConfig",
    "TenancyConfig", "CapacityProviderConfig", "DurableConfig", "RuntimeConfig",
    "AcceleratorConfig", "PublishTo", "VpcConfig",
)  # fmt: skip
"""Refused by name, unless they say nothing (an empty list, a structure of empty members)."""


def read(request: Fields) -> dict[str, Any]:
    """The members of a request as fields of a Version; those that are absent are absent."""
    refuse(request)
    found: dict[str, Any] = {}
    for member, field in (
        ("Role", "role"), ("Handler", "handler"), ("Description", "description"),
        ("KMSKeyArn", "kms_key"),
    ):  # fmt: skip
        if member in request:
            found[field] = request[member]
    if "Runtime" in request:
        found["runtime"] = runtimes.check(request["Runtime"])
    if "Timeout" in request:
        found["timeout_s"] = within(request["Timeout"], "timeout", 1, TIMEOUT_S_MAX)
    if "MemorySize" in request:
        value = request["MemorySize"]
        found["memory_mb"] = within(value, "memorySize", MEMORY_MB_MIN, MEMORY_MB_MAX)
    if "EphemeralStorage" in request:
        value = request["EphemeralStorage"]["Size"]
        found["ephemeral_mb"] = within(
            value, "ephemeralStorage.size", EPHEMERAL_MB_MIN, EPHEMERAL_MB_MAX
        )
    if "LoggingConfig" in request:
        found["log_group"] = request["LoggingConfig"].get("LogGroup", "")
    if "DeadLetterConfig" in request:
        found["dead_letters"] = request["DeadLetterConfig"].get("TargetArn", "")
    if request.get("Architectures"):
        found["architecture"] = architecture(request["Architectures"])
    if "Environment" in request:
        variables.check(request["Environment"].get("Variables") or {})
    return found


def refuse(request: Fields) -> None:
    """Raise for what Ogi does not do, so that nothing is ignored."""
    for member in UNSUPPORTED:
        if _says_something(request.get(member)):
            raise unsupported(f"the member {member} of Lambda functions")
    if request.get("PackageType", "Zip") != "Zip":
        raise unsupported("the member PackageType of Lambda functions as Image")
    if (request.get("TracingConfig") or {}).get("Mode", "PassThrough") != "PassThrough":
        raise unsupported("the member TracingConfig of Lambda functions with Mode Active")
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise unsupported("the member SnapStart of Lambda functions")
    logging = request.get("LoggingConfig") or {}
    if logging.get("LogFormat", "Text") != "Text":
        raise unsupported("the member LoggingConfig of Lambda functions with LogFormat JSON")
    for member in ("ApplicationLogLevel", "SystemLogLevel"):
        if member in logging:
            raise InvalidParameterValueException(
                "To configure a log level, the log format must be JSON."
            )


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    return bool(value)


def architecture(asked: list[str]) -> str:
    if len(asked) != 1:
        raise ValidationException.of(
            "architectures", asked, "Member must have length less than or equal to 1"
        )
    return asked[0]


def within(value: int, member: str, low: int, high: int) -> int:
    if value < low:
        rule = f"Member must have value greater than or equal to {low}"
        raise ValidationException.of(member, value, rule)
    if value > high:
        rule = f"Member must have value less than or equal to {high}"
        raise ValidationException.of(member, value, rule)
    return value
