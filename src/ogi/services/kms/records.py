"""What KMS keeps: keys, aliases and grants, all in the control home of their account and region."""

from __future__ import annotations

import msgspec

from ogi.storage.tables import Table


class Material(msgspec.Struct, frozen=True, array_like=True):
    """One version of a key's material. Its number is its place among the key's materials."""

    id: str
    """64 hexadecimal digits, as AWS shows it."""
    made: float
    kind: str
    """`CREATED`, `AUTOMATIC`, `ON_DEMAND` or `IMPORTED`."""
    sealed: bytes
    """By the vault; empty where the material is derived (AWS-managed keys) or was deleted."""
    description: str = ""
    """Of an imported one, in its importer's words."""
    expires: float | None = None
    """When an imported one is deleted by itself."""


class Rotation(msgspec.Struct, frozen=True, array_like=True):
    """Automatic rotation that is switched on."""

    period_days: int
    next: float


class Key(msgspec.Struct, frozen=True):
    id: str
    arn: str
    account: str
    region: str
    created: float
    policy: str
    materials: tuple[Material, ...]
    description: str = ""
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    manager: str = "CUSTOMER"
    state: str = "Enabled"
    """`Enabled`, `Disabled`, `PendingImport` or `PendingDeletion`."""
    deletion: float | None = None
    tags: dict[str, str] = {}
    aliases: tuple[str, ...] = ()
    """Names of the aliases that point here; the alias records say the same."""
    rotation: Rotation | None = None
    grants: int = 0
    """How many grants it has, so that a key without one is decided without a scan."""
    public: bytes = b""
    """Of a key pair: the public key, DER (SubjectPublicKeyInfo)."""
    pending: Material | None = None
    """Imported for the next rotation on demand; it belongs to the key only from then on."""


class Alias(msgspec.Struct, frozen=True):
    name: str
    key_id: str
    created: float
    updated: float


class Grant(msgspec.Struct, frozen=True):
    """Operations that the owner of a key lets one principal do with it."""

    id: str
    key_id: str
    created: float
    grantee: str
    """An ARN and, of a user or role, its unique id: who is made anew under a name has no grant."""
    issuer: str
    """The account under which it was issued."""
    operations: tuple[str, ...]
    name: str = ""
    retiring: str = ""
    """As `grantee`."""
    subset: dict[str, str] | None = None
    """Pairs that the encryption context must have, among others."""
    equal: dict[str, str] | None = None
    """The encryption context as it must be."""
    source_arn: str = ""
    service: bool = False
    """Whether the grantee is a service principal."""
    retiring_service: bool = False


class Granted(msgspec.Struct, frozen=True, array_like=True):
    """All grants of one key as statements, made anew with every change, for the decision."""

    statements: str


KEYS = Table("kms.keys", Key)
ALIASES = Table("kms.aliases", Alias)
GRANTS = Table("kms.grants", Grant)
"""key id, grant id"""
GRANTED = Table("kms.granted", Granted)
"""key id"""
