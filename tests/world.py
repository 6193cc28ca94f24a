"""A world for tests of services: real services on a store with a fake clock, without HTTP."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ogi.clock import FakeClock
from ogi.courier import Courier
from ogi.service import Call, Fields, Ports, Principal, dispatch
from ogi.services import load
from ogi.settings import Settings
from ogi.storage import Store
from ogi.storage.memory import MemoryStore
from ogi.traces import Traces
from ogi.vault import Vault

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ROOT = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)


def allow_all(*_: Any, **__: Any) -> None:
    """For rules that are not about access; tests/access and the scenarios use the real decision."""


class World:
    """Some services joined as the composition root joins them. `call` is a client's request."""

    def __init__(
        self,
        *packages: str,
        store: Store | None = None,
        authorise: Any = allow_all,
        blobs: Any = None,
        sandbox: Any = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.store = store or MemoryStore(reruns=1)
        self.random = random.Random(7)
        folder = Path(tempfile.gettempdir())
        self.ports = Ports(
            settings=Settings(
                **{"data": folder, "account": ACCOUNT, "region": REGION, **(settings or {})}
            ),
            clock=self.clock,
            store=self.store,
            blobs=blobs,
            vault=Vault(b"v" * 32),
            traces=Traces(),
            authorise=authorise,
            services=load(packages),
            random=self.random.randbytes,
            sandbox=sandbox,
        )
        self.courier = Courier(self.ports)

    def caller(
        self, principal: Principal = ROOT, account: str = ACCOUNT, region: str = REGION,
        trace_header: str = "",
    ) -> Call:  # fmt: skip
        """A fresh call, as the gateway would make it."""
        return Call(
            ports=self.ports,
            account=account,
            region=region,
            principal=principal,
            request_id="test",
            now=self.clock.now(),
            seed=self.ports.random(32),
            trace="1-test",
            trace_header=trace_header,
        )

    async def call(self, service: str, operation: str, **request: Any) -> Fields:
        """One request as the account's root; raises the AwsError that a client would get."""
        return await self.call_as(self.caller(), service, operation, **request)

    async def call_as(self, call: Call, service: str, operation: str, **request: Any) -> Fields:
        target = self.ports.services[service].operation_named(operation)
        return await dispatch(call, target, request)

    async def deliver(self) -> None:
        """Make all deliveries that are due now."""
        await self.courier.drain()
