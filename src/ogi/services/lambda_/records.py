"""The records of Lambda. All lie in the control home of account and region."""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.services.lambda_.names import function_arn
from ogi.storage import Blob
from ogi.storage.tables import Table


class Version(msgspec.Struct, frozen=True):
    """Code and configuration: `$LATEST`, which changes, or a published version, which does not."""

    version: str
    role: str
    runtime: str
    handler: str
    description: str
    timeout_s: int
    memory_mb: int
    ephemeral_mb: int
    architecture: str
    variables: bytes
    """The environment's variables, sealed; b'' for none."""
    kms_key: str
    """The ARN of the key that seals the variables; '' for one that Ogi owns."""
    log_group: str
    """'' for /aws/lambda/NAME."""
    blob: Blob
    sha256: str
    """Of the package, in base64."""
    modified: float
    revision: str
    package_key: bytes = b""
    """Under which the package is sealed, itself sealed; b'' for one of an older Ogi."""
    dead_letters: str = ""
    """The ARN of a queue or topic for asynchronous events that failed; '' for none."""


class Function(msgspec.Struct, frozen=True):
    """A function: what its versions share."""

    name: str
    account: str
    region: str
    latest: Version
    next_version: int = 1
    tags: dict[str, str] = {}
    policies: dict[str, list[dict[str, Any]]] = {}
    """Statements of the resource policy, by qualifier ('' for the function itself)."""
    policy_revisions: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return function_arn(self.account, self.region, self.name)


class Alias(msgspec.Struct, frozen=True):
    name: str
    version: str
    description: str
    revision: str


class EventConfig(msgspec.Struct, frozen=True):
    """How asynchronous events are tried again, and where their records go (ARNs; '' for none)."""

    modified: float
    retries_max: int | None = None
    age_s_max: int | None = None
    on_success: str = ""
    on_failure: str = ""


class Reservations(msgspec.Struct, frozen=True):
    """Reserved concurrency by function, of one account and region."""

    by_name: dict[str, int] = {}


class Place(msgspec.Struct, frozen=True):
    """An account and region that has (or had) event source mappings; an index for the poller."""

    account: str
    region: str


FUNCTIONS = Table("lambda.function", Function)
VERSIONS = Table("lambda.version", Version)
"""Published ones, by (function, number)."""
ALIASES = Table("lambda.alias", Alias)
EVENT_CONFIGS = Table("lambda.event-config", EventConfig)
"""By (function, qualifier)."""
RESERVATIONS = Table("lambda.reservations", Reservations)
PLACES = Table("lambda.place", Place)
"""In the home CONTROL, by (account, region)."""
