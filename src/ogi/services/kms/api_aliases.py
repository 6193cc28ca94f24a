"""Operations on aliases. The alias and its key are both authorised.

docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ogi.service import Call, Fields
from ogi.services.kms import aliases, conditions, keys, pages
from ogi.services.kms.records import Alias
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader, Transaction

ALIASES_DEFAULT = 50
ALIASES_PAGE_MAX = 100


def _new_arns(tx: Reader, call: Call, request: Fields) -> Sequence[str]:
    aliases.check_name(request["AliasName"])
    aliases.check_target(request["TargetKeyId"])
    key = keys.find_own(tx, call, request["TargetKeyId"])
    return call.arn("kms", request["AliasName"]), key.arn


def _moved_arns(tx: Reader, call: Call, request: Fields) -> Sequence[str]:
    aliases.check_target(request["TargetKeyId"])
    return *_old_arns(tx, call, request), keys.find_own(tx, call, request["TargetKeyId"]).arn


def _old_arns(tx: Reader, call: Call, request: Fields) -> Sequence[str]:
    aliases.check_name(request["AliasName"])
    key = aliases.target(tx, call, aliases.find(tx, call, request["AliasName"]))
    arn = call.arn("kms", request["AliasName"])
    return (arn,) if key is None else (arn, key.arn)


def _facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return conditions.of_request(call, request, {})


@SERVICE.operation(on=_new_arns, keys=_facts)
def create_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["TargetKeyId"], "CreateAlias")
    aliases.create(tx, call, request["AliasName"], key)
    return {}


@SERVICE.operation(on=_moved_arns, keys=_facts)
def update_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = keys.find_customers(tx, call, request["TargetKeyId"], "UpdateAlias")
    aliases.update(tx, call, request["AliasName"], key)
    return {}


@SERVICE.operation(on=_old_arns, keys=_facts)
def delete_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    aliases.delete(tx, call, request["AliasName"])
    return {}


@SERVICE.operation(reads=True)
def list_aliases(tx: Reader, call: Call, request: Fields) -> Fields:
    limit = min(request.get("Limit", ALIASES_DEFAULT), ALIASES_PAGE_MAX)
    after = pages.begin(request)
    if "KeyId" in request:
        key = keys.find_own(tx, call, request["KeyId"])
        found = [alias for alias in aliases.of_key(tx, call, key) if alias.name > after]
    else:
        found = aliases.page(tx, call, after, limit)

    def shown(alias: Alias) -> Fields:
        return {
            "AliasName": alias.name,
            "AliasArn": call.arn("kms", alias.name),
            "TargetKeyId": alias.key_id,
            "CreationDate": alias.created,
            "LastUpdatedDate": alias.updated,
        }

    return pages.answer("Aliases", found[: limit + 1], limit, lambda alias: alias.name, shown)
