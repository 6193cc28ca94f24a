"""Credentials: from an access key id, and a session token, to who asks and the key's secret.

Long-term keys are records whose secret is sealed by the vault. Temporary credentials are
self-contained: their token is the session, sealed by the vault and bound to the access key id, so
that assuming a role writes nothing and any node can read it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag

from ogi import rewraps
from ogi.access import identities
from ogi.access.identities import KEYS, USERS, AccessKey, Entropy
from ogi.service import Ports, Principal, Run
from ogi.storage import CONTROL, Reader
from ogi.vault import NONCE_BYTES, Vault

TOKEN_BYTES_MAX = 16 * 1024
"""Of a token as text; what is longer is not looked at."""
CACHED_MAX = 10_000
"""Opened keys and tokens kept; emptied when full."""

_SECRETS = "iam/access-keys"
_TOKENS = "sts/session-tokens"
_FORMAT = b"\x01"


class Identity(NamedTuple):
    """Who asks, the secret that must have signed, and the condition keys of the credentials."""

    principal: Principal
    secret: str
    context: Mapping[str, Any]
    """aws:TokenIssueTime, aws:SourceIdentity...: to be merged into the call's context."""


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a token carries."""

    secret: str
    principal: Principal
    issued: float
    expires: float
    context: dict[str, Any]


class Credentials(msgspec.Struct, frozen=True):
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float

    @property
    def fields(self) -> dict[str, Any]:
        """As STS writes them."""
        return {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "SessionToken": self.session_token,
            "Expiration": self.expires,
        }


# -- why credentials are refused; ogi.access.authenticate says it in the protocol's words ----------


class BadCredentials(Exception):
    """Credentials that name nobody."""


class UnknownKey(BadCredentials):
    """No such access key, or one that is switched off."""


class BadToken(BadCredentials):
    """A session token that was not made here, was tampered with, or belongs to another key."""


class ExpiredToken(BadCredentials):
    """A session that is over."""


# -- finding --------------------------------------------------------------------------------------

_keys: dict[str, tuple[Vault, bytes, bytes, Identity]] = {}
_tokens: dict[str, tuple[Vault, str, float, Identity]] = {}


def find(tx: Reader, vault: Vault, access_key_id: str, token: str | None, now: float) -> Identity:
    """The identity behind an access key id (and its token); raises BadCredentials."""
    if token:
        return _of_session(vault, access_key_id, token, now)
    raw = tx.get(_record_key(access_key_id))
    if raw is None:
        raise UnknownKey(access_key_id)
    row = KEYS.decode(raw)
    version = identities.version(tx, row.account)
    kept = _keys.get(access_key_id)
    if kept is not None and kept[2] == version and kept[1] == raw and kept[0] is vault:
        return kept[3]
    if not row.active:
        raise UnknownKey(access_key_id)
    identity = Identity(_principal(tx, row), open_secret(vault, row), {})
    if len(_keys) >= CACHED_MAX:
        _keys.clear()
    _keys[access_key_id] = (vault, raw, version, identity)
    return identity


@lru_cache(maxsize=CACHED_MAX)
def _record_key(access_key_id: str) -> bytes:
    return KEYS.key(CONTROL, access_key_id)


def _principal(tx: Reader, row: AccessKey) -> Principal:
    if not row.user:
        return root(row.account)
    user = identities.find(tx, USERS, row.account, row.user)
    if user is None:
        raise UnknownKey(row.id)
    return of_user(user)


def of_user(user: identities.User) -> Principal:
    return Principal(
        kind="user",
        account=user.account,
        arn=user.arn,
        id=user.id,
        tags=tuple(user.tags.items()),
    )


def root(account: str) -> Principal:
    return Principal(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", id=account)


def _of_session(vault: Vault, access_key_id: str, token: str, now: float) -> Identity:
    kept = _tokens.get(token)
    if kept is None or kept[0] is not vault:
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken("too long")
        session = _open_token(vault, access_key_id, token)
        identity = Identity(session.principal, session.secret, session.context)
        kept = (vault, access_key_id, session.expires, identity)
        if len(_tokens) >= CACHED_MAX:
            _tokens.clear()
        _tokens[token] = kept
    if kept[1] != access_key_id:
        raise BadToken("of another access key")
    if now >= kept[2]:
        raise ExpiredToken(access_key_id)
    return kept[3]


def _open_token(vault: Vault, access_key_id: str, token: str) -> Session:
    try:
        raw = base64.b64decode(token, validate=True)
        if raw[:1] != _FORMAT or len(raw) <= 1 + NONCE_BYTES:
            raise BadToken("of an unknown format")
        plain = vault.open(_TOKENS, raw[1:], access_key_id.encode())
        return msgspec.msgpack.decode(plain, type=Session)
    except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
        raise BadToken("not made here") from None


# -- making ---------------------------------------------------------------------------------------


def mint_key(
    vault: Vault, entropy: Entropy, account: str, user: str, now: float
) -> tuple[AccessKey, str]:
    """A new long-term key of a user ('': the root user), to be written, and its secret."""
    access_key_id = identities.key_id("AKIA", account, entropy)
    secret = identities.secret(entropy)
    return seal_key(vault, entropy, access_key_id, secret, account, user, now), secret


def seal_key(
    vault: Vault,
    entropy: Entropy,
    access_key_id: str,
    secret: str,
    account: str,
    user: str,
    now: float,
) -> AccessKey:
    sealed = vault.seal(_SECRETS, secret.encode(), entropy(NONCE_BYTES), access_key_id.encode())
    return AccessKey(access_key_id, account, user, sealed, now)


def open_secret(vault: Vault, row: AccessKey) -> str:
    return vault.open(_SECRETS, row.sealed, row.id.encode()).decode()


async def rewrap(ports: Ports) -> int:
    """Seal the secrets of access keys anew where that is due: `Service.rewrap` of IAM."""
    vault = ports.vault

    def anew(run: Run, row: AccessKey) -> AccessKey:
        bound = row.id.encode()
        if vault.is_newest(_SECRETS, row.sealed, bound):
            return row
        plain = vault.open(_SECRETS, row.sealed, bound)
        sealed = vault.seal(_SECRETS, plain, run.entropy(NONCE_BYTES), bound)
        return msgspec.structs.replace(row, sealed=sealed)

    return await rewraps.table(ports, KEYS, CONTROL, anew)


def mint_session(
    vault: Vault,
    entropy: Entropy,
    principal: Principal,
    now: float,
    duration_s: float,
    context: Mapping[str, Any] | None = None,
) -> Credentials:
    """Temporary credentials of a principal. Nothing is written: the token is the session."""
    access_key_id = identities.key_id("ASIA", principal.account, entropy)
    issued = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    session = Session(
        secret=identities.secret(entropy),
        principal=principal,
        issued=now,
        expires=float(int(now + duration_s)),
        context={**(context or {}), "aws:TokenIssueTime": issued},
    )
    plain = msgspec.msgpack.encode(session)
    sealed = vault.seal(_TOKENS, plain, entropy(NONCE_BYTES), access_key_id.encode())
    token = base64.b64encode(_FORMAT + sealed).decode()
    return Credentials(access_key_id, session.secret, token, session.expires)
