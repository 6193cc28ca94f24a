"""Identities: users, groups, roles, policies and access keys, as records of all accounts.

Laws: every change of an account's identities moves the account's version, a hash over its history,
so that what was derived from one version (compiled grants) is never used for another. Names are
unique without regard to case, as IAM's are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

import msgspec

from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.keys import key
from ogi.storage.tables import Table

Entropy = Callable[[int], bytes]
Texts = dict[str, str]

PAGE_MAX = 1000


class User(msgspec.Struct, frozen=True):
    account: str
    name: str
    id: str
    path: str
    created: float
    tags: Texts = {}
    boundary: str = ""
    inline: Texts = {}
    """Policy documents by name."""
    attached: tuple[str, ...] = ()
    """ARNs of managed policies."""
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Access key ids."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"


class Group(msgspec.Struct, frozen=True):
    account: str
    name: str
    id: str
    path: str
    created: float
    inline: Texts = {}
    attached: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:group{self.path}{self.name}"


class Role(msgspec.Struct, frozen=True):
    account: str
    name: str
    id: str
    path: str
    created: float
    trust: str
    """The trust policy, as it was given."""
    trust_bound: str
    """The same with the unique ids of the users and roles that it names: who is made anew under an
    old name is somebody else. This is the role's resource policy."""
    max_session_s: int = 3600
    description: str | None = None
    tags: Texts = {}
    boundary: str = ""
    inline: Texts = {}
    attached: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


class PolicyVersion(msgspec.Struct, frozen=True):
    number: int
    document: str
    created: float

    @property
    def id(self) -> str:
        return f"v{self.number}"


class ManagedPolicy(msgspec.Struct, frozen=True):
    """A policy with an ARN of its own: a customer's, or AWS's (account `aws`)."""

    account: str
    name: str
    id: str
    path: str
    created: float
    updated: float
    versions: tuple[PolicyVersion, ...]
    default: int
    latest: int
    """The highest version number that was ever used."""
    description: str | None = None
    tags: Texts = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"

    @property
    def document(self) -> str:
        return self.version(self.default).document

    def version(self, number: int) -> PolicyVersion:
        return next(v for v in self.versions if v.number == number)


class AccessKey(msgspec.Struct, frozen=True):
    id: str
    account: str
    user: str
    """'' for the account's root user."""
    sealed: bytes
    """The secret under the vault, bound to the key's id."""
    created: float
    active: bool = True
    changed: float = 0.0
    """When it was switched on or off last; 0: never."""


class InstanceProfile(msgspec.Struct, frozen=True):
    account: str
    name: str
    id: str
    path: str
    created: float
    role: str = ""
    tags: Texts = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:instance-profile{self.path}{self.name}"


class Membership(msgspec.Struct, frozen=True):
    """A user in a group, by (account, group, user), so that a group's members can be paged."""

    user: str


Entity = TypeVar("Entity", User, Group, Role, ManagedPolicy, InstanceProfile)

USERS = Table("iam-users", User)
GROUPS = Table("iam-groups", Group)
ROLES = Table("iam-roles", Role)
POLICIES = Table("iam-policies", ManagedPolicy)
PROFILES = Table("iam-profiles", InstanceProfile)
KEYS = Table("iam-keys", AccessKey)
MEMBERS = Table("iam-members", Membership)
_VERSIONS = "iam-versions"
_version_keys: dict[str, bytes] = {}


def version(tx: Reader, account: str) -> bytes:
    """A hash over all changes of the account's identities so far."""
    at = _version_keys.get(account)
    if at is None:
        at = _version_keys[account] = key(CONTROL, _VERSIONS, account)
    return tx.get(at) or b""


def find(tx: Reader, table: Table[Entity], account: str, name: str) -> Entity | None:
    return table.get(tx, CONTROL, account, name.lower())


def put(tx: Transaction, table: Table[Entity], row: Entity) -> None:
    """Write a row and move its account's version."""
    name = row.name.lower()
    table.put(tx, row, CONTROL, row.account, name)
    _move(tx, row.account, table.key(CONTROL, row.account, name))


def delete(tx: Transaction, table: Table[Entity], row: Entity) -> None:
    name = row.name.lower()
    table.delete(tx, CONTROL, row.account, name)
    _move(tx, row.account, table.key(CONTROL, row.account, name))


def page(
    tx: Reader, table: Table[Entity], account: str, start: bytes | None, limit: int
) -> list[tuple[bytes, Entity]]:
    """Rows in order of their names, each with the mark where a next page may start."""
    return table.scan(tx, CONTROL, account, start=start, limit=limit)


def put_key(tx: Transaction, row: AccessKey) -> None:
    KEYS.put(tx, row, CONTROL, row.id)
    _move(tx, row.account, KEYS.key(CONTROL, row.id))


def delete_key(tx: Transaction, row: AccessKey) -> None:
    KEYS.delete(tx, CONTROL, row.id)
    _move(tx, row.account, KEYS.key(CONTROL, row.id))


def _move(tx: Transaction, account: str, changed: bytes) -> None:
    """The new version depends on all before it and on what was written, so it never recurs."""
    digest = blake2b(version(tx, account), digest_size=16)
    digest.update(changed)
    digest.update(tx.get(changed) or b"")
    tx.set(key(CONTROL, _VERSIONS, account), digest.digest())


def name_in(arn: str) -> str:
    """The friendly name at the end of an IAM ARN with a path."""
    return arn.rpartition("/")[2]


def account_in(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


# -- identifiers ----------------------------------------------------------------------------------
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids


def unique_id(prefix: str, entropy: Entropy) -> str:
    """`AIDA`, `AROA`, `AGPA`, `ANPA`, `AIPA` and seventeen letters and digits."""
    return prefix + base64.b32encode(entropy(11))[:17].decode()


def key_id(prefix: str, account: str, entropy: Entropy) -> str:
    """`AKIA` or `ASIA` and sixteen letters and digits, in which the account can be read."""
    noise = entropy(6)
    head = (noise[0] >> 7) << 47 | int(account) << 7 | noise[1] >> 1
    return prefix + base64.b32encode(head.to_bytes(6, "big") + noise[2:]).decode()


def account_of_key(access_key_id: str) -> str:
    """The account that `key_id` wrote into an access key id."""
    head = base64.b32decode(access_key_id[4:].encode())[:6]
    return f"{(int.from_bytes(head, 'big') >> 7) & (1 << 40) - 1:012d}"


def secret(entropy: Entropy) -> str:
    """Forty characters of base64."""
    return base64.b64encode(entropy(30)).decode()
