"""Operations on the rotation of keys' material."""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.kms import imports, keys, pages, rotations, targets
from ogi.services.kms.records import Key, Material
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader, Transaction

ROTATIONS_DEFAULT = 100


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def enable_key_rotation(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "EnableKeyRotation")
    period = request.get("RotationPeriodInDays", rotations.PERIOD_DAYS)
    rotations.enable(tx, call, key, period)
    return {}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def disable_key_rotation(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "DisableKeyRotation")
    rotations.disable(tx, key)
    return {}


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def get_key_rotation_status(tx: Reader, call: Call, request: Fields) -> Fields:
    key = keys.find(tx, call, request["KeyId"], aliases=False)
    # AWS renews the material of its own keys every year and shows them as rotated. The status of
    # key pairs and HMAC keys "is always false" (docs.rs/aws-sdk-kms/0.22.0, from the API reference
    # of 2022), and so it is "while a KMS key is pending deletion" (API_GetKeyRotationStatus).
    found: Fields = {"KeyId": key.arn, "KeyRotationEnabled": key.manager == "AWS"}
    if key.rotation is not None and key.deletion is None:
        found["KeyRotationEnabled"] = True
        found["RotationPeriodInDays"] = key.rotation.period_days
        if key.rotation.next > call.now:
            # Else it waits until the key is enabled again.
            found["NextRotationDate"] = key.rotation.next
    return found


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def rotate_key_on_demand(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "RotateKeyOnDemand")
    rotations.rotate_on_demand(tx, call, key)
    return {"KeyId": key.id}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts, reads=True)
def list_key_rotations(tx: Reader, call: Call, request: Fields) -> Fields:
    key = keys.find_own(tx, call, request["KeyId"])
    rotations.require_rotatable(key)
    # The material with which a key was made is listed only on request: API_ListKeyRotations.
    every = request.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
    limit, after = request.get("Limit", ROTATIONS_DEFAULT), pages.begin(request)
    numbered = [
        (f"{number:08d}", made)
        for number, made in enumerate(key.materials)
        if (every or number > 0) and f"{number:08d}" > after
    ]
    if every and key.pending is not None:
        numbered.append((f"{len(key.materials):08d}", key.pending))
        numbered = [pair for pair in numbered if pair[0] > after]
    return pages.answer(
        "Rotations", numbered[: limit + 1], limit, lambda pair: pair[0],
        lambda pair: _rotation(key, pair[1]),
    )  # fmt: skip


def _rotation(key: Key, made: Material) -> Fields:
    """API_RotationsListEntry: which members are there for which material."""
    found: Fields = {"KeyId": key.id, "KeyMaterialId": made.id, "KeyMaterialState": "NON_CURRENT"}
    if made == key.pending:
        found["KeyMaterialState"] = "PENDING_ROTATION"
    elif made == key.materials[-1]:
        found["KeyMaterialState"] = "CURRENT"
    if made.kind in ("AUTOMATIC", "ON_DEMAND"):
        found |= {"RotationDate": made.made, "RotationType": made.kind}
    if key.origin == "EXTERNAL":
        found["ImportState"] = "IMPORTED" if made.sealed else "PENDING_IMPORT"
        found |= imports.expiration(made)
        if made.description:
            found["KeyMaterialDescription"] = made.description
    return found
