"""Ports: what the composition root joins, the outside world as operations may reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ogi.memo import Memo
from ogi.uses import KeyUses, Uses

if TYPE_CHECKING:
    from ogi.clock import Clock
    from ogi.recording import Audit
    from ogi.sandbox import Sandbox
    from ogi.service import Call, Fields, Service
    from ogi.settings import Settings
    from ogi.signing import Signing
    from ogi.storage import BlobStore, Reader, Store
    from ogi.traces import Traces
    from ogi.vault import Vault

DATA_KEYS_MAX = 4096
"""Plaintext data keys kept in memory."""


class Authorise(Protocol):
    """Decides; raises the service's access-denied error. Runs inside the transaction."""

    def __call__(
        self,
        tx: Reader,
        call: Call,
        service: Service,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Any],
    ) -> None: ...


@dataclass(frozen=True)
class Ports:
    """One server's."""

    settings: Settings
    clock: Clock
    store: Store
    blobs: BlobStore
    vault: Vault
    traces: Traces
    authorise: Authorise
    services: Mapping[str, Service]
    random: Callable[[int], bytes]
    validate: Callable[[str, str, Fields], None] = lambda service, operation, request: None
    """Refuses what a service's model refuses, of a request that came by no wire (a template's)."""
    sandbox: Sandbox | None = None
    audit: Audit | None = None
    reset: Callable[[], Awaitable[None]] | None = None
    """Empties everything; only where the data is ephemeral."""
    signing: Signing | None = None
    """Makes signatures ahead, in a process of its own; None: each is made where it is needed."""
    uses: Uses = field(default_factory=Uses)
    """Which credentials were used for what, until IAM writes it down."""
    key_uses: KeyUses = field(default_factory=KeyUses)
    """Which KMS keys were used for what, until KMS writes it down."""
    data_keys: Memo[Any, Any] = field(default_factory=lambda: Memo(DATA_KEYS_MAX))
    """Plaintext data keys in memory, for ogi.sealing."""
