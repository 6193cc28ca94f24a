"""Entities: users, groups, roles, policies and profiles, found by name, and how AWS shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ogi.access import grants, identities, managed, providers, trusts
from ogi.access import policy as policies
from ogi.access.grammar import check_identity
from ogi.access.identities import (
    GROUPS,
    POLICIES,
    PROFILES,
    ROLES,
    USERS,
    Entity,
    Group,
    InstanceProfile,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)
from ogi.service import Call, Fields, Service
from ogi.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    ValidationError,
)
from ogi.storage import Reader
from ogi.storage.tables import Table

TAGS_MAX = 50
TAGS_OF_AWS = "aws:"
SCAN_MAX = 200

_POLICY_ARN = re.compile(r"arn:aws:iam::(aws|\d{12}):policy/[!-~]+")

On = Callable[[Reader, Call, Fields], str]
Fold = Callable[[str], str]


def user(tx: Reader, call: Call, name: str) -> User:
    return _found(tx, call, USERS, name, f"The user with name {name} cannot be found.")


def group(tx: Reader, call: Call, name: str) -> Group:
    return _found(tx, call, GROUPS, name, f"The group with name {name} cannot be found.")


def role(tx: Reader, call: Call, name: str) -> Role:
    return _found(tx, call, ROLES, name, f"The role with name {name} cannot be found.")


def profile(tx: Reader, call: Call, name: str) -> InstanceProfile:
    return _found(tx, call, PROFILES, name, f"Instance Profile {name} cannot be found.")


def policy(tx: Reader, call: Call, arn: str) -> ManagedPolicy:
    """A managed policy, a customer's or AWS's."""
    require_policy_arn(arn)
    found = managed.policies().get(arn)
    if found is None and identities.account_in(arn) == call.account:
        found = identities.find(tx, POLICIES, call.account, identities.name_in(arn))
    if found is None or found.arn != arn:
        raise NoSuchEntityException(f"Policy {arn} was not found.")
    return found


def attachable(tx: Reader, call: Call, arn: str, noun: str = "Policy") -> None:
    require_policy_arn(arn)
    account = identities.account_in(arn)
    if account not in ("aws", call.account) or grants.document_of(tx, arn) is None:
        raise NoSuchEntityException(f"{noun} {arn} does not exist or is not attachable.")


def boundary(tx: Reader, call: Call, request: Fields) -> str:
    """The permissions boundary that a request names; '' if it names none."""
    arn: str = request.get("PermissionsBoundary", "")
    if arn:
        attachable(tx, call, arn, "Scope ARN:")
    return arn


def check_path(path: str) -> None:
    """IAM's answer in cdk-preflight, rules/iam/pf-iam-path-service-role-reserved."""
    if path.startswith("/aws-service-role"):
        raise InvalidInputException(
            "Paths beginning with '/aws-service-role' are reserved for AWS Service Linked Roles"
        )


def require_policy_arn(arn: str) -> None:
    """In the words of github.com/hashicorp/terraform-provider-aws/issues/1337."""
    if arn.startswith(("arn:aws-cn:", "arn:aws-us-gov:")):
        raise ValidationError("Invalid ARN partition")  # cdk-preflight, pf-iam-policy-arn-partition
    if not _POLICY_ARN.fullmatch(arn):
        raise InvalidInputException(f"ARN {arn} is not valid.")


def _found(tx: Reader, call: Call, table: Table[Entity], name: str, missing: str) -> Entity:
    found = identities.find(tx, table, call.account, name)
    if found is None:
        raise NoSuchEntityException(missing)
    return found


def refuse_existing(tx: Reader, call: Call, table: Table[Entity], name: str, sentence: str) -> None:
    if identities.find(tx, table, call.account, name) is not None:
        raise EntityAlreadyExistsException(sentence)


def rows(tx: Reader, table: Table[Entity], account: str) -> Iterator[Entity]:
    """All of an account's, page by page; IAM's quotas keep them to some thousands."""
    start: bytes | None = None
    while True:
        entries = identities.page(tx, table, account, start, SCAN_MAX)
        yield from (row for _, row in entries)
        if len(entries) < SCAN_MAX:
            return
        start = entries[-1][0] + b"\x00"


# -- what is authorised ---------------------------------------------------------------------------


def on_named(table: Table[Entity], noun: str, member: str) -> On:
    """The ARN of the entity that the request names; a new one's has the request's path."""

    def on(tx: Reader, call: Call, request: Fields) -> str:
        name = request.get(member)
        if name is None:
            # Operations whose name may be left out mean the caller.
            return call.principal.arn
        found = identities.find(tx, table, call.account, name)
        if found is not None:
            return found.arn
        return f"arn:aws:iam::{call.account}:{noun}{request.get('Path', '/')}{name}"

    return on


def on_all(noun: str) -> On:
    """What a list is authorised on: arn:aws:iam::111122223333:user/"""

    def on(tx: Reader, call: Call, request: Fields) -> str:
        return f"arn:aws:iam::{call.account}:{noun}{request.get('PathPrefix', '/')}"

    return on


on_user = on_named(USERS, "user", "UserName")
on_group = on_named(GROUPS, "group", "GroupName")
on_role = on_named(ROLES, "role", "RoleName")
on_profile = on_named(PROFILES, "instance-profile", "InstanceProfileName")


def on_policy(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["PolicyArn"]
    return arn


# -- documents ------------------------------------------------------------------------------------


def checked(document: str) -> str:
    """A permissions policy that may be stored."""
    try:
        check_identity(policies.compile(document))
    except policies.PolicySyntax as error:
        raise MalformedPolicyDocumentException(error.of_iam) from None
    return document


def trusted(tx: Reader, document: str) -> str:
    """A trust policy, bound to whom it names."""
    try:
        return trusts.bind(tx, document)
    except policies.PolicySyntax as error:
        raise MalformedPolicyDocumentException(error.of_iam) from None


def size(document: str) -> int:
    """IAM does not count white space."""
    return sum(1 for char in document if not char.isspace())


def encoded(document: str) -> str:
    """ "The policy document ... is URL-encoded compliant with RFC 3986" (API reference)."""
    return quote(document, safe="")


# -- tags -----------------------------------------------------------------------------------------


def tags_of(request: Fields, fold: Fold) -> dict[str, str]:
    return with_tags({}, request.get("Tags", []), fold)


def folded(key: str) -> str:
    """Tag keys of users and roles "are not case sensitive, but case is preserved".

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
    """
    return key.lower()


def exact(key: str) -> str:
    """Tag keys of all else are case-sensitive (the same page)."""
    return key


def with_tags(old: Mapping[str, str], added: list[dict[str, str]], fold: Fold) -> dict[str, str]:
    """`fold`: what two keys have in common that are one; the first keeps its case."""
    tags = dict(old)
    cases = {fold(key): key for key in tags}
    seen = set()
    for tag in added:
        same = fold(tag["Key"])
        if any(text.lower().startswith(TAGS_OF_AWS) for text in tag.values()):
            # The same page; the sentence is ours.
            raise InvalidInputException(f"Tag keys and values cannot begin with {TAGS_OF_AWS}")
        if same in seen:
            raise InvalidInputException(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            )
        seen.add(same)
        key = cases.setdefault(same, tag["Key"])
        tags[key] = tag["Value"]
    if len(tags) > TAGS_MAX:
        raise LimitExceededException("The number of tags has reached the maximum limit.")
    return tags


def condition_keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """aws:RequestTag and aws:TagKeys of a request; those that an entity has are found by its ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
    """
    given = request.get("Tags", [])
    keys: dict[str, Any] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in given}
    names = [tag["Key"] for tag in given] or request.get("TagKeys", [])
    if names:
        keys["aws:TagKeys"] = names
    if "PolicyArn" in request:
        keys["iam:PolicyARN"] = request["PolicyArn"]
    if "PermissionsBoundary" in request:
        keys["iam:PermissionsBoundary"] = request["PermissionsBoundary"]
    return keys


def keys_of_bounded(table: Table[Any], member: str) -> Callable[..., dict[str, Any]]:
    """The same with iam:PermissionsBoundary: of the request, else of the user or role it names.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
    """

    def keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
        found = condition_keys(tx, call, request)
        if "iam:PermissionsBoundary" not in found and member in request:
            row = identities.find(tx, table, call.account, request[member])
            if row is not None and row.boundary:
                found["iam:PermissionsBoundary"] = row.boundary
        return found

    return keys


def may_tag(tx: Reader, call: Call, service: Service, noun: str, arn: str, request: Fields) -> None:
    """Who makes an entity with tags must be allowed to tag it, too (`iam:TagRole`)."""
    if request.get("Tags"):
        keys = {**call.context, **condition_keys(tx, call, request)}
        call.ports.authorise(tx, call, service, (f"iam:Tag{noun}",), (arn,), keys)


def tags_at(tx: Reader, arn: str) -> Mapping[str, str] | None:
    """The tags of a user, role, policy, instance profile or OIDC provider."""
    account, name = identities.account_in(arn), identities.name_in(arn)
    if ":oidc-provider/" in arn:
        provider = providers.at(tx, arn)
        return None if provider is None else provider.tags
    for noun, table in _TAGGED.items():
        if f":{noun}/" in arn:
            row = identities.find(tx, table, account, name)
            return row.tags if row is not None and row.arn == arn else None
    return None


_TAGGED: Mapping[str, Table[Any]] = {
    "user": USERS, "role": ROLES, "policy": POLICIES, "instance-profile": PROFILES,
}  # fmt: skip


def show_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


# -- how AWS shows them ---------------------------------------------------------------------------


def show_user(row: User, whole: bool = True) -> Fields:
    shown: Fields = {
        "Path": row.path,
        "UserName": row.name,
        "UserId": row.id,
        "Arn": row.arn,
        "CreateDate": row.created,
    }
    return _with_rest(shown, row, whole)


def show_group(row: Group) -> Fields:
    return {
        "Path": row.path,
        "GroupName": row.name,
        "GroupId": row.id,
        "Arn": row.arn,
        "CreateDate": row.created,
    }


def show_role(tx: Reader, row: Role, whole: bool = True) -> Fields:
    shown: Fields = {
        "Path": row.path,
        "RoleName": row.name,
        "RoleId": row.id,
        "Arn": row.arn,
        "CreateDate": row.created,
        "AssumeRolePolicyDocument": encoded(trusts.shown(tx, row)),
        "MaxSessionDuration": row.max_session_s,
    }
    if row.description is not None:
        shown["Description"] = row.description
    return _with_rest(shown, row, whole)


def show_policy(
    row: ManagedPolicy, attachments: int, boundaries: int, whole: bool = True
) -> Fields:
    shown: Fields = {
        "PolicyName": row.name,
        "PolicyId": row.id,
        "Arn": row.arn,
        "Path": row.path,
        "DefaultVersionId": f"v{row.default}",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "CreateDate": row.created,
        "UpdateDate": row.updated,
    }
    if whole and row.description is not None:
        shown["Description"] = row.description
    if whole and row.tags:
        shown["Tags"] = show_tags(row.tags)
    return shown


def show_version(row: ManagedPolicy, version: PolicyVersion, document: bool) -> Fields:
    shown: Fields = {
        "VersionId": version.id,
        "IsDefaultVersion": version.number == row.default,
        "CreateDate": version.created,
    }
    if document:
        shown["Document"] = encoded(version.document)
    return shown


def show_profile(tx: Reader, row: InstanceProfile) -> Fields:
    held = identities.find(tx, ROLES, row.account, row.role) if row.role else None
    shown: Fields = {
        "Path": row.path,
        "InstanceProfileName": row.name,
        "InstanceProfileId": row.id,
        "Arn": row.arn,
        "CreateDate": row.created,
        "Roles": [] if held is None else [show_role(tx, held, whole=False)],
    }
    if row.tags:
        shown["Tags"] = show_tags(row.tags)
    return shown


def _with_rest(shown: Fields, row: User | Role, whole: bool) -> Fields:
    """Lists leave out tags and boundary."""
    if not whole:
        return shown
    if row.boundary:
        shown["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": row.boundary,
        }
    if row.tags:
        shown["Tags"] = show_tags(row.tags)
    return shown
