"""Errors that a caller sees. Everything else that is raised is our own fault.

An `AwsError` subclass is named after the error shape in the service's model; the wire looks status
and wire code up there. Errors that no model lists (S3 has many) say `code` and `status` themselves.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AwsError(Exception):
    """A refusal in AWS's words. The docstring of a subclass is its message when none is given."""

    code: ClassVar[str | None] = None
    """The code on the wire; None: the model's, or the class name."""
    status: ClassVar[int | None] = None
    """The HTTP status; None: the model's, or 400."""

    def __init__(self, message: str | None = None, **members: Any) -> None:
        self.message = message if message is not None else (type(self).__doc__ or "").strip()
        self.members = members
        """Further members of the error's shape, by name (S3: `BucketName`, `Key`, ...)."""
        super().__init__(self.message)

    @property
    def shape(self) -> str:
        return type(self).__name__


class Unsupported(AwsError):
    """What Ogi does not do yet is refused by name."""

    code = "NotImplemented"
    status = 501


def unsupported(what: str) -> Unsupported:
    return Unsupported(f"Ogi does not support {what} yet; docs/coverage.md lists what it does.")


class InternalFailure(AwsError):
    """The request processing has failed because of an unknown error, exception or failure."""

    status = 500


class AccessDenied(AwsError):
    """Access Denied"""

    status = 403
