"""Concurrency: what functions have reserved, and what runs at this moment.

Lambda guide, "Understanding Lambda function scaling": 1,000 executions in an account and region; a
reservation takes its share away from all others and limits its function; 100 stay unreserved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ogi.services.lambda_.errors import InvalidParameterValueException, TooManyRequestsException
from ogi.services.lambda_.names import Target
from ogi.services.lambda_.records import RESERVATIONS, Reservations
from ogi.storage import Reader, Transaction

ACCOUNT_MAX = 1000
UNRESERVED_MIN = 100
_NONE = Reservations()


def reservations(tx: Reader, target: Target) -> dict[str, int]:
    """Of the target's account and region, by function."""
    return (RESERVATIONS.get(tx, target.home) or _NONE).by_name


def reserve(tx: Transaction, target: Target, amount: int) -> None:
    others = {n: r for n, r in reservations(tx, target).items() if n != target.name}
    if ACCOUNT_MAX - sum(others.values()) - amount < UNRESERVED_MIN:
        raise InvalidParameterValueException(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
        )
    RESERVATIONS.put(tx, Reservations({**others, target.name: amount}), target.home)


def release(tx: Transaction, target: Target) -> None:
    reserved = reservations(tx, target)
    if target.name in reserved:
        kept = {n: r for n, r in reserved.items() if n != target.name}
        RESERVATIONS.put(tx, Reservations(kept), target.home)


class Running:
    """What runs now, by account, region and function."""

    def __init__(self) -> None:
        self._by_function: Counter[tuple[str, str, str]] = Counter()
        self._unreserved: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one_more(self, target: Target, reserved: dict[str, int]) -> Iterator[None]:
        """Hold one execution; raises TooManyRequestsException if there is none left."""
        function = (target.account, target.region, target.name)
        place = (target.account, target.region)
        limit = reserved.get(target.name)
        if limit is not None:
            if self._by_function[function] >= limit:
                raise TooManyRequestsException.of(
                    "ReservedFunctionConcurrentInvocationLimitExceeded"
                )
        elif self._unreserved[place] >= ACCOUNT_MAX - sum(reserved.values()):
            raise TooManyRequestsException.of("ConcurrentInvocationLimitExceeded")
        shared = limit is None
        self._by_function[function] += 1
        self._unreserved[place] += shared
        try:
            yield
        finally:
            self._by_function[function] -= 1
            self._unreserved[place] -= shared
            if not self._by_function[function]:
                del self._by_function[function]
