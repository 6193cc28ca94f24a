"""Last uses: when a key, a role or a service was used last, written down now and then.

Each use overwrites the one before, by key, by role, and by user or role and service. Identities
keep their version: what is used changes no decision.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ogi.access import grants
from ogi.access.identities import KEYS
from ogi.recorders import Recorder
from ogi.service import Ports
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table
from ogi.uses import Mark, Use

PAUSE_S = 2.0
"""Between two rounds of writing."""
KEPT_S = 400 * 86_400.0
""" "Activity is only reported for the trailing 400 days." (API reference, RoleLastUsed)"""
SERVICES_MAX = 200
"""Services that one identity is known to have used."""
NOWHERE = "N/A"
GLOBAL = frozenset({"s3"})
"""Services whose last use has no region: "The last used service is not Region-specific, such as
Amazon S3." https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html"""


class LastUse(msgspec.Struct, frozen=True):
    at: float
    service: str
    region: str


_BY_KEY = Table("iam-key-uses", LastUse)
_BY_ROLE = Table("iam-role-uses", LastUse)
_BY_SERVICE = Table("iam-service-uses", LastUse)
"""By the unique id of a user or role, and service."""


def recorder(ports: Ports) -> Recorder[Mark, Use]:
    """The worker that writes down what was noted."""
    notes = ports.uses.notes
    return Recorder(ports, "iam.uses", notes, PAUSE_S, lambda mark: CONTROL, record)


def record(tx: Transaction, mark: Mark, use: Use) -> None:
    """Uses of keys and identities that are gone meanwhile are left out."""
    last = LastUse(use.at, use.service, use.region)
    if KEYS.get(tx, CONTROL, use.access_key) is not None:
        shown = replace(last, region=NOWHERE) if use.service in GLOBAL else last
        _put(tx, _BY_KEY, shown, use.access_key)
    is_root = use.owner.endswith(":root")
    if not is_root and grants.of_owner(tx, use.owner, use.account).id != use.owner_id:
        return
    if ":role/" in use.owner:
        _put(tx, _BY_ROLE, last, use.owner_id)
    _put(tx, _BY_SERVICE, last, use.owner_id, use.service)


def _put(tx: Transaction, table: Table[LastUse], last: LastUse, *at: str) -> None:
    """The later of two uses stays: uses in several regions are not written in their order."""
    known = table.get(tx, CONTROL, *at)
    if known is None or known.at <= last.at:
        table.put(tx, last, CONTROL, *at)


def forget_key(tx: Transaction, access_key: str) -> None:
    _BY_KEY.delete(tx, CONTROL, access_key)


def forget(tx: Transaction, owner_id: str) -> None:
    """What a user or role used, when it goes."""
    _BY_ROLE.delete(tx, CONTROL, owner_id)
    for service in of_services(tx, owner_id):
        _BY_SERVICE.delete(tx, CONTROL, owner_id, service)


def of_key(tx: Reader, access_key: str) -> LastUse | None:
    return _BY_KEY.get(tx, CONTROL, access_key)


def of_role(tx: Reader, role_id: str, now: float) -> LastUse | None:
    found = _BY_ROLE.get(tx, CONTROL, role_id)
    return found if found is not None and now - found.at < KEPT_S else None


def of_services(tx: Reader, owner_id: str) -> dict[str, LastUse]:
    """The last uses of a user or role, by service."""
    rows = _BY_SERVICE.scan(tx, CONTROL, owner_id, limit=SERVICES_MAX)
    return {row.service: row for _, row in rows}
