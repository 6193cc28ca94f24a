"""Operations on grants. Who is given a grant may use it and pass on what it allows, no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ogi.access import trusts
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.kms import conditions, grants, keys, pages, targets
from ogi.services.kms.errors import ValidationException
from ogi.services.kms.records import GRANTS, Grant, Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Home, Reader, Transaction

PAGE_DEFAULT = 50
PAGE_MAX = 100
SCANNED_MAX = 1000
"""Grants looked at for one page of those that a principal may retire."""


def _key(tx: Reader, call: Call, request: Fields) -> Key:
    return keys.find(tx, call, request["KeyId"], aliases=False)


def _arn(tx: Reader, call: Call, request: Fields) -> str:
    return _key(tx, call, request).arn


def _facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    found = dict(targets.facts_of(call, _key(tx, call, request), request))
    found["kms:GrantIsForAWSResource"] = str(call.context.get("aws:ViaAWSService", "false"))
    constraints = request.get("Constraints") or {}
    for name in ("EncryptionContextEquals", "EncryptionContextSubset"):
        if name in constraints:
            found["kms:GrantConstraintType"] = name
    if "Operations" in request:
        found["kms:GrantOperations"] = list(request["Operations"])
    return found


def _home(call: Call, request: Fields) -> Home:
    """A key of another account has its grants there."""
    return keys.parse(request["KeyId"], call.account, call.region).home


def _one(request: Fields, *members: str) -> str:
    """The one of these members that is given, '' if none is; they exclude each other."""
    given = [request[member] for member in members if request.get(member)]
    if len(given) > 1:
        raise ValidationException(f"Specify {' or '.join(members)}, not both.")
    return given[0] if given else ""


@SERVICE.operation(on=_arn, keys=_facts, home=_home)
def create_grant(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = _key(tx, call, request)
    keys.require_enabled(key)
    grantee = _one(request, "GranteePrincipal", "GranteeServicePrincipal")
    if not grantee:
        raise ValidationException("GranteePrincipal is required.")
    if not request.get("Operations"):
        raise ValidationException("Operations is required.")
    constraints = request.get("Constraints") or {}
    grant = Grant(
        id=call.entropy(32).hex(),
        key_id=key.id,
        created=call.now,
        grantee=grantee,
        issuer=call.account,
        operations=tuple(sorted(set(request["Operations"]))),
        name=request.get("Name", ""),
        retiring=_one(request, "RetiringPrincipal", "RetiringServicePrincipal"),
        subset=constraints.get("EncryptionContextSubset"),
        equal=constraints.get("EncryptionContextEquals"),
        source_arn=constraints.get("SourceArn", ""),
        service="GranteeServicePrincipal" in request,
        retiring_service="RetiringServicePrincipal" in request,
    )
    targets.dry(request)
    if key.grants and not _allowed_by_policy(tx, call, key, request):
        grants.require_parent(tx, call, key, grant)
    grant = grants.create(tx, call, key, grant)
    return {"GrantId": grant.id, "GrantToken": grants.token(call, key, grant)}


def _allowed_by_policy(tx: Transaction, call: Call, key: Key, request: Fields) -> bool:
    """Whether the caller may create grants without one that says so."""
    # The question is put to the key as it would be without grants; it is written back as it was.
    keys.put(tx, msgspec.structs.replace(key, grants=0))
    try:
        call.ports.authorise(
            tx, call, SERVICE, ("kms:CreateGrant",), (key.arn,),
            {**call.context, **_facts(tx, call, request)},
        )  # fmt: skip
    except AwsError:
        return False
    finally:
        keys.put(tx, key)
    return True


@SERVICE.operation(on=_arn, keys=_facts, reads=True)
def list_grants(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _key(tx, call, request)
    limit, after = min(request.get("Limit", PAGE_DEFAULT), PAGE_MAX), pages.begin(request)
    grantee = _one(request, "GranteePrincipal", "GranteeServicePrincipal")
    found = [
        grant
        for grant in grants.of_key(tx, key)
        if grant.id > after
        and grant.id == request.get("GrantId", grant.id)
        and grantee in ("", trusts.unfastened_entry(tx, grant.grantee))
    ]
    return pages.answer(
        "Grants", found[: limit + 1], limit, lambda grant: grant.id,
        lambda grant: _shown(tx, grant, key.arn),
    )  # fmt: skip


@SERVICE.operation(reads=True)
def list_retirable_grants(tx: Reader, call: Call, request: Fields) -> Fields:
    retiring = _one(request, "RetiringPrincipal", "RetiringServicePrincipal")
    if not retiring:
        raise ValidationException("RetiringPrincipal is required.")
    limit, after = min(request.get("Limit", PAGE_DEFAULT), PAGE_MAX), pages.begin(request)
    # A marker is KEY GRANT: grants lie by key, then by grant.
    start = b"\x00\x00".join(part.encode() for part in after.split(" ")) + b"\x00\x01"
    rows = GRANTS.scan(tx, call.home, limit=SCANNED_MAX, start=start if after else None)
    found = [row for _, row in rows if trusts.unfastened_entry(tx, row.retiring) == retiring]
    result = pages.answer(
        "Grants", found[: limit + 1], limit, _marker,
        lambda grant: _shown(tx, grant, call.arn("kms", f"key/{grant.key_id}")),
    )  # fmt: skip
    if not result["Truncated"] and len(rows) == SCANNED_MAX:
        result |= {"Truncated": True, "NextMarker": pages.marker(_marker(rows[-1][1]))}
    return result


def _marker(grant: Grant) -> str:
    return f"{grant.key_id} {grant.id}"


@SERVICE.operation(on=_arn, keys=_facts, home=_home)
def revoke_grant(tx: Transaction, call: Call, request: Fields) -> Fields:
    key = _key(tx, call, request)
    grant = grants.find(tx, key, request["GrantId"])
    targets.dry(request)
    grants.remove(tx, key, grant)
    return {}


def _named(call: Call, request: Fields) -> tuple[str, str]:
    """(key, grant) that RetireGrant names by a token, or by both."""
    if "GrantToken" in request:
        return grants.read_token(call, request["GrantToken"])
    if "KeyId" not in request or "GrantId" not in request:
        raise ValidationException("Specify a GrantToken, or a KeyId and a GrantId.")
    return request["KeyId"], request["GrantId"]


def _home_retired(call: Call, request: Fields) -> Home:
    return keys.parse(_named(call, request)[0], call.account, call.region).home


@SERVICE.operation(open=True, home=_home_retired)
def retire_grant(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The grant itself says who may retire it; the key's owner may too, by policy.

    docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html
    """
    key_id, grant_id = _named(call, request)
    key = keys.find(tx, call, key_id, aliases=False)
    grant = grants.find(tx, key, grant_id)
    principal = call.principal
    # "The AWS account (root user) in which the grant was created" may, too: grants in KMS's guide.
    issuing = principal.kind == "root" and principal.account == grant.issuer
    named = (
        issuing
        or grants.is_of(grant.retiring, principal)
        or ("RetireGrant" in grant.operations and grants.is_of(grant.grantee, principal))
    )
    if not named:
        call.ports.authorise(
            tx, call, SERVICE, ("kms:RetireGrant",), (key.arn,),
            {**call.context, **conditions.of(call, key, {})},
        )  # fmt: skip
    targets.dry(request)
    grants.remove(tx, key, grant)
    return {}


def _shown(tx: Reader, grant: Grant, key_arn: str) -> Fields:
    grantee = trusts.unfastened_entry(tx, grant.grantee)
    found: Fields = {
        "KeyId": key_arn,
        "GrantId": grant.id,
        "Name": grant.name,
        "CreationDate": grant.created,
        "GranteeServicePrincipal" if grant.service else "GranteePrincipal": grantee,
        "IssuingAccount": f"arn:aws:iam::{grant.issuer}:root",
        "Operations": list(grant.operations),
    }
    if grant.retiring:
        member = "RetiringServicePrincipal" if grant.retiring_service else "RetiringPrincipal"
        found[member] = trusts.unfastened_entry(tx, grant.retiring)
    constraints: Fields = {}
    if grant.subset:
        constraints["EncryptionContextSubset"] = dict(grant.subset)
    if grant.equal:
        constraints["EncryptionContextEquals"] = dict(grant.equal)
    if grant.source_arn:
        constraints["SourceArn"] = grant.source_arn
    if constraints:
        found["Constraints"] = constraints
    return found
