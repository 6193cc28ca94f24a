"""Names of functions: plain, partial and full ARNs, with or without a qualifier.

API reference of each operation, "FunctionName": name, `name:qualifier`, `account:function:name`, or
the ARN.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from ogi import arn as arns
from ogi.service import Call, Fields
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceNotFoundException,
    ValidationException,
)
from ogi.storage import Home, Reader, control

NAME_CHARS_MAX = 64
LATEST = "$LATEST"
_NAME = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?(?P<region>[a-z]{2}(-gov)?-[a-z]+-\d:)?"
    r"(?P<account>\d{12}:)?(function:)?(?P<name>[a-zA-Z0-9-_]+)(:(?P<qualifier>[a-zA-Z0-9$_-]+))?"
)


class Target(msgspec.Struct, frozen=True):
    """A function, and which of its versions or aliases ('' if none was named)."""

    account: str
    region: str
    name: str
    qualifier: str

    @property
    def home(self) -> Home:
        return control(self.account, self.region)

    @property
    def arn(self) -> str:
        """Of the function itself."""
        return function_arn(self.account, self.region, self.name)

    @property
    def qualified(self) -> str:
        """The ARN as it was asked for."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn

    @property
    def data(self) -> Home:
        """Where the function's own data live: events that wait to be run."""
        return Home(self.arn)


def function_arn(account: str, region: str, name: str) -> str:
    return arns.make("lambda", region, account, f"function:{name}")


@lru_cache(maxsize=8192)
def _parsed(name: str) -> tuple[str, str, str, str] | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    region, account = found["region"] or "", found["account"] or ""
    return region[:-1], account[:-1], found["name"], found["qualifier"] or ""


def target(call: Call, name: str, qualifier: str = "") -> Target:
    """What a request's FunctionName and Qualifier name."""
    parsed = _parsed(name)
    if parsed is None:
        raise ValidationException.of(
            "functionName", name, f"Member must satisfy regular expression pattern: {_NAME.pattern}"
        )
    region, account, plain, inner = parsed
    if len(plain) > NAME_CHARS_MAX:
        raise ValidationException.of(
            "functionName", name, f"Member must have length less than or equal to {NAME_CHARS_MAX}"
        )
    if region and region != call.region:
        raise ResourceNotFoundException(
            f"Functions from '{region}' are not reachable in this region ('{call.region}')"
        )
    if inner and qualifier and inner != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Target(account or call.account, call.region, plain, qualifier or inner)


def target_of(call: Call, request: Fields) -> Target:
    return target(call, request["FunctionName"], request.get("Qualifier", ""))


def on_function(tx: Reader, call: Call, request: Fields) -> str:
    """The ARN to authorise for operations on the function as a whole."""
    return target_of(call, request).arn


def on_qualified(tx: Reader, call: Call, request: Fields) -> str:
    """The ARN to authorise for operations on a version or an alias."""
    return target_of(call, request).qualified


def home_of(call: Call, request: Fields) -> Home:
    return target_of(call, request).home
