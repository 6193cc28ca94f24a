"""Queues that answer SNS with errors for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ogi.service import Call, Service
from ogi.storage import Reader
from tests.services.sns.conftest import ACCOUNT_ARN
from tests.world import allow_all


class Outage:
    """A decision about requests that fails those of SNS to a queue: `down[name]` says with what."""

    def __init__(self, authorise: Callable[..., None] = allow_all) -> None:
        self.down: dict[str, type[Exception]] = {}
        self._authorise = authorise

    def __call__(
        self, tx: Reader, call: Call, service: Service, actions: Sequence[str],
        resources: Sequence[str], context: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if tuple(actions) == ("sqs:SendMessage",):
            for name, raised in self.down.items():
                if f"arn:aws:sqs:{ACCOUNT_ARN}:{name}" in resources:
                    raise raised(f"{name} is down")
        self._authorise(tx, call, service, actions, resources, context)
