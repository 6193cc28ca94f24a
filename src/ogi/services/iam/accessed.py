"""Services last accessed: which services an identity may reach, and when it reached them last.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ogi.access import grants, identities, policy
from ogi.access.identities import GROUPS, MEMBERS, ROLES, USERS, Role, User
from ogi.access.policy import Rules
from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, uses
from ogi.services.iam.errors import InvalidInputException, NoSuchEntityException
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table

JOBS_MAX = 50
"""Reports kept per account; the oldest goes first."""
ENTITIES_MAX = 5000
"""Users and roles that one report looks at: IAM's quota of users."""
SCAN_MAX = 200

NAMES = {
    "cloudformation": "AWS CloudFormation",
    "cloudwatch": "Amazon CloudWatch",
    "iam": "AWS Identity and Access Management",
    "kms": "AWS Key Management Service",
    "lambda": "AWS Lambda",
    "logs": "Amazon CloudWatch Logs",
    "s3": "Amazon S3",
    "sns": "Amazon SNS",
    "sqs": "Amazon SQS",
    "sts": "AWS Security Token Service",
}
"""By namespace, in its order. https://docs.aws.amazon.com/service-authorization/latest/reference/"""
_SIGNING = {"cloudwatch": "monitoring"}


class Access(msgspec.Struct, frozen=True):
    """The last access of one user or role to one service."""

    service: str
    arn: str
    id: str
    at: float
    region: str


class Job(msgspec.Struct, frozen=True):
    id: str
    made: float
    asker: str
    """The unique id of the user or role that asked, who alone may read it."""
    services: tuple[str, ...]
    """That the policies allow to reach."""
    accesses: tuple[Access, ...]


_JOBS = Table("iam-accessed-jobs", Job, cached=False)


def _on(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["Arn"]
    return arn


@SERVICE.operation(on=_on, home=home)
def generate_service_last_accessed_details(tx: Transaction, call: Call, request: Fields) -> Fields:
    if request.get("Granularity", "SERVICE_LEVEL") != "SERVICE_LEVEL":
        raise unsupported("the granularity ACTION_LEVEL of iam:GenerateServiceLastAccessedDetails")
    rules, found = _looked_at(tx, call, request["Arn"])
    job = Job(
        id=call.new_id(),
        made=call.now,
        asker=_asker(call),
        services=tuple(name for name in NAMES if _may_reach(call, rules, name)),
        accesses=tuple(access for entity in found for access in _accesses(tx, entity)),
    )
    held = [row for _, row in _JOBS.scan(tx, CONTROL, call.account, limit=JOBS_MAX)]
    if len(held) == JOBS_MAX:
        oldest = min(held, key=lambda row: row.made)
        _JOBS.delete(tx, CONTROL, call.account, oldest.id)
    _JOBS.put(tx, job, CONTROL, call.account, job.id)
    return {"JobId": job.id}


@SERVICE.operation(reads=True)
def get_service_last_accessed_details(tx: Reader, call: Call, request: Fields) -> Fields:
    job = _job(tx, call, request["JobId"])
    page, answer = pages.of_list(job.services, request, "ServicesLastAccessed")
    answer["ServicesLastAccessed"] = [_shown(job, service) for service in page]
    return {**_head(job), "JobType": "SERVICE_LEVEL", **answer}


@SERVICE.operation(reads=True)
def get_service_last_accessed_details_with_entities(
    tx: Reader, call: Call, request: Fields
) -> Fields:
    job = _job(tx, call, request["JobId"])
    service = request["ServiceNamespace"]
    if service not in job.services:
        raise InvalidInputException(f"The service namespace {service} is not in the report.")
    found = [access for access in job.accesses if access.service == service]
    page, answer = pages.of_list(found, request, "EntityDetailsList")
    answer["EntityDetailsList"] = [
        {
            "EntityInfo": {
                "Arn": access.arn,
                "Name": identities.name_in(access.arn),
                "Type": "ROLE" if ":role/" in access.arn else "USER",
                "Id": access.id,
                "Path": _path(access.arn),
            },
            "LastAuthenticated": access.at,
        }
        for access in page
    ]
    return {**_head(job), **answer}


@SERVICE.operation(on=_on, reads=True)
def list_policies_granting_service_access(tx: Reader, call: Call, request: Fields) -> Fields:
    """The identity's policies that allow something of each service, inline and managed."""
    policies = list(_policies(tx, call, request["Arn"]))
    answer: list[Fields] = []
    for service in request["ServiceNamespaces"]:
        if service not in NAMES:
            raise InvalidInputException(f"The service namespace {service} is not known.")
        shown = [row for row, rules in policies if _may_reach(call, rules, service)]
        answer.append({"ServiceNamespace": service, "Policies": shown})
    return {"PoliciesGrantingServiceAccess": answer, "IsTruncated": False}


def _policies(tx: Reader, call: Call, arn: str) -> Iterator[tuple[Fields, Rules]]:
    """All that an identity holds, a user's groups included."""
    noun = arn.partition(f"::{call.account}:")[2].partition("/")[0]
    tables: dict[str, Table[Any]] = {"user": USERS, "group": GROUPS, "role": ROLES}
    table = tables.get(noun)
    found: Any = None
    if table is not None:
        found = identities.find(tx, table, call.account, identities.name_in(arn))
    if found is None or found.arn != arn:
        raise NoSuchEntityException(f"The entity {arn} cannot be found.")
    held = [(noun, found)]
    for name in getattr(found, "groups", ()):
        group = identities.find(tx, GROUPS, call.account, name)
        held += [("group", group)] if group is not None else []
    for kind, row in held:
        for name, document in row.inline.items():
            shown = {"PolicyName": name, "PolicyType": "INLINE", "EntityType": kind.upper(),
                     "EntityName": row.name}  # fmt: skip
            yield shown, policy.compile(document).rules
        for attached in row.attached:
            text = grants.document_of(tx, attached)
            if text is not None:
                shown = {"PolicyName": identities.name_in(attached), "PolicyType": "MANAGED",
                         "PolicyArn": attached}  # fmt: skip
                yield shown, policy.compile(text).rules


def _job(tx: Reader, call: Call, id: str) -> Job:
    """ "...must be used by the same role within a session, or by the same user" (API reference)"""
    job = _JOBS.get(tx, CONTROL, call.account, id)
    if job is None or job.asker != _asker(call):
        raise NoSuchEntityException(f"The job with id {id} cannot be found.")
    return job


def _asker(call: Call) -> str:
    return call.principal.id.partition(":")[0]


def _head(job: Job) -> Fields:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.made, "JobCompletionDate": job.made}


def _shown(job: Job, service: str) -> Fields:
    shown: Fields = {"ServiceName": NAMES[service], "ServiceNamespace": service}
    found = [access for access in job.accesses if access.service == service]
    if found:
        last = max(found, key=lambda access: access.at)
        shown["LastAuthenticated"] = last.at
        shown["LastAuthenticatedEntity"] = last.arn
        shown["LastAuthenticatedRegion"] = last.region
        shown["TotalAuthenticatedEntities"] = len(found)
    return shown


def _path(arn: str) -> str:
    return "/" + "".join(f"{part}/" for part in arn.split("/")[1:-1])


# -- whom a report looks at -----------------------------------------------------------------------


def _looked_at(tx: Reader, call: Call, arn: str) -> tuple[Rules, list[User | Role]]:
    """The policies whose reach is reported, and the users and roles that have them."""
    account, name = call.account, identities.name_in(arn)
    if identities.account_in(arn) not in (account, "aws"):
        raise NoSuchEntityException(f"The entity {arn} cannot be found.")
    if ":policy/" in arn:
        rules = policy.compile(entities.policy(tx, call, arn).document).rules
        return rules, list(_holders(tx, account, arn))
    if ":group/" in arn:
        group = identities.find(tx, GROUPS, account, name)
        if group is not None and group.arn == arn:
            rules = Rules([s for _, s in grants.sources_of(tx, group)])
            return rules, list(_members(tx, account, group.name))
    else:
        found: User | Role | None
        if ":role/" in arn:
            found = identities.find(tx, ROLES, account, name)
        else:
            found = identities.find(tx, USERS, account, name)
        if found is not None and found.arn == arn:
            return grants.of_owner(tx, arn).identity, [found]
    raise NoSuchEntityException(f"The entity {arn} cannot be found.")


def _holders(tx: Reader, account: str, arn: str) -> Iterator[User | Role]:
    """Who holds a policy, by itself or by a group."""
    by_group = {group.name for group in entities.rows(tx, GROUPS, account) if arn in group.attached}
    for user in entities.rows(tx, USERS, account):
        if arn in user.attached or by_group.intersection(user.groups):
            yield user
    yield from (role for role in entities.rows(tx, ROLES, account) if arn in role.attached)


def _members(tx: Reader, account: str, group: str) -> Iterator[User]:
    for _, row in MEMBERS.scan(tx, CONTROL, account, group.lower(), limit=ENTITIES_MAX):
        user = identities.find(tx, USERS, account, row.user)
        if user is not None:
            yield user


def _accesses(tx: Reader, entity: User | Role) -> Iterator[Access]:
    used = uses.of_services(tx, entity.id)
    for service in NAMES:
        last = used.get(_SIGNING.get(service, service))
        if last is not None:
            yield Access(service, entity.arn, entity.id, last.at, last.region)


def _may_reach(call: Call, rules: Rules, service: str) -> bool:
    """Whether a statement allows some action of the service, whatever else it asks."""
    known = call.ports.services.get(service)
    operations = [] if known is None else list(known.operations)
    actions = {f"{service}:{name}" for name in operations}
    return any(
        statement.allows and any(statement.speaks_of_action(a.lower()) for a in actions)
        for statement in rules.statements
    )
