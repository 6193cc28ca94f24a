"""Aliases: friendly names of keys, unique in an account and region."""

from __future__ import annotations

import re

import msgspec

from ogi.service import Call
from ogi.services.kms import keys, managed, pages
from ogi.services.kms.errors import (
    AlreadyExistsException,
    InvalidAliasNameException,
    LimitExceededException,
    NotFoundException,
    ValidationException,
)
from ogi.services.kms.records import ALIASES, KEYS, Alias, Key
from ogi.storage import Reader, Transaction

ALIASES_PER_KEY_MAX = 50
"""docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html"""

PREFIX = "alias/"
_NAME = re.compile(r"[a-zA-Z0-9/_-]+")


def check_name(name: str) -> None:
    """docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html"""
    if not name.startswith(PREFIX):
        raise ValidationException(
            'Alias must start with the prefix "alias/". Please see'
            " https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if not _NAME.fullmatch(name):
        raise ValidationException(f"{name} contains invalid characters for an alias")
    if name.startswith(managed.ALIAS_PREFIX):
        # KMS's answer in github.com/badmintoncryer/cdk-preflight, rules/kms/pf-kms-alias-name
        raise InvalidAliasNameException(
            "The alias name for a customer managed CMK cannot begin with alias/aws/."
        )
    if name == PREFIX:
        raise InvalidAliasNameException


def check_target(text: str) -> None:
    """Refuse an alias, or the ARN of one, as the target of an alias (pf-kms-alias-target there)."""
    if text.startswith(PREFIX) or f":{PREFIX}" in text:
        raise ValidationException("Aliases must refer to keys. Not aliases")


def find(tx: Reader, call: Call, name: str) -> Alias:
    alias = ALIASES.get(tx, call.home, name)
    if alias is None:
        raise NotFoundException(f"Alias {call.arn('kms', name)} is not found.")
    return alias


def target(tx: Reader, call: Call, alias: Alias) -> Key | None:
    return KEYS.get(tx, call.home, alias.key_id)


def create(tx: Transaction, call: Call, name: str, key: Key) -> None:
    check_name(name)
    keys.require_present(key)
    if ALIASES.get(tx, call.home, name) is not None:
        raise AlreadyExistsException(
            f"An alias with the name {call.arn('kms', name)} already exists"
        )
    _point(tx, call, Alias(name, key.id, call.now, call.now), key)


def update(tx: Transaction, call: Call, name: str, key: Key) -> None:
    """Point an alias to another key of the same type and usage."""
    check_name(name)
    alias = find(tx, call, name)
    keys.require_present(key)
    old = target(tx, call, alias)
    if old is not None and old.id != key.id:
        if (_type(old), old.usage) != (_type(key), key.usage):
            raise ValidationException(
                f"Alias {call.arn('kms', name)} cannot be changed from {old.arn} to {key.arn}:"
                " the keys differ in type or usage."
            )
        _unpoint(tx, old, name)
    _point(tx, call, msgspec.structs.replace(alias, key_id=key.id, updated=call.now), key)


def _type(key: Key) -> str:
    """ "Both symmetric or both asymmetric or both HMAC": API_UpdateAlias."""
    kind = key.spec.partition("_")[0]
    return kind if kind in ("SYMMETRIC", "HMAC") else "asymmetric"


def delete(tx: Transaction, call: Call, name: str) -> None:
    check_name(name)
    alias = find(tx, call, name)
    key = target(tx, call, alias)
    if key is not None:
        _unpoint(tx, key, name)
    ALIASES.delete(tx, call.home, name)


def page(tx: Reader, call: Call, after: str, limit: int) -> list[Alias]:
    """The aliases behind `after`, AWS's own among them, one more than `limit`."""
    rows = ALIASES.scan(tx, call.home, limit=limit + 1, start=pages.behind(after))
    own = [row for _, row in rows]
    awss = [_of_managed(key) for key in managed.all_of(call.account, call.region).values()]
    found = own + [alias for alias in awss if alias.name > after]
    return sorted(found, key=lambda alias: alias.name)[: limit + 1]


def of_key(tx: Reader, call: Call, key: Key) -> list[Alias]:
    if key.manager == "AWS":
        return [_of_managed(key)]
    return [find(tx, call, name) for name in key.aliases]


def _of_managed(key: Key) -> Alias:
    return Alias(key.aliases[0], key.id, key.created, key.created)


def _point(tx: Transaction, call: Call, alias: Alias, key: Key) -> None:
    names = tuple(sorted({*key.aliases, alias.name}))
    if len(names) > ALIASES_PER_KEY_MAX:
        raise LimitExceededException
    keys.put(tx, msgspec.structs.replace(key, aliases=names))
    ALIASES.put(tx, alias, call.home, alias.name)


def _unpoint(tx: Transaction, key: Key, name: str) -> None:
    names = tuple(other for other in key.aliases if other != name)
    keys.put(tx, msgspec.structs.replace(key, aliases=names))
