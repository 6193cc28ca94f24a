"""Rotation: new material for encrypting; the old is kept for decrypting.

docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
"""

from __future__ import annotations

import msgspec

from ogi import deliveries, recording
from ogi.service import Call, Fields
from ogi.services.kms import keys, materials
from ogi.services.kms.errors import (
    ConflictException,
    KMSInvalidStateException,
    LimitExceededException,
    UnsupportedOperationException,
)
from ogi.services.kms.records import KEYS, Key, Rotation
from ogi.services.kms.service import SERVICE
from ogi.storage import Transaction

PERIOD_DAYS = 365
ON_DEMAND_MAX = 25
CONFLICT_S = 20 * 60
"""No rotation on demand this close before an automatic one: API_RotateKeyOnDemand."""
DAY_S = 86_400


def require_rotatable(key: Key) -> None:
    """Refuse keys whose material never changes."""
    if key.spec != "SYMMETRIC_DEFAULT":
        raise UnsupportedOperationException


def require_automatic(key: Key) -> None:
    """Refuse keys whose material Ogi does not make itself.

    docs.aws.amazon.com/kms/latest/developerguide/key-state.html, note 7
    """
    require_rotatable(key)
    if key.origin != "AWS_KMS":
        raise UnsupportedOperationException(
            f"{key.arn} origin is {key.origin} which is not valid for this operation."
        )


def enable(tx: Transaction, call: Call, key: Key, period_days: int) -> None:
    require_automatic(key)
    keys.require_enabled(key)
    _plan(tx, call, key, Rotation(period_days, call.now + period_days * DAY_S))


def disable(tx: Transaction, key: Key) -> None:
    require_automatic(key)
    keys.require_enabled(key)
    keys.put(tx, msgspec.structs.replace(key, rotation=None))


def rotate_on_demand(tx: Transaction, call: Call, key: Key) -> None:
    require_rotatable(key)
    keys.require_enabled(key)
    if key.rotation is not None and key.rotation.next - call.now < CONFLICT_S:
        raise ConflictException
    if sum(1 for made in key.materials if made.kind == "ON_DEMAND") >= ON_DEMAND_MAX:
        raise LimitExceededException
    if key.origin == "AWS_KMS":
        keys.put(tx, _renewed(call, key, "ON_DEMAND"))
        return
    if key.pending is None:
        raise KMSInvalidStateException(
            f"{key.arn} has no imported key material that is pending rotation."
        )
    current = msgspec.structs.replace(key.pending, kind="ON_DEMAND", made=call.now)
    keys.put(tx, msgspec.structs.replace(key, materials=(*key.materials, current), pending=None))


def resume(tx: Transaction, call: Call, key: Key) -> None:
    """Rotate a key that is enabled again, if it was to be rotated in between.

    "If the key material in the re-enabled KMS key hasn't been rotated in one year, AWS KMS rotates
    it immediately": API_GetKeyRotationStatus
    """
    if key.rotation is not None and key.rotation.next <= call.now:
        _rotate(tx, call, key, key.rotation, call.now)


def _rotate(tx: Transaction, call: Call, key: Key, rotation: Rotation, at: float) -> None:
    key = _renewed(call, key, "AUTOMATIC")
    recording.happened(call, "kms", "RotateKey", key.arn)
    _plan(tx, call, key, msgspec.structs.replace(rotation, next=at + rotation.period_days * DAY_S))


def _plan(tx: Transaction, call: Call, key: Key, rotation: Rotation) -> None:
    keys.put(tx, msgspec.structs.replace(key, rotation=rotation))
    deliveries.post(
        tx, call.as_service(SERVICE.principal, key.arn, key.account), call.home, "kms", "rotate",
        {"Id": key.id, "Due": rotation.next}, due=rotation.next,
    )  # fmt: skip


def _renewed(call: Call, key: Key, kind: str) -> Key:
    secret = call.entropy(materials.SYMMETRIC_BYTES)
    made = materials.make(call, key.arn, kind, secret)
    return msgspec.structs.replace(key, materials=(*key.materials, made))


@SERVICE.duty(home=lambda call, request: call.home)
def rotate(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The automatic rotation that was planned for `Due`, unless the plan has changed since."""
    key = KEYS.get(tx, call.home, request["Id"])
    if key is None or key.rotation is None or key.rotation.next != request["Due"]:
        return {}
    if key.state == "Enabled":
        _rotate(tx, call, key, key.rotation, request["Due"])
    # A key that is disabled or about to be deleted is not rotated; `resume` makes up for it.
    return {}
