"""Request parameters and response elements as CloudTrail shows them: by the model, without secrets.

Laws: only what the service's model knows is shown. Left out are blobs and streamed bodies (texts
in the clear, ciphertexts, packages, payloads), what the model calls sensitive (secret keys, the
environment of a function) and what is named here; contents of messages are HIDDEN.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ogi.wire import models
from ogi.wire.models import Shape

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""In CloudTrail's words: its example of SendMessage in the page below."""

_HIDDEN: Mapping[str, frozenset[str]] = {
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
    # logging-using-cloudtrail.html
    "sqs": frozenset({"MessageBody", "MessageAttributes", "MessageSystemAttributes"}),
    "sns": frozenset({"Message", "Subject", "MessageAttributes", "Token", "OneTimePassword"}),
}
_OMITTED: Mapping[str, frozenset[str]] = {
    # "Only the input parameter key names are logged; no parameter values are logged."
    # docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-api-logging-cloudtrail.html
    # A template may hold code, environments and default values.
    "cloudformation": frozenset({
        "ParameterValue", "ResolvedValue", "TemplateBody",
        "BearerToken", "RegistrationToken",
    }),
    "kms": frozenset({"GrantToken", "GrantTokens", "ImportToken"}),
    # "The ZipFile parameter is omitted."
    # docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
    "lambda": frozenset({
        "CheckpointToken", "ClientContext", "EventSourceToken", "Payload", "ZipFile",
    }),
    "logs": frozenset({"logEvents", "tokenString"}),
    # "CloudTrail does not log key names for the keys that are deleted using the Delete Multiple
    # Objects operation."
    # docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
    "s3": frozenset({"Delete", "Metadata", "MFA", "RequestToken", "Token"}),
    # CloudTrail shows the session token; who could read the audit could then use the session.
    "sts": frozenset({
        "DecodedMessage", "EncodedMessage", "SAMLAssertion", "SessionToken", "TokenCode",
        "WebIdentityToken",
    }),
}  # fmt: skip
_SHOWN = frozenset({"NonEmptyKmsKeyArnString", "SSEKMSKeyId"})
"""Names of keys: sensitive by the model, shown by CloudTrail."""
_SECRET_ATTRIBUTES = frozenset({"PlatformCredential", "PlatformPrincipal"})
_SCALARS = frozenset({str, int, float, bool})

Render = Callable[[Any], Any]
_GONE: Any = object()


def asked(service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The request's parameters; None if there is none to show."""
    return _shown(_shape(service, operation, "input"), params)


def answered(service: str, operation: str, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The response's elements; None if there is none to show."""
    return _shown(_shape(service, operation, "output"), result)


def when(seconds: float) -> str:
    """A time among the elements: `Jun 30, 2020 2:34:07 AM`, as in KMS's example of CreateKey."""
    at = time.gmtime(seconds)
    hour = at.tm_hour % 12 or 12
    half = "AM" if at.tm_hour < 12 else "PM"
    month = time.strftime("%b", at)
    return f"{month} {at.tm_mday}, {at.tm_year} {hour}:{at.tm_min:02}:{at.tm_sec:02} {half}"


def _shown(shape: _Structure | None, values: Mapping[str, Any]) -> dict[str, Any] | None:
    return (shape(values) or None) if shape is not None and values else None


@cache
def _shape(service: str, operation: str, side: str) -> _Structure | None:
    found = models.load(service).operation(operation)
    shape = None if found is None else found.input if side == "input" else found.output
    return None if shape is None else _structure(service, shape.name)


@cache
def _structure(service: str, name: str) -> _Structure:
    return _Structure(service, models.load(service).shape(name))


class _Structure:
    """Shows one structure; what becomes of a member is looked up at its first use."""

    __slots__ = ("_members", "_service", "_shape")

    def __init__(self, service: str, shape: Shape) -> None:
        self._service, self._shape = service, shape
        self._members: dict[str, tuple[str, Render | None] | None] = {}

    def __call__(self, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return _GONE
        shown: dict[str, Any] = {}
        members = self._members
        for name, value in values.items():
            if value is None:
                continue
            try:
                plan = members[name]
            except KeyError:
                plan = members[name] = self._plan(name)
            if plan is None:
                continue
            into, render = plan
            if render is not None:
                value = render(value)
                if value is _GONE:
                    continue
            elif type(value) not in _SCALARS:
                continue
            shown[into] = value
        return shown

    def _plan(self, name: str) -> tuple[str, Render | None] | None:
        service, shape = self._service, self._shape.members.get(name)
        if shape is None or name in _OMITTED.get(service, ()) or _is_secret(shape):
            return None
        into = _name(service, name, shape)
        if name in _HIDDEN.get(service, ()):
            return into, _hide
        if service == "sns" and name == "Endpoint":
            return into, _endpoint
        return into, _render(service, shape)


def _name(service: str, name: str, shape: Shape) -> str:
    """A member's name in a record: `queueUrl`, `aWSAccountId`; S3 has names of its own.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html
    """
    if service == "s3":
        if name == "Bucket":
            return "bucketName"
        if name == "Key":
            return "key"
        return shape.location_name if shape.location in ("header", "querystring") else name
    return name[:1].lower() + name[1:]


def _is_secret(shape: Shape) -> bool:
    if shape.type == "blob" or shape.streaming or shape.definition.eventstream:
        return True
    return shape.definition.sensitive and shape.name not in _SHOWN


def _render(service: str, shape: Shape) -> Render | None:
    """How a value of the shape is shown; None: as it is."""
    if shape.type == "structure":
        return _structure(service, shape.name)
    if shape.type == "list":
        return _list(None if _is_secret(shape.member) else _render(service, shape.member),
                     _is_secret(shape.member))  # fmt: skip
    if shape.type == "map":
        secret = _is_secret(shape.key) or _is_secret(shape.value)
        return _map(None if secret else _render(service, shape.value), secret)
    return _time if shape.type == "timestamp" else None


def _list(render: Render | None, secret: bool) -> Render:
    def show(values: Any) -> Any:
        if secret or not isinstance(values, list | tuple):
            return _GONE
        if render is None:
            return [value for value in values if type(value) in _SCALARS]
        return [shown for value in values if (shown := render(value)) is not _GONE]

    return show


def _map(render: Render | None, secret: bool) -> Render:
    def show(values: Any) -> Any:
        if secret or not isinstance(values, Mapping):
            return _GONE
        shown: dict[str, Any] = {}
        for key, value in values.items():
            if key in _SECRET_ATTRIBUTES:
                shown[key] = HIDDEN
            elif render is None:
                if type(value) in _SCALARS:
                    shown[key] = value
            elif (of := render(value)) is not _GONE:
                shown[key] = of
        return shown

    return show


def _time(value: Any) -> Any:
    return when(value) if isinstance(value, int | float) else _GONE


def _hide(value: Any) -> str:
    return HIDDEN


def _endpoint(value: Any) -> Any:
    """A subscriber's address, but not a person's, nor one with a password in it."""
    return HIDDEN if type(value) is not str or "@" in value else value
