"""Holders of policies: what users, groups and roles have in common, written once.

Inline policies, attached policies, boundaries and tags have the same operations for each, under
names that differ by the noun: PutUserPolicy, PutGroupPolicy, PutRolePolicy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from ogi.access import identities
from ogi.access.identities import GROUPS, POLICIES, PROFILES, ROLES, USERS
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages
from ogi.services.iam.errors import (
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import Reader, Transaction
from ogi.storage.tables import Table

ATTACHED_MAX = {"User": 10, "Group": 10, "Role": 20}
"""Managed policies: "Cannot exceed quota for PoliciesPerRole: 20" is IAM's word of September 2026
(github.com/badmintoncryer/cdk-preflight, rules/iam/pf-iam-managed-policy-count)."""


@dataclass(frozen=True)
class Noun:
    """One kind of holder."""

    name: str
    """As operations name it: `User`."""
    table: Table[Any]
    find: Callable[[Reader, Call, str], Any]
    on: entities.On
    inline_characters_max: int = 0
    """Of all inline policies together (the same quotas page)."""
    member: str = ""

    def of(self, tx: Reader, call: Call, request: Fields) -> Any:
        return self.find(tx, call, request[self.member or f"{self.name}Name"])

    @property
    def keys(self) -> Callable[..., dict[str, Any]]:
        """The condition keys of what changes it."""
        if self.table in (USERS, ROLES):
            return entities.keys_of_bounded(self.table, f"{self.name}Name")
        return entities.condition_keys


USER = Noun("User", USERS, entities.user, entities.on_user, 2048)
GROUP = Noun("Group", GROUPS, entities.group, entities.on_group, 5120)
ROLE = Noun("Role", ROLES, entities.role, entities.on_role, 10240)
POLICY = Noun("Policy", POLICIES, entities.policy, entities.on_policy, member="PolicyArn")
PROFILE = Noun("InstanceProfile", PROFILES, entities.profile, entities.on_profile)


def _inline(noun: Noun) -> None:
    def put(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        document = entities.checked(request["PolicyDocument"])
        inline = {**row.inline, request["PolicyName"]: document}
        if sum(map(entities.size, inline.values())) > noun.inline_characters_max:
            raise LimitExceededException(
                f"Maximum policy size of {noun.inline_characters_max} bytes exceeded for "
                f"{noun.name.lower()} {row.name}"
            )
        identities.put(tx, noun.table, replace(row, inline=inline))
        return {}

    def get(tx: Reader, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        name = request["PolicyName"]
        return {
            f"{noun.name}Name": row.name,
            "PolicyName": name,
            "PolicyDocument": entities.encoded(_document(noun, row, name)),
        }

    def delete(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        _document(noun, row, request["PolicyName"])
        inline = {k: v for k, v in row.inline.items() if k != request["PolicyName"]}
        identities.put(tx, noun.table, replace(row, inline=inline))
        return {}

    def list_names(tx: Reader, call: Call, request: Fields) -> Fields:
        return pages.of_list(sorted(noun.of(tx, call, request).inline), request, "PolicyNames")[1]

    SERVICE.operation(on=noun.on, keys=noun.keys, home=home, name=f"Put{noun.name}Policy")(put)
    SERVICE.operation(on=noun.on, reads=True, name=f"Get{noun.name}Policy")(get)
    SERVICE.operation(on=noun.on, keys=noun.keys, home=home, name=f"Delete{noun.name}Policy")(
        delete
    )
    SERVICE.operation(on=noun.on, reads=True, name=f"List{noun.name}Policies")(list_names)


def _document(noun: Noun, row: Any, name: str) -> str:
    document: str | None = row.inline.get(name)
    if document is None:
        raise NoSuchEntityException(
            f"The {noun.name.lower()} policy with name {name} cannot be found."
        )
    return document


def _attached(noun: Noun) -> None:
    def attach(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        arn = request["PolicyArn"]
        entities.attachable(tx, call, arn)
        if arn in row.attached:
            return {}
        most = ATTACHED_MAX[noun.name]
        if len(row.attached) >= most:
            raise LimitExceededException(f"Cannot exceed quota for PoliciesPer{noun.name}: {most}")
        identities.put(tx, noun.table, replace(row, attached=(*row.attached, arn)))
        return {}

    def detach(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        arn = request["PolicyArn"]
        entities.require_policy_arn(arn)
        if arn not in row.attached:
            raise NoSuchEntityException(f"Policy {arn} was not found.")
        kept = tuple(held for held in row.attached if held != arn)
        identities.put(tx, noun.table, replace(row, attached=kept))
        return {}

    def list_attached(tx: Reader, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        prefix = request.get("PathPrefix", "/")
        held = [arn for arn in row.attached if _path(arn).startswith(prefix)]
        page, answer = pages.of_list(held, request, "AttachedPolicies")
        answer["AttachedPolicies"] = [
            {"PolicyName": identities.name_in(arn), "PolicyArn": arn} for arn in page
        ]
        return answer

    SERVICE.operation(on=noun.on, home=home, keys=noun.keys, name=f"Attach{noun.name}Policy")(
        attach
    )
    SERVICE.operation(on=noun.on, home=home, keys=noun.keys, name=f"Detach{noun.name}Policy")(
        detach
    )
    SERVICE.operation(on=noun.on, reads=True, name=f"ListAttached{noun.name}Policies")(
        list_attached
    )


def _path(arn: str) -> str:
    """`/service-role/` of arn:aws:iam::aws:policy/service-role/AWSLambdaRole."""
    return arn.partition(":policy")[2].rpartition("/")[0] + "/"


def _boundary(noun: Noun) -> None:
    def put(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        changed = replace(row, boundary=entities.boundary(tx, call, request))
        identities.put(tx, noun.table, changed)
        return {}

    def delete(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = noun.of(tx, call, request)
        if not row.boundary:
            raise NoSuchEntityException(
                f"The {noun.name.lower()} with name {row.name} has no permissions boundary."
            )
        identities.put(tx, noun.table, replace(row, boundary=""))
        return {}

    SERVICE.operation(
        on=noun.on, keys=noun.keys, home=home, name=f"Put{noun.name}PermissionsBoundary"
    )(put)
    SERVICE.operation(
        on=noun.on, keys=noun.keys, home=home, name=f"Delete{noun.name}PermissionsBoundary"
    )(delete)


def _tags(noun: Noun) -> None:
    fold = entities.folded if noun in (USER, ROLE) else entities.exact

    def tag(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = _own(noun.of(tx, call, request))
        tags = entities.with_tags(row.tags, request["Tags"], fold)
        identities.put(tx, noun.table, replace(row, tags=tags))
        return {}

    def untag(tx: Transaction, call: Call, request: Fields) -> Fields:
        row = _own(noun.of(tx, call, request))
        gone = set(map(fold, request["TagKeys"]))
        tags = {k: v for k, v in row.tags.items() if fold(k) not in gone}
        identities.put(tx, noun.table, replace(row, tags=tags))
        return {}

    def list_tags(tx: Reader, call: Call, request: Fields) -> Fields:
        tags = entities.show_tags(noun.of(tx, call, request).tags)
        return pages.of_list(tags, request, "Tags")[1]

    SERVICE.operation(on=noun.on, keys=noun.keys, home=home, name=f"Tag{noun.name}")(tag)
    SERVICE.operation(on=noun.on, keys=noun.keys, home=home, name=f"Untag{noun.name}")(untag)
    SERVICE.operation(on=noun.on, reads=True, name=f"List{noun.name}Tags")(list_tags)


def _own(row: Any) -> Any:
    if row.account == "aws":
        raise ValidationError("ARN belongs to an AWS managed policy and cannot be changed.")
    return row


for _noun in (USER, GROUP, ROLE):
    _inline(_noun)
    _attached(_noun)
for _noun in (USER, ROLE):
    _boundary(_noun)
for _noun in (USER, ROLE, POLICY, PROFILE):
    _tags(_noun)
