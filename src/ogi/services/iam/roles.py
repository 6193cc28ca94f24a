"""Roles: who may be become, and by whom."""

from __future__ import annotations

from msgspec.structs import replace

from ogi.access import identities
from ogi.access.identities import PROFILES, ROLES, Role
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, quotas, uses
from ogi.services.iam.errors import DeleteConflictException, LimitExceededException
from ogi.services.iam.service import SERVICE, home
from ogi.storage import Reader, Transaction

MAX_SESSION_S_DEFAULT = 3600
TRUST_CHARACTERS_MAX = 2048
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


@SERVICE.operation(
    on=entities.on_role, keys=entities.condition_keys, home=home,
    unsupported=("MaxSigninSessionDuration",),
)  # fmt: skip
def create_role(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request["RoleName"]
    entities.refuse_existing(tx, call, ROLES, name, f"Role with name {name} already exists.")
    entities.check_path(request.get("Path", "/"))
    quotas.refuse_more(tx, call, ROLES)
    boundary = entities.boundary(tx, call, request)
    trust = request["AssumeRolePolicyDocument"]
    role = Role(
        account=call.account,
        name=name,
        id=identities.unique_id("AROA", call.entropy),
        path=request.get("Path", "/"),
        created=call.now,
        trust=trust,
        trust_bound=_trusted(tx, trust),
        max_session_s=request.get("MaxSessionDuration", MAX_SESSION_S_DEFAULT),
        description=request.get("Description"),
        tags=entities.tags_of(request, entities.folded),
        boundary=boundary,
    )
    entities.may_tag(tx, call, SERVICE, "Role", role.arn, request)
    identities.put(tx, ROLES, role)
    return {"Role": entities.show_role(tx, role)}


@SERVICE.operation(on=entities.on_role, reads=True)
def get_role(tx: Reader, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    return {"Role": {**entities.show_role(tx, role), "RoleLastUsed": last_used(tx, call, role)}}


@SERVICE.operation(on=entities.on_all("role"), reads=True)
def list_roles(tx: Reader, call: Call, request: Fields) -> Fields:
    return pages.of_table(
        tx, ROLES, call.account, request, "Roles",
        lambda row: entities.show_role(tx, row, whole=False),
    )  # fmt: skip


@SERVICE.operation(
    on=entities.on_role,
    home=home,
    unsupported=("MaxSigninSessionDuration", "ResetMaxSigninSessionDuration"),
)
def update_role(tx: Transaction, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    # "If you do not specify a value for this setting, the default value of one hour is applied."
    changed = replace(role, max_session_s=request.get("MaxSessionDuration", MAX_SESSION_S_DEFAULT))
    if "Description" in request:
        changed = replace(changed, description=request["Description"])
    identities.put(tx, ROLES, changed)
    return {}


@SERVICE.operation(on=entities.on_role, home=home)
def update_role_description(tx: Transaction, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    changed = replace(role, description=request["Description"])
    identities.put(tx, ROLES, changed)
    return {"Role": entities.show_role(tx, changed)}


@SERVICE.operation(on=entities.on_role, home=home)
def update_assume_role_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    trust = request["PolicyDocument"]
    identities.put(tx, ROLES, replace(role, trust=trust, trust_bound=_trusted(tx, trust)))
    return {}


@SERVICE.operation(on=entities.on_role, home=home)
def delete_role(tx: Transaction, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    if role.attached:
        raise DeleteConflictException("Cannot delete entity, must detach all policies first.")
    if role.inline:
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")
    if any(row.role == role.name for row in entities.rows(tx, PROFILES, call.account)):
        raise DeleteConflictException(
            "Cannot delete entity, must remove roles from instance profile first."
        )
    identities.delete(tx, ROLES, role)
    uses.forget(tx, role.id)
    return {}


def last_used(tx: Reader, call: Call, role: Role) -> Fields:
    """Empty if it has not been used within the tracking period."""
    last = uses.of_role(tx, role.id, call.now)
    return {} if last is None else {"LastUsedDate": last.at, "Region": last.region}


def _trusted(tx: Reader, document: str) -> str:
    bound = entities.trusted(tx, document)
    if entities.size(document) > TRUST_CHARACTERS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS_MAX}"
        )
    return bound
