"""Functions: finding them and their versions, and saying what they are in AWS's words."""

from __future__ import annotations

from datetime import UTC, datetime

from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.lambda_ import variables
from ogi.services.lambda_.errors import ResourceNotFoundException
from ogi.services.lambda_.names import LATEST, Target
from ogi.services.lambda_.records import ALIASES, FUNCTIONS, VERSIONS, Function, Version
from ogi.storage import Reader, Transaction, control


def find(tx: Reader, target: Target) -> Function:
    found = FUNCTIONS.get(tx, target.home, target.name)
    if found is None:
        raise ResourceNotFoundException.of(target.arn)
    return found


def tags_of(tx: Reader, arn: str) -> dict[str, str] | None:
    """Of the function of a version or alias, too.

    https://docs.aws.amazon.com/lambda/latest/dg/attribute-based-access-control.html
    """
    parts = arn.split(":")
    if len(parts) < 7 or parts[5] != "function":
        return None
    found = FUNCTIONS.get(tx, control(parts[4], parts[3]), parts[6])
    return None if found is None else found.tags


def find_version(tx: Reader, target: Target) -> tuple[Function, Version]:
    """The function, and the version that the target's qualifier names or its alias points to."""
    function = find(tx, target)
    qualifier = target.qualifier
    if qualifier in ("", LATEST):
        return function, function.latest
    number = qualifier
    if not number.isdigit():
        alias = ALIASES.get(tx, target.home, target.name, qualifier)
        if alias is None:
            raise ResourceNotFoundException.of(target.qualified)
        number = alias.version
    if number == LATEST:
        return function, function.latest
    version = VERSIONS.get(tx, target.home, target.name, int(number))
    if version is None:
        raise ResourceNotFoundException.of(target.qualified)
    return function, version


def save(tx: Transaction, function: Function) -> None:
    FUNCTIONS.put(tx, function, control(function.account, function.region), function.name)


def version_arn(function: Function, version: Version) -> str:
    """`$LATEST` goes by the function's own ARN."""
    return function.arn if version.version == LATEST else f"{function.arn}:{version.version}"


def describe(
    tx: Reader, call: Call, function: Function, version: Version, qualifier: str = ""
) -> Fields:
    """FunctionConfiguration. `qualifier` as it was asked for, which the ARN shows."""
    arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
    result: Fields = {
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.blob.size,
        "Description": version.description,
        "Timeout": version.timeout_s,
        "MemorySize": version.memory_mb,
        "LastModified": timestamp(version.modified),
        "CodeSha256": version.sha256,
        "Version": version.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": version.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group(function, version)},
    }
    if version.kms_key:
        result["KMSKeyArn"] = version.kms_key
    if version.dead_letters:
        result["DeadLetterConfig"] = {"TargetArn": version.dead_letters}
    if version.variables:
        result["Environment"] = _environment(tx, call, function, version)
    return result


def log_group(function: Function, version: Version) -> str:
    return version.log_group or f"/aws/lambda/{function.name}"


def timestamp(at: float) -> str:
    """2024-01-02T03:04:05.678+0000"""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _environment(tx: Reader, call: Call, function: Function, version: Version) -> Fields:
    """The variables, or why the caller cannot see them."""
    try:
        found = variables.open(tx, call.via("lambda"), function.arn, version.variables)
    except AwsError as error:
        message = f"Lambda was unable to decrypt your environment variables: {error.message}"
        return {"Error": {"ErrorCode": error.code or error.shape, "Message": message}}
    return {"Variables": found}
