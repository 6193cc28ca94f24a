"""What an error is on the wire: code, status and fault, by the model's error shapes.

Also the errors that the wire itself raises, before any service has seen the request.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.errors import AwsError, InternalFailure
from ogi.wire import quirks
from ogi.wire.models import Definition, Model


class SerializationException(AwsError):
    """The body of a JSON or CBOR request does not say what its operation takes."""

    status = 400


class UnknownOperationException(AwsError):
    """The requested operation is not recognized by the service."""

    status = 400


class UnknownPathException(AwsError):
    """The requested operation is not recognized by the service."""

    code = "UnknownOperationException"
    status = 404


class InvalidAction(AwsError):
    """The action or operation requested is invalid. Verify that the action is typed correctly."""

    status = 400


class MissingAction(AwsError):
    """The request is missing an action or a required parameter."""

    status = 400


class MalformedInput(AwsError):
    """A parameter of a query request is not of its member's type."""

    status = 400


class MalformedQueryString(AwsError):
    """The query string contains a syntax error."""

    status = 404


class MissingRequiredParameterException(AwsError):
    """The request must contain a parameter that it does not."""

    code = "MissingParameter"
    status = 400


class ValidationException(AwsError):
    """The input fails to satisfy the constraints specified by the service."""

    status = 400


class ValidationError(AwsError):
    """The input fails to satisfy the constraints specified by an AWS service."""

    status = 400


class InvalidParameterException(AwsError):
    """A parameter is specified incorrectly."""

    status = 400


class MalformedXML(AwsError):
    """The XML you provided was not well-formed or did not validate against our published schema"""

    status = 400


class MissingRequestBodyError(AwsError):
    """Request Body is empty"""

    status = 400


class MethodNotAllowed(AwsError):
    """The specified method is not allowed against this resource."""

    status = 405


class InvalidURI(AwsError):
    """Couldn't parse the specified URI."""

    status = 400


class InvalidArgument(AwsError):
    """Invalid Argument"""

    status = 400


class InvalidRequest(AwsError):
    """Missing required header for this request"""

    status = 400


VALIDATION: dict[str, type[AwsError]] = {
    kind.__name__: kind for kind in (ValidationException, ValidationError)
}
VALIDATION["InvalidParameterException"] = InvalidParameterException


def validation_error(service: str) -> type[AwsError]:
    """The class with which a service refuses input that breaks its model's constraints."""
    return VALIDATION[quirks.VALIDATION_CODES.get(service, "ValidationException")]


class Refusal(msgspec.Struct, frozen=True):
    """An error, resolved."""

    shape: str
    code: str
    status: int
    sender: bool
    message: str
    members: dict[str, Any]
    definition: Definition | None = None

    @property
    def fault(self) -> str:
        return "Sender" if self.sender else "Receiver"


def resolve(model: Model, error: BaseException) -> Refusal:
    """What is raised by services, by the wire or by a defect, as the caller shall see it."""
    if not isinstance(error, AwsError):
        error = InternalFailure()
    if type(error) is InternalFailure and model.service in quirks.INTERNAL_ERRORS:
        code, message = quirks.INTERNAL_ERRORS[model.service]
        return Refusal(code, code, 500, False, message, error.members)
    definition = model.error(error.shape)
    code = error.code or error.shape
    status = error.status or 400
    sender = None
    if definition is not None:
        quirk = quirks.QUERY_ERRORS.get(model.service, {}).get(error.shape)
        trait = definition.error
        if quirk is not None:
            code, status = quirk
        elif trait is not None:
            code = trait.code or error.shape
            status = trait.http_status_code or status
            sender = trait.sender_fault
        elif definition.fault:
            status = error.status or 500
        if quirk is None and trait is None:
            code = error.shape
    return Refusal(
        shape=error.shape,
        code=code,
        status=status,
        sender=status < 500 if sender is None else sender,
        message=error.message,
        members=error.members,
        definition=definition,
    )
