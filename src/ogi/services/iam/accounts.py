"""The account as a whole: its alias, its summary, and all its identities in one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ogi.access import identities, managed, trusts
from ogi.access.identities import (
    GROUPS,
    POLICIES,
    PROFILES,
    ROLES,
    USERS,
    Group,
    ManagedPolicy,
    Role,
    User,
)
from ogi.service import Call, Fields
from ogi.services.iam import (
    entities,
    groups,
    holders,
    pages,
    policies,
    providers,
    quotas,
    roles,
    users,
)
from ogi.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    NoSuchEntityException,
)
from ogi.services.iam.policies import Usage
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table

ACCOUNT_DIGITS = 12


class Alias(msgspec.Struct, frozen=True):
    """An account's alias, by account; and who has it, by alias."""

    account: str
    alias: str


_ALIASES = Table("iam-aliases", Alias)
_ACCOUNTS = Table("iam-alias-accounts", Alias)


# -- aliases --------------------------------------------------------------------------------------


@SERVICE.operation(home=home)
def create_account_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    """An account has one alias; a new one takes the old one's place."""
    alias = request["AccountAlias"]
    if alias.isdecimal() and len(alias) == ACCOUNT_DIGITS:
        # "it cannot be a 12-digit number": the quotas page; the sentence is ours.
        raise InvalidInputException("An account alias cannot be a 12-digit number.")
    held = _ACCOUNTS.get(tx, CONTROL, alias)
    if held is not None and held.account != call.account:
        raise EntityAlreadyExistsException(f"The account alias {alias} already exists.")
    old = _ALIASES.get(tx, CONTROL, call.account)
    if old is not None:
        _ACCOUNTS.delete(tx, CONTROL, old.alias)
    row = Alias(call.account, alias)
    _ALIASES.put(tx, row, CONTROL, call.account)
    _ACCOUNTS.put(tx, row, CONTROL, alias)
    return {}


@SERVICE.operation(home=home)
def delete_account_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    alias = request["AccountAlias"]
    held = _ALIASES.get(tx, CONTROL, call.account)
    if held is None or held.alias != alias:
        raise NoSuchEntityException(f"The account alias {alias} cannot be found.")
    _ALIASES.delete(tx, CONTROL, call.account)
    _ACCOUNTS.delete(tx, CONTROL, alias)
    return {}


@SERVICE.operation(reads=True)
def list_account_aliases(tx: Reader, call: Call, request: Fields) -> Fields:
    held = _ALIASES.get(tx, CONTROL, call.account)
    return {"AccountAliases": [] if held is None else [held.alias], "IsTruncated": False}


# -- the summary ----------------------------------------------------------------------------------


@SERVICE.operation(reads=True)
def get_account_summary(tx: Reader, call: Call, request: Fields) -> Fields:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html"""
    account = call.account
    own = list(entities.rows(tx, POLICIES, account))
    summary = {
        "UsersQuota": quotas.USERS_MAX,
        "GroupsQuota": quotas.GROUPS_MAX,
        "RolesQuota": quotas.ROLES_MAX,
        "PoliciesQuota": quotas.POLICIES_MAX,
        "InstanceProfilesQuota": quotas.PROFILES_MAX,
        "Users": _count(entities.rows(tx, USERS, account)),
        "Groups": _count(entities.rows(tx, GROUPS, account)),
        "Roles": _count(entities.rows(tx, ROLES, account)),
        "InstanceProfiles": _count(entities.rows(tx, PROFILES, account)),
        "Policies": len(own),
        "PolicyVersionsInUse": sum(len(policy.versions) for policy in own),
        "AccessKeysPerUserQuota": users.KEYS_MAX,
        "GroupsPerUserQuota": groups.GROUPS_PER_USER_MAX,
        "AttachedPoliciesPerUserQuota": holders.ATTACHED_MAX["User"],
        "AttachedPoliciesPerGroupQuota": holders.ATTACHED_MAX["Group"],
        "AttachedPoliciesPerRoleQuota": holders.ATTACHED_MAX["Role"],
        "UserPolicySizeQuota": holders.USER.inline_characters_max,
        "GroupPolicySizeQuota": holders.GROUP.inline_characters_max,
        "RolePolicySizeQuota": holders.ROLE.inline_characters_max,
        "PolicySizeQuota": policies.POLICY_CHARACTERS_MAX,
        "VersionsPerPolicyQuota": policies.VERSIONS_MAX,
        "AssumeRolePolicySizeQuota": roles.TRUST_CHARACTERS_MAX,
        "GlobalEndpointTokenVersion": 2,
        "AccountAccessKeysPresent": int(bool(users.keys_of_root(tx, account))),
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "AccountMFAEnabled": 0,
        "Providers": len(providers.held(tx, account)),
        "ServerCertificates": 0,
    }
    return {"SummaryMap": summary}


def _count(rows: Iterator[Any]) -> int:
    return sum(1 for _ in rows)


# -- everything at once ---------------------------------------------------------------------------

_LISTS = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}


@SERVICE.operation(reads=True)
def get_account_authorization_details(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = request.get("Filter") or list(_LISTS)
    used = policies.usage(tx, call.account)
    rows = [row for kind in _LISTS if kind in wanted for row in _rows(tx, call, kind, used)]
    page, answer = pages.of_list(rows, request, "_")
    del answer["_"]
    for member in dict.fromkeys(_LISTS.values()):
        answer[member] = []
    for row in page:
        member, detail = _detail(tx, call, row, used)
        answer[member].append(detail)
    return answer


def _rows(tx: Reader, call: Call, kind: str, used: Usage) -> Iterator[Any]:
    if kind == "User":
        return entities.rows(tx, USERS, call.account)
    if kind == "Group":
        return entities.rows(tx, GROUPS, call.account)
    if kind == "Role":
        return entities.rows(tx, ROLES, call.account)
    if kind == "LocalManagedPolicy":
        return entities.rows(tx, POLICIES, call.account)
    # Of AWS's policies only those that somebody holds.
    return (
        row for arn, row in managed.policies().items() if used.attached[arn] or used.bounding[arn]
    )


def _detail(
    tx: Reader, call: Call, row: User | Group | Role | ManagedPolicy, used: Usage
) -> tuple[str, Fields]:
    if isinstance(row, ManagedPolicy):
        shown = used.show(row)
        shown.pop("Tags", None)
        versions = [entities.show_version(row, v, document=True) for v in row.versions[::-1]]
        return "Policies", {**shown, "PolicyVersionList": versions}
    inline = [
        {"PolicyName": name, "PolicyDocument": entities.encoded(text)}
        for name, text in row.inline.items()
    ]
    held = {
        "AttachedManagedPolicies": [
            {"PolicyName": identities.name_in(arn), "PolicyArn": arn} for arn in row.attached
        ]
    }
    if isinstance(row, User):
        member = "UserDetailList"
        detail = {**entities.show_user(row), "UserPolicyList": inline, **held}
        return member, {**detail, "GroupList": list(row.groups)}
    if isinstance(row, Group):
        return "GroupDetailList", {**entities.show_group(row), "GroupPolicyList": inline, **held}
    detail = {**entities.show_role(tx, row), "RolePolicyList": inline, **held}
    detail.pop("MaxSessionDuration", None)
    detail.pop("Description", None)
    detail["AssumeRolePolicyDocument"] = entities.encoded(trusts.shown(tx, row))
    detail["RoleLastUsed"] = roles.last_used(tx, call, row)
    detail["InstanceProfileList"] = [
        entities.show_profile(tx, profile)
        for profile in entities.rows(tx, PROFILES, row.account)
        if profile.role == row.name
    ]
    return "RoleDetailList", detail
