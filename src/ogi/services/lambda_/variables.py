"""A function's environment variables: their rules, and how they are kept, which is sealed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ogi import sealing
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.lambda_.errors import InvalidParameterValueException, ValidationException, of_kms
from ogi.storage import Reader

BYTES_MAX = 4096
"""All names and values together (Lambda quotas page: 4 KB)."""
RESERVED = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
})  # fmt: skip
"""Lambda guide, "Defined runtime environment variables", reserved."""
_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")
_DECODER = msgspec.json.Decoder(dict[str, str])


def check(variables: Mapping[str, str]) -> None:
    for name in variables:
        if not _NAME.fullmatch(name):
            # Without the value, which is sensitive: pf-lambda-env-key-start-letter in
            # github.com/badmintoncryer/cdk-preflight, as is the measured size below.
            raise ValidationException(
                "1 validation error detected: Value at 'environment.variables' failed to satisfy "
                "constraint: Map keys must satisfy constraint: [Member must satisfy regular "
                f"expression pattern: {_NAME.pattern}]"
            )
    reserved = [name for name in variables if name in RESERVED]
    if reserved:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = len(msgspec.json.encode(variables))
    if measured > BYTES_MAX:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. Measured size: {measured} bytes"
        )


def seal(
    tx: Reader, call: Call, function_arn: str, kms_key: str, variables: Mapping[str, str]
) -> bytes:
    """b'' for none. With a key, the caller must be allowed to use it through Lambda."""
    if not variables:
        return b""
    plain = msgspec.json.encode(variables)
    try:
        return sealing.seal(
            tx, call.via("lambda"), plain, purpose=_purpose(function_arn), key_id=kms_key or None,
            context=_context(function_arn),
        )  # fmt: skip
    except AwsError as error:
        raise of_kms(error) from error


def open(tx: Reader, call: Call, function_arn: str, sealed: bytes) -> dict[str, str]:
    """As `call`'s principal, who needs kms:Decrypt where a key was named."""
    if not sealed:
        return {}
    plain = sealing.open(
        tx, call, sealed, purpose=_purpose(function_arn), context=_context(function_arn)
    )
    return _DECODER.decode(plain)


def _purpose(function_arn: str) -> str:
    return f"lambda/{function_arn}"


def _context(function_arn: str) -> dict[str, str]:
    """Lambda guide, "Securing environment variables"."""
    return {"aws:lambda:FunctionArn": function_arn}
