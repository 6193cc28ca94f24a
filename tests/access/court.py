"""A court for tests of decisions: identities in a snapshot, resources with policies, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sortedcontainers import SortedDict

from ogi.access import identities
from ogi.access.authorise import authorise
from ogi.access.credentials import of_user
from ogi.access.identities import GROUPS, POLICIES, ROLES, USERS, Group, ManagedPolicy, Role, User
from ogi.access.identities import PolicyVersion as Version
from ogi.access.sessions import principal_of
from ogi.errors import AccessDenied
from ogi.service import Principal, Service
from ogi.storage import CONTROL
from ogi.storage.writes import Snapshot, Writes
from tests.world import ACCOUNT, World

OTHER = "999988887777"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"


def statement(action: Any, resource: Any = "*", effect: str = "Allow", **rest: Any) -> Any:
    return {"Effect": effect, "Action": action, "Resource": resource, **rest}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Court:
    """Puts identities and resource policies in place and asks for decisions."""

    def __init__(self) -> None:
        self.world = World()
        self.entries = SortedDict()
        self.policies: dict[str, str] = {}
        self._ids = 0

    # -- identities -------------------------------------------------------------------------

    def _put(self, table: Any, row: Any) -> None:
        writes = Writes(Snapshot(self.entries), (CONTROL,))
        identities.put(writes, table, row)
        writes.check()
        self.entries.update({k: v for k, v in writes.changes.items() if v is not None})

    def _id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids:017d}"

    def user(
        self, *statements: Any, name: str = "bob", account: str = ACCOUNT, **rest: Any
    ) -> Principal:
        inline = {"p": document(*statements)} if statements else {}
        row = User(account, name, self._id("AIDA"), "/", 0.0, inline=inline, **rest)
        self._put(USERS, row)
        return of_user(row)

    def group(self, name: str, *statements: Any) -> str:
        self._put(
            GROUPS, Group(ACCOUNT, name, self._id("AGPA"), "/", 0.0, {"p": document(*statements)})
        )
        return name

    def role(self, *statements: Any, name: str = "r", account: str = ACCOUNT, **rest: Any) -> Role:
        inline = {"p": document(*statements)} if statements else {}
        trust = document()
        row = Role(account, name, self._id("AROA"), "/", 0.0, trust, trust, inline=inline, **rest)
        self._put(ROLES, row)
        return row

    def managed(self, name: str, *statements: Any, account: str = ACCOUNT) -> str:
        version = Version(1, document(*statements), 0.0)
        row = ManagedPolicy(account, name, self._id("ANPA"), "/", 0.0, 0.0, (version,), 1, 1)
        self._put(POLICIES, row)
        return row.arn

    def session(
        self, role: Role, *policies: str, tags: Mapping[str, str] | None = None
    ) -> Principal:
        return principal_of(role, "s", policies, tags)

    def tx(self) -> Snapshot:
        return Snapshot(self.entries)

    # -- decisions --------------------------------------------------------------------------

    def ask(
        self,
        principal: Principal,
        action: str = "sqs:SendMessage",
        resource: str = QUEUE,
        *,
        context: Mapping[str, Any] | None = None,
        region: str = "eu-west-1",
        account: str | None = None,
    ) -> str | None:
        """None if allowed, else the sentence of the refusal."""
        service = Service(
            action.partition(":")[0],
            f"{action.partition(':')[0]}.amazonaws.com",
            AccessDenied,
            policy_of=lambda tx, arn: self.policies.get(arn),
        )
        call = self.world.caller(principal, account or principal.account or ACCOUNT, region)
        try:
            authorise(self.tx(), call, service, (action,), (resource,), context or {})
        except AccessDenied as refusal:
            return refusal.message
        return None

    def allows(self, principal: Principal, *args: Any, **kwargs: Any) -> bool:
        return self.ask(principal, *args, **kwargs) is None
