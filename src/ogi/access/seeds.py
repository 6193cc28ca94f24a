"""The first identities of a store: the user `admin`, and those of a seed file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ogi.access import credentials, identities, managed, policy, trusts
from ogi.access.grammar import check_identity, check_trust
from ogi.access.identities import (
    GROUPS,
    MEMBERS,
    POLICIES,
    ROLES,
    USERS,
    Entity,
    Entropy,
    Group,
    ManagedPolicy,
    Membership,
    PolicyVersion,
    Role,
    User,
)
from ogi.settings import Settings
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table
from ogi.vault import Vault

ADMIN = "admin"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class BadSeed(ValueError):
    """A seed file that says something wrong; the text says where and what."""


def bootstrap(
    tx: Transaction, vault: Vault, settings: Settings, random: Entropy, now: float
) -> tuple[str, str] | None:
    """At the first start: the user `admin` of the default account, with one access key.

    Credentials that are given become a key of `admin` at every start. Returns the key and secret
    that were written, else None. Writes in storage.CONTROL.
    """
    account = settings.account
    user = identities.find(tx, USERS, account, ADMIN)
    if user is None:
        id = identities.unique_id("AIDA", random)
        user = User(account, ADMIN, id, "/", now, attached=(ADMINISTRATOR,))
    elif not settings.credentials:
        return None
    if settings.credentials:
        access_key_id, _, secret = settings.credentials.partition(":")
        row = credentials.seal_key(vault, random, access_key_id, secret, account, ADMIN, now)
    else:
        row, secret = credentials.mint_key(vault, random, account, ADMIN, now)
    identities.put_key(tx, row)
    others = tuple(key for key in user.keys if key != row.id)
    identities.put(tx, USERS, replace(user, keys=(row.id, *others)))
    return row.id, secret


def admin_key(tx: Reader, vault: Vault, account: str) -> tuple[str, str] | None:
    """The first access key of `admin` and its secret; None if it has none any more."""
    user = identities.find(tx, USERS, account, ADMIN)
    if user is None or not user.keys:
        return None
    row = identities.KEYS.get(tx, CONTROL, user.keys[0])
    return None if row is None else (row.id, credentials.open_secret(vault, row))


# -- seed files: what YAML may say ----------------------------------------------------------------


class SeedKey(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    secret: str


class SeedUser(msgspec.Struct, forbid_unknown_fields=True):
    path: str = "/"
    keys: list[SeedKey] = []
    policies: list[str] = []
    """ARNs, or names of AWS-managed policies or of the account's own."""
    inline: dict[str, Any] = {}
    groups: list[str] = []
    tags: dict[str, str] = {}
    boundary: str = ""


class SeedGroup(msgspec.Struct, forbid_unknown_fields=True):
    path: str = "/"
    policies: list[str] = []
    inline: dict[str, Any] = {}


class SeedRole(msgspec.Struct, forbid_unknown_fields=True):
    trust: Any
    path: str = "/"
    description: str | None = None
    policies: list[str] = []
    inline: dict[str, Any] = {}
    tags: dict[str, str] = {}
    boundary: str = ""
    max_session_s: int = 3600


class SeedAccount(msgspec.Struct, forbid_unknown_fields=True):
    root_keys: list[SeedKey] = []
    policies: dict[str, Any] = {}
    groups: dict[str, SeedGroup] = {}
    users: dict[str, SeedUser] = {}
    roles: dict[str, SeedRole] = {}


class SeedFile(msgspec.Struct, forbid_unknown_fields=True):
    accounts: dict[str, SeedAccount]


def seed(tx: Transaction, vault: Vault, data: Any, random: Entropy, now: float) -> int:
    """Write the identities that `data` (parsed YAML) describes; returns how many.

    Those that are already there become as the file says, but keep their unique id, so that a seed
    can be sown at every start. Writes in storage.CONTROL. Raises BadSeed.
    """
    try:
        file = msgspec.convert(data, SeedFile)
    except msgspec.ValidationError as error:
        raise BadSeed(f"the seed file: {error}") from None
    sower = _Sower(tx, vault, random, now)
    for account, content in file.accounts.items():
        if len(account) != 12 or not account.isascii() or not account.isdigit():
            raise BadSeed(f"accounts: {account!r} is not twelve digits; write it in quotes")
        sower.account(account, content)
    sower.bind()
    return sower.written


class _Sower:
    """Writes one seed file."""

    def __init__(self, tx: Transaction, vault: Vault, random: Entropy, now: float) -> None:
        self._tx, self._vault, self._random, self._now = tx, vault, random, now
        self._roles: list[tuple[Role, str]] = []
        self._keys: set[str] = set()
        self.written = 0

    def account(self, account: str, content: SeedAccount) -> None:
        for key in content.root_keys:
            self._key(account, "", key, f"{account}.root_keys")
        for name, document in content.policies.items():
            self._policy(account, name, document)
        for name, group in content.groups.items():
            self._group(account, name, group)
        for name, user in content.users.items():
            self._user(account, name, user, content)
        for name, role in content.roles.items():
            self._role(account, name, role)

    def _policy(self, account: str, name: str, document: Any) -> None:
        text = _document(document, f"{account}.policies.{name}", check_identity)
        id, created = self._known(POLICIES, account, name, "ANPA")
        version = PolicyVersion(1, text, self._now)
        row = ManagedPolicy(account, name, id, "/", created, self._now, (version,), 1, 1)
        identities.put(self._tx, POLICIES, row)
        self.written += 1

    def _group(self, account: str, name: str, group: SeedGroup) -> None:
        at = f"{account}.groups.{name}"
        id, created = self._known(GROUPS, account, name, "AGPA")
        row = Group(
            account, name, id, group.path, created,
            self._inline(group.inline, at), self._attached(account, group.policies, at),
        )  # fmt: skip
        identities.put(self._tx, GROUPS, row)
        self.written += 1

    def _user(self, account: str, name: str, user: SeedUser, content: SeedAccount) -> None:
        at = f"{account}.users.{name}"
        known = identities.find(self._tx, USERS, account, name)
        for group in () if known is None else known.groups:
            MEMBERS.delete(self._tx, CONTROL, account, group.lower(), name.lower())
        for group in user.groups:
            if group not in content.groups:
                raise BadSeed(f"{at}.groups: there is no group {group!r} in account {account}")
            MEMBERS.put(self._tx, Membership(name), CONTROL, account, group.lower(), name.lower())
        for key in user.keys:
            self._key(account, name, key, f"{at}.keys")
        id, created = self._known(USERS, account, name, "AIDA")
        keys = [*(key.id for key in user.keys), *(() if known is None else known.keys)]
        row = User(
            account, name, id, user.path, created, user.tags,
            self._boundary(account, user.boundary, at), self._inline(user.inline, at),
            self._attached(account, user.policies, at), tuple(user.groups),
            tuple(dict.fromkeys(keys)),
        )  # fmt: skip
        identities.put(self._tx, USERS, row)
        self.written += 1

    def _role(self, account: str, name: str, role: SeedRole) -> None:
        at = f"{account}.roles.{name}"
        trust = _document(role.trust, f"{at}.trust", check_trust)
        id, created = self._known(ROLES, account, name, "AROA")
        row = Role(
            account, name, id, role.path, created, trust, trust,
            role.max_session_s, role.description, role.tags,
            self._boundary(account, role.boundary, at),
            self._inline(role.inline, at), self._attached(account, role.policies, at),
        )  # fmt: skip
        identities.put(self._tx, ROLES, row)
        self._roles.append((row, f"{at}.trust"))
        self.written += 1

    def bind(self) -> None:
        """Bind the trust policies, once all whom they may name are there."""
        for row, at in self._roles:
            try:
                bound = trusts.bind(self._tx, row.trust)
            except policy.PolicySyntax as error:
                raise BadSeed(f"{at}: {error}") from None
            identities.put(self._tx, ROLES, replace(row, trust_bound=bound))

    def _key(self, account: str, user: str, key: SeedKey, at: str) -> None:
        if not key.id or not key.secret or ":" in key.id or "/" in key.id:
            raise BadSeed(f"{at}: a key needs an id without ':' and '/', and a secret")
        if key.id in self._keys:
            raise BadSeed(f"{at}: the key {key.id!r} stands twice in the file")
        self._keys.add(key.id)
        identities.put_key(
            self._tx,
            credentials.seal_key(
                self._vault, self._random, key.id, key.secret, account, user, self._now
            ),
        )
        self.written += 1

    def _known(
        self, table: Table[Entity], account: str, name: str, prefix: str
    ) -> tuple[str, float]:
        """The unique id and the time of creation of what is already there, or new ones."""
        found = identities.find(self._tx, table, account, name)
        if found is not None:
            return found.id, found.created
        return identities.unique_id(prefix, self._random), self._now

    def _boundary(self, account: str, name: str, at: str) -> str:
        return self._arn(account, name, f"{at}.boundary") if name else ""

    def _attached(self, account: str, names: list[str], at: str) -> tuple[str, ...]:
        return tuple(self._arn(account, name, f"{at}.policies") for name in names)

    def _arn(self, account: str, name: str, at: str) -> str:
        """An ARN, or the name of an own or an AWS-managed policy."""
        own = identities.find(self._tx, POLICIES, account, identities.name_in(name))
        if own is not None and name in (own.name, own.arn):
            return own.arn
        for arn, known in managed.policies().items():
            if name in (known.name, arn):
                return arn
        raise BadSeed(f"{at}: there is no policy {name!r} in account {account} or among AWS's")

    def _inline(self, documents: Mapping[str, Any], at: str) -> dict[str, str]:
        return {
            name: _document(document, f"{at}.inline.{name}", check_identity)
            for name, document in documents.items()
        }


def _document(document: Any, at: str, check: Callable[[policy.Policy], None]) -> str:
    """The JSON text of a policy that YAML holds as a map or as a text."""
    text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    try:
        check(policy.compile(text))
    except policy.PolicySyntax as error:
        raise BadSeed(f"{at}: {error}") from None
    return text
