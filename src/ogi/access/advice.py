"""Advice: the smallest statements that would allow a refused request, and where to put them.

Law: advice is tried before it is given. Each statement is put to the same judge as the request was,
and one that is not needed is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from ogi.access import grants, policy
from ogi.access.evidence import Evidence
from ogi.access.judgements import BOUNDARY, IDENTITY, RESOURCE, SESSION
from ogi.service import Principal

VERSION = "2012-10-17"
_DATA_KEYS = ["kms:GenerateDataKey*", "kms:Decrypt"]
"""What a producer of an encrypted queue or topic needs, always together:
docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html and
docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"""

_RESOURCE_PLACES: Mapping[str, tuple[str, str]] = {
    "sqs": ("queue policy", "the queue's attribute Policy; AWS::SQS::QueuePolicy"),
    "sns": ("topic policy", "the topic's attribute Policy; AWS::SNS::TopicPolicy"),
    "s3": ("bucket policy", "PutBucketPolicy; AWS::S3::BucketPolicy"),
    "kms": ("key policy", "PutKeyPolicy; KeyPolicy of AWS::KMS::Key"),
    "lambda": ("function policy", "AddPermission; AWS::Lambda::Permission"),
    "sts": (
        "trust policy",
        "UpdateAssumeRolePolicy; AssumeRolePolicyDocument of AWS::IAM::Role",
    ),
}


class Place(msgspec.Struct, frozen=True):
    """Where a policy stands."""

    words: str
    """`key policy of arn:aws:kms:...`"""
    how: str
    """By which request or property it is put there."""

    @classmethod
    def of(cls, evidence: Evidence, kind: str) -> Place:
        principal = evidence.call.principal
        who = principal.role_arn or principal.arn
        if kind == IDENTITY:
            how = "Role" if principal.role_arn else "User"
            return cls(f"identity policy of {who}", f"Put{how}Policy; AWS::IAM::Policy")
        if kind == BOUNDARY:
            at = evidence.held.boundary_arn
            return cls(f"permissions boundary {at} of {who}", "CreatePolicyVersion of the boundary")
        if kind == SESSION:
            return cls(
                f"session policy of {principal.arn}", "Policy of the AssumeRole that began it"
            )
        name, how = _RESOURCE_PLACES.get(evidence.service, ("resource-based policy", ""))
        where = evidence.resource
        if evidence.service == "s3":
            where = where.partition("/")[0]  # Objects are under their bucket's policy.
        return cls(f"{name} of {where}", how)


class Advice(msgspec.Struct, frozen=True):
    """One statement to add."""

    kind: str
    place: str
    how: str
    statement: dict[str, Any]
    command: str = ""
    """For policies that are written by command only (Lambda's)."""


def smallest(evidence: Evidence) -> tuple[tuple[Advice, ...], str]:
    """The statements that would allow it, all of them together; or why there are none."""
    obstacle = _obstacle(evidence)
    if obstacle:
        return (), obstacle
    added: dict[str, dict[str, Any]] = {}
    while (against := _with(evidence, added).judge()) is not None:
        if against.explicit or against.kind in added:
            return (), "No further statement allows it."
        if against.kind == RESOURCE and not evidence.takes_policies:
            return (), (
                f"{evidence.service} has no resource-based policies: it can be allowed only to"
                f" principals of the account {evidence.owner}."
            )
        if against.kind == RESOURCE and evidence.fixed:
            return (), (
                "The policy of an AWS-managed key cannot be changed, and it lets only principals"
                " of the account in, through its service. Use a customer managed key whose policy"
                f" has this statement: {json.dumps(_statement(evidence, RESOURCE))}"
            )
        added[against.kind] = _statement(evidence, against.kind)
    for kind in list(added):
        fewer = {other: statement for other, statement in added.items() if other != kind}
        if _with(evidence, fewer).judge() is None:
            added = fewer
    return tuple(_advice(evidence, kind, statement) for kind, statement in added.items()), ""


def _obstacle(evidence: Evidence) -> str:
    principal = evidence.call.principal
    against = evidence.judge()
    if against is not None and against.explicit:
        return (
            "An explicit deny wins over every allow: change the denying statement of the"
            f" {Place.of(evidence, against.kind).words}, or its conditions."
        )
    if principal.kind in ("user", "role") and evidence.held is grants.NOTHING:
        owner = principal.role_arn or principal.arn
        return f"{owner} does not exist any more, and one made anew is somebody else."
    return ""


def _with(evidence: Evidence, added: Mapping[str, dict[str, Any]]) -> Evidence:
    names = {IDENTITY: "identity", BOUNDARY: "boundary", SESSION: "session", RESOURCE: "resource"}
    compiled = {
        names[kind]: [("advice", s) for s in compile(statement).statements]
        for kind, statement in added.items()
    }
    return evidence.with_(**compiled)


def compile(statement: Mapping[str, Any]) -> policy.Policy:
    """A policy of this one statement."""
    return policy.compile(json.dumps({"Version": VERSION, "Statement": [statement]}))


def _statement(evidence: Evidence, kind: str) -> dict[str, Any]:
    action: str | list[str] = evidence.action
    if action in ("kms:GenerateDataKey", "kms:Decrypt") and _for_messages(evidence):
        action = _DATA_KEYS
    if kind != RESOURCE:
        return {"Effect": "Allow", "Action": action, "Resource": literal(evidence.resource)}
    statement: dict[str, Any] = {
        "Effect": "Allow", "Principal": _principal(evidence.call.principal), "Action": action,
    }  # fmt: skip
    if evidence.service == "kms":
        statement["Resource"] = "*"  # "This key": the only one that a key policy speaks of.
    elif evidence.service != "sts":
        statement["Resource"] = literal(evidence.resource)
    condition = _condition(evidence)
    if condition:
        statement["Condition"] = condition
    return statement


def _for_messages(evidence: Evidence) -> bool:
    """Whether a queue or a topic asks for a producer; a consumer needs Decrypt alone."""
    via = _value(evidence, "kms:ViaService")
    producing = evidence.action == "kms:GenerateDataKey"
    return (producing or not evidence.call.principal.account) and via.startswith(("sqs.", "sns."))


def _principal(principal: Principal) -> Any:
    if principal.kind == "service":
        return {"Service": principal.arn}
    if principal.kind == "anonymous":
        return "*"
    return {"AWS": principal.role_arn or principal.arn}


def _condition(evidence: Evidence) -> dict[str, Any]:
    """For a service, the resource for which it acts: else it could be anybody's deputy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    if evidence.call.principal.kind != "service":
        return {}
    condition: dict[str, Any] = {}
    source, account = _source(evidence)
    if source:
        condition["ArnEquals"] = {"aws:SourceArn": literal(source)}
    if account:
        condition["StringEquals"] = {"aws:SourceAccount": account}
    return condition


def _source(evidence: Evidence) -> tuple[str, str]:
    """The ARN for which a service acts, and its account where the ARN does not say it."""
    source = _value(evidence, "aws:SourceArn")
    account = _value(evidence, "aws:SourceAccount")
    # A bucket's ARN does not say whose it is, and may be somebody else's one day.
    return source, account if not source or ":s3:::" in source else ""


def _value(evidence: Evidence, key: str) -> str:
    return (evidence.asked.values(key.lower()) or [""])[0]


def literal(text: str) -> str:
    """A resource's name so that its `*`, `?` and `${` stand for themselves."""
    if text == "*":
        return text
    text = text.replace("${", "${$}{")
    return "".join("${" + c + "}" if c in "*?" else c for c in text)


def _advice(evidence: Evidence, kind: str, statement: dict[str, Any]) -> Advice:
    place = Place.of(evidence, kind)
    command = ""
    if kind == RESOURCE and evidence.service == "lambda":
        command = _add_permission(evidence)
    return Advice(kind, place.words, place.how, statement, command)


def _add_permission(evidence: Evidence) -> str:
    principal = evidence.call.principal
    words = [
        "aws lambda add-permission", f"--function-name {evidence.resource}",
        "--statement-id allow-" + principal.arn.rpartition("/")[2].partition(".")[0],
        f"--action {evidence.action}", f"--principal {principal.role_arn or principal.arn}",
    ]  # fmt: skip
    if principal.kind == "service":
        source, account = _source(evidence)
        words += [f"--source-arn {source}"] if source else []
        words += [f"--source-account {account}"] if account else []
    return " ".join(words)
