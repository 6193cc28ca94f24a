"""What an audit is to the rest: where requests leave a record of who asked for what (ogi.audit)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ogi.errors import AwsError
    from ogi.http import Request
    from ogi.service import Call, Fields, Operation


class Audit(Protocol):
    """Takes a record of each request; what it costs and keeps is its own affair."""

    wanted: frozenset[tuple[str, str]]
    """(service, operation) of the requests that leave one."""

    def answered(
        self, request: Request, claim: Any, call: Call, operation: Operation, asked: Fields,
        result: Fields,
    ) -> None:  # fmt: skip
        """A client's request was done. claim: ogi.access.authenticate's, or None."""

    def refused(
        self, request: Request, request_id: str, claim: Any, proved: Any, service: str,
        operation: str, asked: Fields, error: AwsError,
    ) -> None:  # fmt: skip
        """A client's request was refused. operation: '' if it was not even understood."""

    def hop(
        self, call: Call, operation: Operation, asked: Fields, result: Fields | None,
        error: AwsError | None,
    ) -> None:  # fmt: skip
        """A service asked another; only of what is `wanted`."""

    def happened(self, call: Call, service: str, event: str, arn: str) -> None:
        """A service did something to a resource by itself."""


def record(
    call: Call, operation: Operation, request: Fields, result: Fields | None, error: AwsError | None
) -> None:
    """Leave a record of what one service asked of another, if such requests leave one."""
    audit = call.ports.audit
    if audit is not None and (operation.service.name, operation.name) in audit.wanted:
        audit.hop(call, operation, request, result, error)


def happened(call: Call, service: str, event: str, arn: str) -> None:
    """Leave a record of what a service did to a resource by itself, when nobody asked."""
    if call.ports.audit is not None:
        call.ports.audit.happened(call, service, event, arn)
