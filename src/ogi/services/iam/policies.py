"""Managed policies: customers' with their versions, and AWS's, which nobody changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from ogi.access import identities, managed
from ogi.access.identities import (
    GROUPS,
    POLICIES,
    ROLES,
    USERS,
    Group,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, quotas
from ogi.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import Reader, Transaction

VERSIONS_MAX = 5
POLICY_CHARACTERS_MAX = 6144
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


def _on_new(tx: Reader, call: Call, request: Fields) -> str:
    return f"arn:aws:iam::{call.account}:policy{request.get('Path', '/')}{request['PolicyName']}"


@SERVICE.operation(on=_on_new, keys=entities.condition_keys, home=home)
def create_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request["PolicyName"]
    if identities.find(tx, POLICIES, call.account, name) is not None:
        raise EntityAlreadyExistsException(
            f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    entities.check_path(request.get("Path", "/"))
    quotas.refuse_more(tx, call, POLICIES)
    row = ManagedPolicy(
        account=call.account,
        name=name,
        id=identities.unique_id("ANPA", call.entropy),
        path=request.get("Path", "/"),
        created=call.now,
        updated=call.now,
        versions=(PolicyVersion(1, _checked(request["PolicyDocument"]), call.now),),
        default=1,
        latest=1,
        description=request.get("Description"),
        tags=entities.tags_of(request, entities.exact),
    )
    entities.may_tag(tx, call, SERVICE, "Policy", row.arn, request)
    identities.put(tx, POLICIES, row)
    return {"Policy": entities.show_policy(row, 0, 0)}


@SERVICE.operation(on=entities.on_policy, reads=True)
def get_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    row = entities.policy(tx, call, request["PolicyArn"])
    return {"Policy": usage(tx, call.account).show(row)}


@SERVICE.operation(on=entities.on_all("policy"), reads=True)
def list_policies(tx: Reader, call: Call, request: Fields) -> Fields:
    scope = request.get("Scope", "All")
    rows: list[ManagedPolicy] = []
    if scope in ("All", "Local"):
        rows.extend(entities.rows(tx, POLICIES, call.account))
    if scope in ("All", "AWS"):
        rows.extend(managed.policies().values())
    used = usage(tx, call.account)
    prefix = request.get("PathPrefix", "/")
    kind = request.get("PolicyUsageFilter")
    only = [used.attached] if request.get("OnlyAttached") else []
    if kind is not None:
        only.append(used.bounding if kind == "PermissionsBoundary" else used.attached)
    wanted = [
        row for row in rows if row.path.startswith(prefix) and all(held[row.arn] for held in only)
    ]
    page, answer = pages.of_list(wanted, request, "Policies")
    answer["Policies"] = [used.show(row, whole=False) for row in page]
    return answer


@SERVICE.operation(on=entities.on_policy, reads=True)
def list_entities_for_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    arn = entities.policy(tx, call, request["PolicyArn"]).arn
    kind = request.get("EntityFilter")
    prefix = request.get("PathPrefix", "/")
    found: list[tuple[str, str, str]] = []
    held: tuple[tuple[str, Iterator[User | Role | Group]], ...] = (
        ("User", entities.rows(tx, USERS, call.account)),
        ("Role", entities.rows(tx, ROLES, call.account)),
        ("Group", entities.rows(tx, GROUPS, call.account)),
    )
    for name, rows in held:
        if kind in (None, name):
            found.extend(
                (name, row.name, row.id)
                for row in rows
                if row.path.startswith(prefix) and _involves(row, arn, request)
            )
    page, answer = pages.of_list(found, request, "_")
    del answer["_"]
    for name in ("User", "Role", "Group"):
        answer[f"Policy{name}s"] = [
            {f"{name}Name": named, f"{name}Id": id} for k, named, id in page if k == name
        ]
    return answer


def _involves(row: User | Role | Group, arn: str, request: Fields) -> bool:
    """Whether the policy is one of the entity's, or its boundary; the request may name one way."""
    way = request.get("PolicyUsageFilter")
    attached = way != "PermissionsBoundary" and arn in row.attached
    bounded = way != "PermissionsPolicy" and not isinstance(row, Group) and row.boundary == arn
    return attached or bounded


@SERVICE.operation(on=entities.on_policy, home=home)
def delete_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _own(tx, call, request)
    # As a permissions boundary, too: github.com/gruntwork-io/cloud-nuke/issues/972.
    used = usage(tx, call.account)
    if used.attached[row.arn] or used.bounding[row.arn]:
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    if len(row.versions) > 1:
        raise DeleteConflictException(
            "This policy has more than one version. Before you delete a policy, you must delete "
            "the policy's versions. The default version is deleted with the policy."
        )
    identities.delete(tx, POLICIES, row)
    return {}


# -- versions -------------------------------------------------------------------------------------


@SERVICE.operation(on=entities.on_policy, home=home)
def create_policy_version(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _own(tx, call, request)
    if len(row.versions) >= VERSIONS_MAX:
        raise LimitExceededException(
            f"A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new "
            "version, you must delete an existing version."
        )
    number = row.latest + 1
    version = PolicyVersion(number, _checked(request["PolicyDocument"]), call.now)
    changed = replace(
        row,
        versions=(*row.versions, version),
        latest=number,
        updated=call.now,
        default=number if request.get("SetAsDefault") else row.default,
    )
    identities.put(tx, POLICIES, changed)
    return {"PolicyVersion": entities.show_version(changed, version, document=False)}


@SERVICE.operation(on=entities.on_policy, reads=True)
def get_policy_version(tx: Reader, call: Call, request: Fields) -> Fields:
    row = entities.policy(tx, call, request["PolicyArn"])
    version = _version(row, request["VersionId"])
    return {"PolicyVersion": entities.show_version(row, version, document=True)}


@SERVICE.operation(on=entities.on_policy, reads=True)
def list_policy_versions(tx: Reader, call: Call, request: Fields) -> Fields:
    row = entities.policy(tx, call, request["PolicyArn"])
    page, answer = pages.of_list(row.versions[::-1], request, "Versions")
    answer["Versions"] = [entities.show_version(row, v, document=False) for v in page]
    return answer


@SERVICE.operation(on=entities.on_policy, home=home)
def set_default_policy_version(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _own(tx, call, request)
    version = _version(row, request["VersionId"])
    identities.put(tx, POLICIES, replace(row, default=version.number, updated=call.now))
    return {}


@SERVICE.operation(on=entities.on_policy, home=home)
def delete_policy_version(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _own(tx, call, request)
    version = _version(row, request["VersionId"])
    if version.number == row.default:
        raise DeleteConflictException("Cannot delete the default version of a policy.")
    kept = tuple(v for v in row.versions if v is not version)
    identities.put(tx, POLICIES, replace(row, versions=kept))
    return {}


def _own(tx: Reader, call: Call, request: Fields) -> ManagedPolicy:
    """A policy that the account may change."""
    row = entities.policy(tx, call, request["PolicyArn"])
    if row.account == "aws":
        raise ValidationError("ARN belongs to an AWS managed policy and cannot be changed.")
    return row


def _version(row: ManagedPolicy, id: str) -> PolicyVersion:
    found = next((v for v in row.versions if v.id == id), None)
    if found is None:
        raise NoSuchEntityException(
            f"Policy {row.arn} version {id} does not exist or is not attachable."
        )
    return found


def _checked(document: str) -> str:
    entities.checked(document)
    if entities.size(document) > POLICY_CHARACTERS_MAX:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {POLICY_CHARACTERS_MAX}")
    return document


class Usage(NamedTuple):
    """How many users, groups and roles hold each policy, and of how many it is the boundary."""

    attached: Counter[str]
    bounding: Counter[str]

    def show(self, row: ManagedPolicy, whole: bool = True) -> Fields:
        return entities.show_policy(row, self.attached[row.arn], self.bounding[row.arn], whole)


def usage(tx: Reader, account: str) -> Usage:
    found = Usage(Counter(), Counter())
    for user in entities.rows(tx, USERS, account):
        found.attached.update(user.attached)
        found.bounding[user.boundary] += 1
    for group in entities.rows(tx, GROUPS, account):
        found.attached.update(group.attached)
    for role in entities.rows(tx, ROLES, account):
        found.attached.update(role.attached)
        found.bounding[role.boundary] += 1
    return found
