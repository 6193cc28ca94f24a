"""Administration of keys: creation, description, state, policy, tags, rotation, deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ogi import deliveries, recording
from ogi.access import trusts
from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.kms import (
    conditions,
    grants,
    imports,
    keys,
    managed,
    materials,
    pages,
    pairs,
    policies,
    rotations,
    targets,
    uses,
)
from ogi.services.kms import specs as key_specs
from ogi.services.kms.errors import (
    KMSInvalidStateException,
    NotFoundException,
    TagException,
    ValidationException,
)
from ogi.services.kms.records import ALIASES, KEYS, Key, Material
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader, Transaction

KEYS_DEFAULT = 100
KEYS_PAGE_MAX = 1000
TAGS_MAX = 50
TAGS_PAGE_MAX = 50
DAY_S = 86_400
WAITING_DAYS = (7, 30)
WAITING_DAYS_DEFAULT = 30


# -- creation -----------------------------------------------------------------------------------


def _wanted(request: Fields) -> tuple[str, str]:
    """Spec and usage of the key that is asked for."""
    spec = request.get("KeySpec") or request.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    if spec not in key_specs.SPECS:
        raise unsupported(f"the key spec {spec}")
    usage = request.get("KeyUsage")
    if usage is None:
        if spec != "SYMMETRIC_DEFAULT":
            raise ValidationException("You must specify a KeyUsage value for all KMS keys except"
                                      " for symmetric encryption keys.")  # fmt: skip
        usage = "ENCRYPT_DECRYPT"
    if usage not in key_specs.SPECS[spec]:
        raise ValidationException(f"KeyUsage {usage} is not compatible with KeySpec {spec}")
    return spec, usage


def _new_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    spec, usage = _wanted(request)
    found = {
        "kms:KeySpec": spec,
        "kms:KeyUsage": usage,
        "kms:KeyOrigin": request.get("Origin", "AWS_KMS"),
        "kms:MultiRegion": "false",
    }
    return conditions.of_request(call, request, found)


@SERVICE.operation(keys=_new_facts, unsupported=("CustomKeyStoreId", "XksKeyId"))
async def create_key(call: Call, request: Fields) -> Fields:
    spec, usage = _wanted(request)
    if request.get("MultiRegion"):
        raise unsupported("multi-Region keys")
    origin = request.get("Origin", "AWS_KMS")
    if origin not in ("AWS_KMS", "EXTERNAL"):
        raise unsupported(f"keys of origin {origin}")
    if origin == "EXTERNAL" and spec.startswith("ML_DSA_"):
        # KMS's answer in github.com/badmintoncryer/cdk-preflight, rules/kms/pf-kms-key-origin
        raise ValidationException(f"KeySpec {spec} is not supported for Origin EXTERNAL")
    if origin == "EXTERNAL" and spec in pairs.SPECS - pairs.IMPORTABLE:
        raise unsupported(f"keys of origin EXTERNAL with the key spec {spec}")
    # A pair is made before the transaction: the library draws its randomness from the system.
    pair = None
    if spec in pairs.SPECS and origin == "AWS_KMS":
        pair = await asyncio.to_thread(pairs.make, spec)
    return await call.transact(
        lambda tx, running: _create(tx, running, request, spec, usage, pair), call.home
    )


def _create(
    tx: Transaction,
    call: Call,
    request: Fields,
    spec: str,
    usage: str,
    pair: pairs.Pair | None,
) -> Fields:
    id = call.new_id()
    arn = call.arn("kms", f"key/{id}")
    tags = _merged({}, request.get("Tags") or ())
    if tags:
        facts = {**call.context, **_new_facts(tx, call, request)}
        call.ports.authorise(tx, call, SERVICE, ("kms:TagResource",), (arn,), facts)
    origin = request.get("Origin", "AWS_KMS")
    made: tuple[Material, ...] = ()
    if origin == "AWS_KMS":
        secret = pair.private if pair else call.entropy(materials.secret_bytes(spec))
        made = (materials.make(call, arn, "CREATED", secret),)
    policy = request.get("Policy") or policies.default(call.account)
    key = Key(
        id=id,
        arn=arn,
        account=call.account,
        region=call.region,
        created=call.now,
        policy=policy,
        materials=made,
        description=request.get("Description", ""),
        spec=spec,
        usage=usage,
        origin=origin,
        state="Enabled" if made else "PendingImport",
        tags=tags,
        public=pair.public if pair else b"",
    )
    bypass = "Policy" not in request or bool(request.get("BypassPolicyLockoutSafetyCheck"))
    policies.attach(tx, call, key, policy, bypass=bypass)
    return {"KeyMetadata": _metadata(call, key)}


# -- description --------------------------------------------------------------------------------


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def describe_key(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"KeyMetadata": _metadata(call, keys.find(tx, call, request["KeyId"]))}


def _metadata(call: Call, key: Key) -> Fields:
    found: Fields = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.created,
        "Enabled": key.state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        key_specs.ALGORITHMS_MEMBER[key.usage]: list(key_specs.algorithms(key.spec, key.usage)),
        "MultiRegion": False,
    }
    if key.deletion is not None:
        found["DeletionDate"] = key.deletion
    if key.materials:
        current = key.materials[-1]
        if key.spec == "SYMMETRIC_DEFAULT":
            vault = call.ports.vault
            found["CurrentKeyMaterialId"] = materials.id(vault, key, materials.current(vault, key))
        if key.origin == "EXTERNAL" and current.sealed:
            found |= imports.expiration(current)
    return found


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts, reads=True)
def get_key_last_usage(tx: Reader, call: Call, request: Fields) -> Fields:
    """What KMS knows only of CloudTrail, the event's id, Ogi does not tell."""
    key = keys.find_own(tx, call, request["KeyId"])
    last = uses.last(tx, call, key)
    shown = {} if last is None else {
        "Operation": last.operation, "Timestamp": last.at, "KmsRequestId": last.request_id,
    }  # fmt: skip
    return {
        "KeyId": key.arn,
        "KeyLastUsage": shown,
        "TrackingStartDate": key.created,
        "KeyCreationDate": key.created,
    }


@SERVICE.operation(reads=True, unsupported=("ResourceOwners",))
def list_keys(tx: Reader, call: Call, request: Fields) -> Fields:
    limit, after = request.get("Limit", KEYS_DEFAULT), pages.begin(request)
    rows = KEYS.scan(tx, call.home, limit=limit + 1, start=pages.behind(after))
    found = [row for _, row in rows]
    found += [key for id, key in managed.all_of(call.account, call.region).items() if id > after]
    found.sort(key=lambda key: key.id)
    return pages.answer(
        "Keys", found[: limit + 1], limit, lambda key: key.id,
        lambda key: {"KeyId": key.id, "KeyArn": key.arn},
    )  # fmt: skip


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def update_key_description(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "UpdateKeyDescription")
    keys.require_present(key)
    keys.put(tx, msgspec.structs.replace(key, description=request["Description"]))
    return {}


# -- policy -------------------------------------------------------------------------------------


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts, reads=True)
def get_key_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    key = keys.find_own(tx, call, request["KeyId"])
    if request.get("PolicyName", "default") != "default":
        raise NotFoundException(f"No such policy exists for {key.arn}")
    return {"Policy": trusts.unfastened(tx, key.policy), "PolicyName": "default"}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def put_key_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request.get("PolicyName", "default")
    if name == "AWS_RAM":
        raise ValidationException("The AWS_RAM policy can only be managed by the RAM service.")
    if name != "default":
        raise ValidationException(f"{name} is not a valid policy name.")
    key = keys.find_customers(tx, call, request["KeyId"], "PutKeyPolicy")
    changed = msgspec.structs.replace(key, policy=request["Policy"])
    bypass = bool(request.get("BypassPolicyLockoutSafetyCheck"))
    policies.attach(tx, call, changed, request["Policy"], bypass=bypass)
    return {}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts, reads=True)
def list_key_policies(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"PolicyNames": ["default"], "Truncated": False}


# -- state --------------------------------------------------------------------------------------


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def enable_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    return _switch(tx, call, request, "EnableKey", "Enabled")


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def disable_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    return _switch(tx, call, request, "DisableKey", "Disabled")


def _switch(tx: Transaction, call: Call, request: Fields, action: str, state: str) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], action)
    keys.require_present(key)
    if key.state == "PendingImport":
        raise KMSInvalidStateException(f"{key.arn} is pending import.")
    key = msgspec.structs.replace(key, state=state)
    keys.put(tx, key)
    if state == "Enabled":
        rotations.resume(tx, call, key)
    return {}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def schedule_key_deletion(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "ScheduleKeyDeletion")
    keys.require_present(key)
    days = request.get("PendingWindowInDays", WAITING_DAYS_DEFAULT)
    if not WAITING_DAYS[0] <= days <= WAITING_DAYS[1]:
        # AWS's answer in github.com/Skyscanner/kms-issuer/issues/8
        raise ValidationException(
            f"PendingWindowInDays must be between {WAITING_DAYS[0]} and {WAITING_DAYS[1]}"
        )
    due = call.now + days * DAY_S
    keys.put(tx, msgspec.structs.replace(key, state="PendingDeletion", deletion=due))
    deliveries.post(
        tx, call.as_service(SERVICE.principal, key.arn, key.account), call.home, "kms", "destroy",
        {"Id": key.id, "Due": due}, due=due,
    )  # fmt: skip
    return {
        "KeyId": key.arn,
        "DeletionDate": due,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def cancel_key_deletion(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "CancelKeyDeletion")
    if key.deletion is None:
        raise KMSInvalidStateException(f"{key.arn} is not pending deletion.")
    kept = keys.settled(msgspec.structs.replace(key, deletion=None))
    if kept.state == "Enabled":
        kept = msgspec.structs.replace(kept, state="Disabled")
    keys.put(tx, kept)
    return {"KeyId": key.arn}


@SERVICE.duty(home=lambda call, request: call.home)
def destroy(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The deletion that was scheduled for `Due`, unless it was cancelled since."""
    key = KEYS.get(tx, call.home, request["Id"])
    if key is None or key.deletion != request["Due"]:
        return {}
    for name in key.aliases:
        ALIASES.delete(tx, call.home, name)
    grants.forget(tx, key)
    uses.forget(tx, key)
    KEYS.delete(tx, call.home, key.id)
    call.note("kms.deleted", key=key.arn)
    recording.happened(call, "kms", "DeleteKey", key.arn)
    return {}


# -- tags ---------------------------------------------------------------------------------------


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def tag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "TagResource")
    keys.require_present(key)
    keys.put(tx, msgspec.structs.replace(key, tags=_merged(key.tags, request["Tags"])))
    return {}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts)
def untag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["KeyId"], "UntagResource")
    keys.require_present(key)
    gone = set(request["TagKeys"])
    left = {name: value for name, value in key.tags.items() if name not in gone}
    keys.put(tx, msgspec.structs.replace(key, tags=left))
    return {}


@SERVICE.operation(on=targets.own_arn, keys=targets.own_facts, reads=True)
def list_resource_tags(tx: Reader, call: Call, request: Fields) -> Fields:
    key = keys.find_own(tx, call, request["KeyId"])
    limit, after = min(request.get("Limit", TAGS_PAGE_MAX), TAGS_PAGE_MAX), pages.begin(request)
    found = [(name, value) for name, value in sorted(key.tags.items()) if name > after]
    return pages.answer(
        "Tags", found[: limit + 1], limit, lambda pair: pair[0],
        lambda pair: {"TagKey": pair[0], "TagValue": pair[1]},
    )  # fmt: skip


def _merged(tags: Mapping[str, str], more: Any) -> dict[str, str]:
    added = {tag["TagKey"]: tag["TagValue"] for tag in more}
    if len(added) != len(more):
        raise TagException("Duplicate tag keys found.")
    merged = {**tags, **added}
    if len(merged) > TAGS_MAX or any(name.lower().startswith("aws:") for name in merged):
        raise TagException
    return merged
