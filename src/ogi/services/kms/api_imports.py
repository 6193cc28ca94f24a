"""Operations on imported key material."""

from __future__ import annotations

import asyncio

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.kms import imports, keys, pairs, targets
from ogi.services.kms.errors import ValidationException
from ogi.services.kms.records import KEYS, Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader, Transaction


def _external(tx: Reader, call: Call, request: Fields, action: str) -> Key:
    key = keys.find_customers(tx, call, request["KeyId"], action)
    keys.require_external(key)
    return key


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
async def get_parameters_for_import(call: Call, request: Fields) -> Fields:
    algorithm, spec = request["WrappingAlgorithm"], request["WrappingKeySpec"]

    def checked(tx: Reader) -> Key:
        key = _external(tx, call, request, "GetParametersForImport")
        keys.require_present(key)
        imports.require_wrapping(key, algorithm, spec)
        return key

    key = await call.read(checked)
    # The library draws its randomness from the system, and takes its time.
    pair = await asyncio.to_thread(pairs.make, spec)
    valid_to = float(int(call.now) + imports.VALID_S)
    return {
        "KeyId": key.arn,
        "ImportToken": imports.token(call, key, algorithm, pair.private, valid_to),
        "PublicKey": pair.public,
        "ParametersValidTo": valid_to,
    }


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def import_key_material(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = _external(tx, call, request, "ImportKeyMaterial")
    keys.require_present(key)
    _require_members(key, request)
    expires = imports.required_expiry(request, call.now)
    token = imports.read_token(call, key, request["ImportToken"])
    secret, public = imports.read(key, imports.unwrap(token, request["EncryptedKeyMaterial"]))
    said = request.get("ImportType")
    made = imports.put(
        tx, call, key,
        imports.Wanted(
            secret=secret,
            public=public,
            new=None if said is None else said == "NEW_KEY_MATERIAL",
            id=request.get("KeyMaterialId", ""),
            description=request.get("KeyMaterialDescription"),
            expires=expires,
        ),
    )  # fmt: skip
    if expires is not None:
        deliveries.post(
            tx, call.as_service(SERVICE.principal, key.arn, key.account), call.home, "kms",
            "expire_material", {"Id": key.id, "Material": made.id, "Due": expires}, due=expires,
        )  # fmt: skip
    return {"KeyId": key.arn, **_named(key, made.id)}


def _require_members(key: Key, request: Fields) -> None:
    if key.spec != "SYMMETRIC_DEFAULT":
        for member in ("ImportType", "KeyMaterialDescription", "KeyMaterialId"):
            if member in request:
                raise ValidationException(
                    f"{member} is valid only for symmetric encryption KMS keys."
                )
    if "KeyMaterialId" in request and request.get("ImportType") == "NEW_KEY_MATERIAL":
        raise ValidationException("KeyMaterialId is not valid when ImportType is NEW_KEY_MATERIAL.")


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def delete_imported_key_material(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = _external(tx, call, request, "DeleteImportedKeyMaterial")
    gone = imports.delete(tx, key, request.get("KeyMaterialId", ""))
    return {"KeyId": key.arn, **_named(key, "" if gone is None else gone.id)}


def _named(key: Key, id: str) -> Fields:
    """Only symmetric encryption keys show which material they have."""
    return {"KeyMaterialId": id} if id and key.spec == "SYMMETRIC_DEFAULT" else {}


@SERVICE.duty(home=lambda call, request: call.home)
def expire_material(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The end of what was imported to be valid to `Due`, unless it was imported anew since."""
    key = KEYS.get(tx, call.home, request["Id"])
    if key is not None and imports.expire(tx, key, request["Material"], request["Due"]):
        call.note("kms.material_expired", key=key.arn, material=request["Material"])
    return {}
