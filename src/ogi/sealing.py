"""Encryption at rest: data are sealed under a key of KMS, or under a key that Ogi owns.

Laws: every sealing and every opening under a KMS key is decided by KMS anew (key policy and key
state), also when the data key is at hand; what is sealed names its key and carries the encrypted
data key; it opens only for the same purpose, context and bound bytes. See
docs/decisions/0004-data-keys.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ogi.storage import Reader
from ogi.vault import Vault

if TYPE_CHECKING:
    from ogi.service import Call

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
BOUND_MAX: Final = 4096
"""Purposes with their contexts whose bytes are kept."""

OWNED: Final = b"\x00"
"""First byte of what is sealed under a key that Ogi owns: + generation of the vault (1) + day (3) +
nonce + ciphertext."""
_OWNED_HEAD_BYTES: Final = 5
MANAGED: Final = b"\x01"
"""First byte of what is sealed under a KMS key: + length (2) + encrypted data key + nonce +
ciphertext."""
DAY_S: Final = 86_400
"""An owned key seals for one day: random nonces allow 2**32 sealings under one key (NIST SP
800-38D, section 8.3), which a busy queue would reach within a week."""


@dataclass(frozen=True, repr=False)
class DataKey:
    """A key for data: in the clear for use, encrypted for keeping."""

    plain: bytes
    blob: bytes
    """What is stored beside the data; `open_data_key` makes the key of it again."""
    key_arn: str
    """The KMS key that encrypted it; '' for a key that Ogi owns."""

    def derive(self, salt: bytes) -> bytes:
        """A key for one stream of several under this data key, e.g. one part of an upload."""
        return HKDFExpand(SHA256(), KEY_BYTES, b"ogi/part/" + salt).derive(self.plain)

    def __repr__(self) -> str:
        return f"DataKey(key_arn={self.key_arn!r})"


class _Kept:
    """A data key in memory."""

    __slots__ = ("blob", "cipher", "key_arn", "until")

    def __init__(self, cipher: AESGCM, blob: bytes, key_arn: str, until: float) -> None:
        self.cipher = cipher
        self.blob = blob
        self.key_arn = key_arn
        self.until = until


class _Owned:
    """A key that Ogi owns, for one purpose and context on one day, and what goes with it."""

    __slots__ = ("_bound", "_decrypt", "_encrypt", "_head")

    def __init__(self, head: bytes, cipher: AESGCM, bound: bytes) -> None:
        self._head = head
        self._encrypt = cipher.encrypt
        self._decrypt = cipher.decrypt
        self._bound = bound

    def seal(self, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        return self._head + nonce + self._encrypt(nonce, plain, self._bound + bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        end = _OWNED_HEAD_BYTES + NONCE_BYTES
        nonce = sealed[_OWNED_HEAD_BYTES:end]
        return self._decrypt(nonce, sealed[end:], self._bound + bound)


def seal(
    tx: Reader,
    call: Call,
    plain: bytes,
    *,
    purpose: str,
    key_id: str | None,
    context: Mapping[str, str],
    bound: bytes = b"",
    reuse_s: float = 0,
) -> bytes:
    """`plain` sealed for `purpose`, e.g. `sqs/ARN`. key_id None: under a key that Ogi owns.

    With a key id the call's principal needs kms:GenerateDataKey (give `call.via("sqs")`); `context`
    is the encryption context. `bound` must be given again to open, e.g. the record's key. One data
    key seals for `reuse_s` seconds per purpose, key and principal; 0: one per sealing.
    """
    nonce, pairs = call.run.entropy(NONCE_BYTES), canonical(context)
    if key_id is None:
        day, vault = int(call.now) // DAY_S, call.ports.vault
        return _owned(vault, purpose, pairs, day, vault.generation).seal(nonce, plain, bound)
    aad = _bound(purpose, pairs) + bound
    kept = _for_sealing(tx, call, purpose, key_id, context, pairs, reuse_s)
    return b"".join((
        MANAGED, len(kept.blob).to_bytes(2, "big"), kept.blob, nonce,
        kept.cipher.encrypt(nonce, plain, aad),
    ))  # fmt: skip


def open(
    tx: Reader,
    call: Call,
    sealed: bytes,
    *,
    purpose: str,
    context: Mapping[str, str],
    bound: bytes = b"",
) -> bytes:
    """What `seal` sealed; under a KMS key the call's principal needs kms:Decrypt.

    Raises cryptography.exceptions.InvalidTag if anything differs from what was sealed.
    """
    if sealed[:1] == OWNED:
        return open_owned(call.ports.vault, sealed, purpose=purpose, context=context, bound=bound)
    pairs = canonical(context)
    aad = _bound(purpose, pairs) + bound
    start = 3 + int.from_bytes(sealed[1:3], "big")
    kept = _for_opening(tx, call, sealed[3:start], context, pairs)
    end = start + NONCE_BYTES
    return kept.cipher.decrypt(sealed[start:end], sealed[end:], aad)


def open_owned(
    vault: Vault, sealed: bytes, *, purpose: str, context: Mapping[str, str], bound: bytes = b""
) -> bytes:
    """What `seal` sealed without a KMS key; it needs no call. Raises InvalidTag as `open` does."""
    day = int.from_bytes(sealed[2:_OWNED_HEAD_BYTES], "big")
    return _owned(vault, purpose, canonical(context), day, sealed[1]).open(sealed, bound)


def data_key(
    tx: Reader, call: Call, *, purpose: str, key_id: str | None, context: Mapping[str, str]
) -> DataKey:
    """A new data key, for data that are sealed elsewhere (ogi.chunks). It writes nothing."""
    if key_id is None:
        plain = call.entropy(KEY_BYTES)
        blob = seal(tx, call, plain, purpose=purpose, key_id=None, context=context)
        return DataKey(plain, blob, "")
    made = _generate(tx, call, key_id, context)
    return DataKey(made["Plaintext"], MANAGED + made["CiphertextBlob"], made["KeyId"])


def open_data_key(
    tx: Reader, call: Call, blob: bytes, *, purpose: str, context: Mapping[str, str]
) -> DataKey:
    """The data key whose `blob` this is; under a KMS key the principal needs kms:Decrypt."""
    if blob[:1] == OWNED:
        return DataKey(open(tx, call, blob, purpose=purpose, context=context), blob, "")
    found = _kms(
        tx, call, "Decrypt", {"CiphertextBlob": blob[1:], "EncryptionContext": dict(context)}
    )
    return DataKey(found["Plaintext"], blob, found["KeyId"])


def canonical(context: Mapping[str, str]) -> bytes:
    """One encoding per encryption context: sorted, every text with its length before it."""
    if not context:
        return b""
    parts: list[bytes] = []
    for pair in sorted(context.items()):
        name, value = pair[0].encode(), pair[1].encode()
        parts += (len(name).to_bytes(4, "big"), name, len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


@lru_cache(maxsize=BOUND_MAX)
def _owned(vault: Vault, purpose: str, pairs: bytes, day: int, generation: int) -> _Owned:
    head = OWNED + (generation << 24 | day).to_bytes(4, "big")
    return _Owned(head, vault.cipher(f"{purpose}/{day}", generation), _bound(purpose, pairs))


@lru_cache(maxsize=BOUND_MAX)
def _bound(purpose: str, pairs: bytes) -> bytes:
    """What everything sealed for a purpose and context is bound to; more may follow it."""
    raw = purpose.encode()
    return b"%b%b%b%b" % (len(raw).to_bytes(4, "big"), raw, len(pairs).to_bytes(4, "big"), pairs)


def _for_sealing(
    tx: Reader,
    call: Call,
    purpose: str,
    key_id: str,
    context: Mapping[str, str],
    pairs: bytes,
    reuse_s: float,
) -> _Kept:
    """A data key to seal with: the kept one if it may be used again, else a new one."""
    keys = call.ports.data_keys
    principal = call.principal
    # SQS tells requesters apart by their credentials, a role's sessions only by their policies:
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    name = (
        purpose, key_id, call.account, call.region, pairs,
        principal.role_arn or principal.arn, principal.session_policies,
    )  # fmt: skip
    if reuse_s > 0:
        kept: _Kept | None = keys.get(name)
        if kept is not None and kept.until > call.now:
            asked = {"Operation": "GenerateDataKey", "KeyId": key_id, "EncryptionContext": context}
            # An alias may have moved to another key since.
            if _kms(tx, call, "permit", asked)["KeyId"] == kept.key_arn:
                return kept
    made = _generate(tx, call, key_id, context)
    blob = made["CiphertextBlob"]
    kept = _Kept(AESGCM(made["Plaintext"]), blob, made["KeyId"], call.now + reuse_s)
    if reuse_s > 0:
        keys.put(name, kept)
    keys.put((blob, pairs), kept)
    return kept


def _for_opening(
    tx: Reader, call: Call, blob: bytes, context: Mapping[str, str], pairs: bytes
) -> _Kept:
    keys = call.ports.data_keys
    name = (blob, pairs)
    kept: _Kept | None = keys.get(name)
    if kept is None:
        asked = {"CiphertextBlob": blob, "EncryptionContext": dict(context)}
        found = _kms(tx, call, "Decrypt", asked)
        kept = _Kept(AESGCM(found["Plaintext"]), blob, found["KeyId"], 0.0)
        keys.put(name, kept)
        return kept
    _kms(
        tx, call, "permit",
        {"Operation": "Decrypt", "CiphertextBlob": blob, "EncryptionContext": context},
    )  # fmt: skip
    return kept


def _generate(tx: Reader, call: Call, key_id: str, context: Mapping[str, str]) -> dict[str, Any]:
    return _kms(
        tx, call, "GenerateDataKey",
        {"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": dict(context)},
    )  # fmt: skip


def _kms(tx: Reader, call: Call, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    # KMS's cryptographic operations only read, so a snapshot does as well as a transaction.
    return call.invoke(tx, "kms", operation, request)  # type: ignore[arg-type]
