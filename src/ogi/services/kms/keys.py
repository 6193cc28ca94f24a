"""KMS keys: their records, the ways to name one, and in which state one may do what.

Law: key material is in a record only as the vault sealed it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from ogi import arn as arns
from ogi.service import Call
from ogi.services.kms import managed
from ogi.services.kms.errors import (
    AccessDeniedException,
    DisabledException,
    InvalidArnException,
    InvalidKeyUsageException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
)
from ogi.services.kms.records import ALIASES, KEYS, Key
from ogi.storage import Home, Reader, Transaction, control

NAMES_MAX = 4096
"""Parsed key names kept in memory."""

_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")


class Name(msgspec.Struct, frozen=True):
    """A key id, key ARN, alias name or alias ARN, taken apart."""

    account: str
    region: str
    home: Home
    id: str
    """The key's id; '' for an alias."""
    alias: str
    """`alias/NAME`; '' for a key id."""
    arn: str
    row: bytes
    """The record's key in the store."""


@lru_cache(maxsize=NAMES_MAX)
def parse(text: str, account: str, region: str) -> Name:
    """What `text` names for a request in `account` and `region`.

    docs.aws.amazon.com/kms/latest/developerguide/concepts-key-id.html
    """
    resource = text
    if text.startswith("arn:"):
        arn = arns.parse(text)
        if arn is None or arn.service != "kms":
            raise InvalidArnException(f"{text} is not a valid KMS ARN.")
        if arn.region != region:
            raise NotFoundException(f"Invalid arn {arn.region}")
        account = arn.account
        kind, _, id = arn.resource.partition("/")
        if kind not in ("key", "alias"):
            raise InvalidArnException(f"{text} is not a valid KMS ARN.")
        resource = id if kind == "key" else arn.resource
    alias = resource if resource.startswith("alias/") else ""
    home = control(account, region)
    full = arns.make("kms", region, account, alias or f"key/{resource}")
    if alias:
        return Name(account, region, home, "", alias, full, ALIASES.key(home, alias))
    return Name(account, region, home, resource, "", full, _row(home, resource))


@lru_cache(maxsize=NAMES_MAX)
def _row(home: Home, id: str) -> bytes:
    return KEYS.key(home, id)


def find(tx: Reader, call: Call, text: str, *, aliases: bool = True) -> Key:
    """The key that `text` names in any of its four ways; NotFoundException if there is none."""
    name = parse(text, call.account, call.region)
    if name.alias:
        if not aliases:
            if text.startswith("arn:"):
                raise InvalidArnException("Key Aliases are not supported for this operation.")
            raise NotFoundException(f"Invalid keyId '{text}'")
        if name.alias.startswith(managed.ALIAS_PREFIX):
            mine = managed.of_alias(name.account, name.region, name.alias)
            if mine is not None:
                return mine
        raw = tx.get(name.row)
        if raw is None:
            raise NotFoundException(f"Alias {name.arn} is not found.")
        id = ALIASES.decode(raw).key_id
        raw = tx.get(_row(name.home, id))
    else:
        id = name.id
        raw = tx.get(name.row)
    key = None if raw is None else KEYS.decode(raw)
    if key is None:
        key = managed.all_of(name.account, name.region).get(id)
    if key is None:
        if not text.startswith("arn:") and not _KEY_ID.fullmatch(id):
            raise NotFoundException(f"Invalid keyId '{text}'")
        raise NotFoundException(f"Key '{name.arn}' does not exist")
    return key


def find_own(tx: Reader, call: Call, text: str) -> Key:
    """A key of the call's own account, named by id or ARN: what its administration asks for."""
    key = find(tx, call, text, aliases=False)
    if key.account != call.account:
        raise AccessDeniedException(
            "You cannot perform this operation on a KMS key in a different AWS account."
        )
    return key


def find_customers(tx: Reader, call: Call, text: str, action: str) -> Key:
    """A key of the call's own account that its customer may change."""
    key = find_own(tx, call, text)
    if key.manager == "AWS":
        # AWS's policies of these keys allow no change to anybody; this holds for those too who
        # reach an operation without a policy decision.
        raise AccessDeniedException(
            f"User: {call.principal.arn} is not authorized to perform: kms:{action} on resource:"
            f" {key.arn} because no resource-based policy allows the kms:{action} action"
        )
    return key


def put(tx: Transaction, key: Key) -> None:
    KEYS.put(tx, key, control(key.account, key.region), key.id)


def require_usable(key: Key, operation: str, usage: str = "ENCRYPT_DECRYPT") -> None:
    """Refuse a cryptographic operation that the key is not made for, or not in the state for.

    docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    if key.usage != usage:
        raise InvalidKeyUsageException(
            f"{key.arn} key usage is {key.usage} which is not valid for {operation}."
        )
    require_enabled(key)


def require_enabled(key: Key) -> None:
    if key.state == "Enabled":
        return
    if key.state == "Disabled":
        raise DisabledException(f"{key.arn} is disabled.")
    require_present(key)
    raise KMSInvalidStateException(f"{key.arn} is pending import.")


def require_external(key: Key) -> None:
    """Refuse what is for imported key material only.

    docs.aws.amazon.com/kms/latest/developerguide/key-state.html, note 9
    """
    if key.origin != "EXTERNAL":
        raise UnsupportedOperationException(
            f"{key.arn} origin is {key.origin} which is not valid for this operation."
        )


def settled(key: Key) -> Key:
    """The key in the state that its material calls for: usable if all of it is there."""
    if key.deletion is not None:
        return key
    whole = bool(key.materials) and all(made.sealed for made in key.materials)
    return msgspec.structs.replace(key, state="Enabled" if whole else "PendingImport")


def require_present(key: Key) -> None:
    """Refuse changes of a key that is about to be deleted."""
    if key.deletion is not None:
        raise KMSInvalidStateException(f"{key.arn} is pending deletion.")
