"""Refusals in AWS's words, by the type of policy that decides and by service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ogi.service import ANONYMOUS, Principal, service_principal
from tests.access.court import ACCOUNT, KEY, OTHER, QUEUE, ROOT_ARN, Court, document, statement

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:t"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
ALL = statement("*")
DENY = statement("*", effect="Deny")


@pytest.fixture
def court() -> Court:
    return Court()


def _resource(court: Court) -> Principal:
    court.policies[QUEUE] = document(statement("*", effect="Deny", Principal="*"))
    return court.user(ALL)


def _managed(court: Court) -> Principal:
    return court.user(ALL, attached=(court.managed("no", ALL, DENY),))


MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/no"

BY_TYPE: list[tuple[Callable[[Court], Principal], str]] = [
    (lambda court: court.user(),
     "because no identity-based policy allows the sqs:sendmessage action"),
    (lambda court: court.user(ALL, DENY), "with an explicit deny in an identity-based policy"),
    (_managed, f"with an explicit deny in an identity-based policy: {MANAGED}"),
    (lambda court: court.user(ALL, boundary=court.managed("no", statement("s3:*"))),
     "because no permissions boundary allows the sqs:sendmessage action"),
    (lambda court: court.user(ALL, boundary=court.managed("no", ALL, DENY)),
     f"with an explicit deny in a permissions boundary: {MANAGED}"),
    (lambda court: court.session(court.role(ALL), document(statement("s3:*"))),
     "because no session policy allows the sqs:sendmessage action"),
    (lambda court: court.session(court.role(ALL), document(ALL, DENY)),
     "with an explicit deny in a session policy"),
    (lambda court: court.session(court.role(ALL), court.managed("no", ALL, DENY)),
     f"with an explicit deny in a session policy: {MANAGED}"),
    (lambda court: court.user(ALL, account=OTHER),
     "because no resource-based policy allows the sqs:sendmessage action"),
    (_resource, "with an explicit deny in a resource-based policy"),
    (lambda court: service_principal("sns.amazonaws.com"),
     "because no resource-based policy allows the sqs:sendmessage action"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "context"), BY_TYPE)
def test_the_type_of_policy_that_decides_is_named(
    court: Court, make: Callable[[Court], Principal], context: str
) -> None:
    principal = make(court)
    assert court.ask(principal) == (
        f"User: {principal.arn} is not authorized to perform: sqs:sendmessage on resource: {QUEUE}"
        f" {context}"
    )


def test_a_policys_arn_is_not_told_across_accounts(court: Court) -> None:
    denied = court.user(ALL, account=OTHER, attached=(court.managed("no", DENY, account=OTHER),))
    refusal = court.ask(denied)
    assert refusal is not None
    assert refusal.endswith("with an explicit deny in an identity-based policy")


def test_a_trust_policy_tells_that_it_denies_and_no_more(court: Court) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    court.policies[role] = document(
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"}
    )
    said = f"User: {BOB} is not authorized to perform: sts:AssumeRole on resource: {role}"
    bob = court.user(ALL)
    assert court.ask(bob, "sts:AssumeRole", role) == said
    court.policies[role] = document(
        {"Effect": "Deny", "Principal": {"AWS": ROOT_ARN}, "Action": "sts:AssumeRole"}
    )
    assert court.ask(bob, "sts:AssumeRole", role) == (
        f"{said} with an explicit deny in the role trust policy"
    )


USER, ROLE = f"arn:aws:iam::{ACCOUNT}:user/team/ann", f"arn:aws:iam::{ACCOUNT}:role/r"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/p"
PROFILE = f"arn:aws:iam::{ACCOUNT}:instance-profile/x"
LOG = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:g"
STACK = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/s/*"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"


@pytest.mark.parametrize(
    ("action", "resource", "said", "named"),
    [
        ("sqs:SendMessage", QUEUE, "sqs:sendmessage", QUEUE),
        ("sns:Publish", TOPIC, "SNS:Publish", TOPIC),
        ("s3:GetObject", "arn:aws:s3:::b/k", "s3:GetObject", '"arn:aws:s3:::b/k"'),
        ("kms:Decrypt", KEY, "kms:Decrypt", KEY),
        ("lambda:InvokeFunction", FUNCTION, "lambda:InvokeFunction", FUNCTION),
        ("logs:CreateLogStream", LOG, "logs:CreateLogStream", LOG),
        ("cloudformation:CreateStack", STACK, "cloudformation:CreateStack", STACK),
        ("iam:GetUser", USER, "iam:GetUser", "user ann"),
        ("iam:CreateAccessKey", USER, "iam:CreateAccessKey", "user ann"),
        ("iam:AttachRolePolicy", ROLE, "iam:AttachRolePolicy", "role r"),
        ("iam:CreatePolicyVersion", POLICY, "iam:CreatePolicyVersion", f"policy {POLICY}"),
        ("iam:GetInstanceProfile", PROFILE, "iam:GetInstanceProfile", "instance profile x"),
        ("iam:CreateRole", ROLE, "iam:CreateRole", ROLE),
        ("iam:TagRole", ROLE, "iam:TagRole", ROLE),
        ("iam:ListUsers", f"arn:aws:iam::{ACCOUNT}:user/", "iam:ListUsers",
         f"arn:aws:iam::{ACCOUNT}:user/"),
    ],
)  # fmt: skip
def test_services_say_it_in_their_own_words(
    court: Court, action: str, resource: str, said: str, named: str
) -> None:
    assert court.ask(court.user(), action, resource) == (
        f"User: {BOB} is not authorized to perform: {said} on resource: {named} because no"
        f" identity-based policy allows the {said} action"
    )


def test_s3_tells_strangers_nothing(court: Court) -> None:
    assert court.ask(ANONYMOUS, "s3:GetObject", "arn:aws:s3:::b/k") == "Access Denied"
    court.policies["arn:aws:s3:::b/k"] = document(statement("*", effect="Deny", Principal="*"))
    assert court.ask(ANONYMOUS, "s3:GetObject", "arn:aws:s3:::b/k") == "Access Denied"
