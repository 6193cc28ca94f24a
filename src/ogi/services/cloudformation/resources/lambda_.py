"""AWS::Lambda::Function.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
"""

from __future__ import annotations

import asyncio
import io
import zipfile

from ogi.sandbox.interpreters import interpreter_for, version_of
from ogi.service import Fields
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.resources.contract import (
    Hands,
    Made,
    Naming,
    Present,
)
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import (
    INTEGER,
    TAGS,
    TEXT,
    TEXTS,
    Map,
    Shape,
)
from ogi.services.cloudformation.values import Later

INLINE_BYTES_MAX = 4 * 1024 * 1024
"""Code.ZipFile (resource reference, AWS::Lambda::Function Code)."""

_CONFIGURATION = (
    "Description", "Environment", "EphemeralStorage", "Handler", "MemorySize", "Role", "Runtime",
    "Timeout", "DeadLetterConfig", "KMSKeyArn", "Layers", "LoggingConfig", "TracingConfig",
)  # fmt: skip
_CONFIGURATION_DEFAULTS: Fields = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "MemorySize": 128,
    "Timeout": 3,
    "DeadLetterConfig": {"TargetArn": ""},
    "KMSKeyArn": "",
    "Layers": [],
    "TracingConfig": {"Mode": "PassThrough"},
}


def _configuration(properties: Fields) -> Fields:
    found = {name: properties[name] for name in _CONFIGURATION if name in properties}
    if "KmsKeyArn" in properties:
        found["KMSKeyArn"] = properties["KmsKeyArn"]
    return found


def tags_of(properties: Fields) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _code(properties: Fields) -> Fields:
    code: Fields = properties["Code"]
    if "ZipFile" in code:
        return {"ZipFile": _inline(code["ZipFile"], properties.get("Runtime", ""))}
    return {name: code[name] for name in ("S3Bucket", "S3Key", "S3ObjectVersion") if name in code}


def _inline(source: str, runtime: str) -> bytes:
    """The source as a package: CloudFormation puts it into a file named index.

    The entry's date is fixed, so that the same source makes the same bytes.
    """
    name = "index.js" if runtime.startswith("nodejs") else "index.py"
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100644 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, source)
    return packed.getvalue()


def _check_function(properties: Fields) -> None:
    code = properties.get("Code")
    if not isinstance(code, dict):
        return
    if "ZipFile" not in code and not {"S3Bucket", "S3Key"} <= code.keys():
        raise ValidationError("Please provide a source for function code.")
    source = code.get("ZipFile")
    if isinstance(source, str) and len(source.encode()) > INLINE_BYTES_MAX:
        raise ValidationError("Value of property Code.ZipFile must have at most 4194304 bytes")
    runtime = properties.get("Runtime")
    inlinable = not isinstance(runtime, str) or runtime.startswith(("python", "nodejs"))
    if "ZipFile" in code and not inlinable:
        raise ValidationError(f"ZipFile can not be used when Runtime is set to {runtime}")
    if properties.get("PackageType", "Zip") != "Zip" and not isinstance(
        properties.get("PackageType"), Later
    ):
        raise ValidationError("Ogi does not support the PackageType Image yet")


async def _create_function(hands: Hands, properties: Fields) -> Made:
    name = hands.name
    request: Fields = {
        "FunctionName": name,
        "Code": _code(properties),
        **_configuration(properties),
    }
    if "Architectures" in properties:
        request["Architectures"] = properties["Architectures"]
    if tags_of(properties):
        request["Tags"] = tags_of(properties)
    await hands.create(
        ("lambda", "GetFunctionConfiguration", {"FunctionName": name}),
        ("lambda", "CreateFunction", request),
        "AWS::Lambda::Function",
        name,
    )
    hands.made(name)
    if "ReservedConcurrentExecutions" in properties:
        await _reserve(hands, name, properties["ReservedConcurrentExecutions"])
    return await _function(hands, name, properties)


async def _reserve(hands: Hands, name: str, count: int) -> None:
    request = {"FunctionName": name, "ReservedConcurrentExecutions": count}
    await hands.do("lambda", "PutFunctionConcurrency", request)


async def _function(hands: Hands, name: str, properties: Fields) -> Made:
    arn = hands.arn("lambda", f"function:{name}")
    # To ask what interpreters there are means to start them once.
    remark = await asyncio.to_thread(_remark, properties.get("Runtime", ""))
    return Made(name, {"Arn": arn}, remark=remark)


def _remark(runtime: str) -> str:
    """Says so where a Python runtime runs on another version than it asks for."""
    if version_of(runtime) is None:
        return ""
    interpreter = interpreter_for(runtime)
    if interpreter.exact:
        return ""
    return f"{runtime} is not on this machine: the function runs on {interpreter.name}"


async def _update_function(hands: Hands, present: Present, properties: Fields) -> Made:
    name, old = present.physical, present.properties
    code_changed = properties["Code"] != old.get("Code")
    if code_changed or properties.get("Architectures") != old.get("Architectures"):
        request = {"FunctionName": name, **_code(properties)}
        if "Architectures" in properties:
            request["Architectures"] = properties["Architectures"]
        await hands.do("lambda", "UpdateFunctionCode", request)
    new, had = _configuration(properties), _configuration(old)
    changed = {key: value for key, value in new.items() if had.get(key) != value}
    changed.update(
        {
            key: _CONFIGURATION_DEFAULTS[key]
            for key in had
            if key not in new and key in _CONFIGURATION_DEFAULTS
        }
    )
    if changed:
        request = {"FunctionName": name, **changed}
        await hands.do("lambda", "UpdateFunctionConfiguration", request)
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved != old.get("ReservedConcurrentExecutions"):
        if reserved is None:
            await hands.do("lambda", "DeleteFunctionConcurrency", {"FunctionName": name})
        else:
            await _reserve(hands, name, reserved)
    await update_tags(hands, hands.arn("lambda", f"function:{name}"), old, properties)
    return await _function(hands, name, properties)


async def update_tags(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    tags, tagged = tags_of(new), tags_of(old)
    gone = [key for key in tagged if key not in tags]
    if gone:
        await hands.do("lambda", "UntagResource", {"Resource": arn, "TagKeys": gone})
    if tags and tags != tagged:
        await hands.do("lambda", "TagResource", {"Resource": arn, "Tags": tags})


async def _delete_function(hands: Hands, present: Present) -> None:
    await hands.drop("lambda", "DeleteFunction", {"FunctionName": present.physical})


TYPES = (
    Type(
        name="AWS::Lambda::Function",
        properties=Shape(
            {
                "Architectures": TEXTS,
                "Code": Shape(
                    {"S3Bucket": TEXT, "S3Key": TEXT, "S3ObjectVersion": TEXT, "ZipFile": TEXT},
                    refused=frozenset({"ImageUri", "SourceKMSKeyArn"}),
                ),
                "DeadLetterConfig": Shape({"TargetArn": TEXT}),
                "Description": TEXT,
                "Environment": Shape({"Variables": Map(TEXT)}),
                "EphemeralStorage": Shape({"Size": INTEGER}, required=("Size",)),
                "FunctionName": TEXT,
                "Handler": TEXT,
                "KmsKeyArn": TEXT,
                "Layers": TEXTS,
                "LoggingConfig": Shape(
                    {
                        "ApplicationLogLevel": TEXT,
                        "LogFormat": TEXT,
                        "LogGroup": TEXT,
                        "SystemLogLevel": TEXT,
                    }
                ),
                "MemorySize": INTEGER,
                "PackageType": TEXT,
                "ReservedConcurrentExecutions": INTEGER,
                "Role": TEXT,
                "Runtime": TEXT,
                "Tags": TAGS,
                "Timeout": INTEGER,
                "TracingConfig": Shape({"Mode": TEXT}),
            },
            required=("Code", "Role"),
            refused=frozenset(
                {
                    "CapacityProviderConfig",
                    "CodeSigningConfigArn",
                    "DurableConfig",
                    "FileSystemConfigs",
                    "FunctionScalingConfig",
                    "ImageConfig",
                    "PublishToLatestPublished",
                    "RecursiveLoop",
                    "RuntimeManagementConfig",
                    "SnapStart",
                    "TenancyConfig",
                    "VpcConfig",
                }
            ),
        ),
        create=_create_function,
        update=_update_function,
        delete=_delete_function,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"FunctionName", "PackageType"}),
        naming=Naming("FunctionName", 64),
        asks={"ReservedConcurrentExecutions": ("lambda", "PutFunctionConcurrency")},
        check=_check_function,
    ),
)
