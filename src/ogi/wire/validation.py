"""Which input a service refuses by its model alone, in the service's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ogi.wire import quirks
from ogi.wire.constraints import Constraints, summary
from ogi.wire.errors import MissingRequiredParameterException, validation_error
from ogi.wire.models import Operation, Shape, renamed

Validate = Callable[[dict[str, Any]], None]


def accept(params: dict[str, Any]) -> None:
    """Nothing to check."""


class Validation:
    """Compiles the checks of one service's operations."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._constraints = Constraints(service, required_only=service in quirks.OWN_WORDS)

    def compile(self, operation: Operation) -> Validate:
        if operation.input is None:
            return accept
        if self._service == "sqs":
            # Over JSON too, SQS spells the names in its sentences as query does.
            spelled = renamed(operation.model, quirks.QUERY_NAMES["sqs"]).operation(operation.name)
            assert spelled is not None and spelled.input is not None
            return _sqs_missing(spelled.input)
        check = self._constraints.compile(operation.input)
        if check is None:
            return accept
        refuse = validation_error(self._service)

        def validate(params: dict[str, Any]) -> None:
            errors: list[str] = []
            check(params, "", errors)
            if errors:
                raise refuse(summary(errors))

        return validate


def _sqs_missing(shape: Shape) -> Validate:
    """SQS names a missing parameter as its query protocol spells it, also within batches."""
    entries = shape.members.get(quirks.SQS_EMPTY_IF_MISSING)
    required = tuple(
        (name, quirks.SQS_MISSING_NAMES.get(name) or shape.members[name].location_name or name)
        for name in shape.required
        if name != quirks.SQS_EMPTY_IF_MISSING
    )

    def validate(params: dict[str, Any]) -> None:
        for name, said in required:
            if name not in params:
                raise _missing(said)

    if entries is None:
        return validate
    element = entries.member
    prefix = element.location_name or entries.location_name
    of_entry = element.required

    def validate_batch(params: dict[str, Any]) -> None:
        validate(params)
        batch = params.setdefault(quirks.SQS_EMPTY_IF_MISSING, [])
        for index, entry in enumerate(batch, 1):
            for name in of_entry:
                if name not in entry:
                    raise _missing(f"{prefix}.{index}.{name}")

    return validate_batch


def _missing(name: str) -> MissingRequiredParameterException:
    return MissingRequiredParameterException(f"The request must contain the parameter {name}.")
