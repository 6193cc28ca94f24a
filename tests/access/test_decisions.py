"""The documented evaluation: who is allowed what, at home, abroad, as a service, as nobody.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.access.credentials import root
from ogi.errors import AccessDenied
from ogi.service import ANONYMOUS, Service, service_principal
from tests.access.court import ACCOUNT, KEY, OTHER, QUEUE, ROOT_ARN, Court, document, statement

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:t"
SNS = service_principal("sns.amazonaws.com")
SEND = statement("sqs:SendMessage")
DENY = statement("sqs:*", effect="Deny")


@pytest.fixture
def court() -> Court:
    return Court()


def on(principal: Any, effect: str = "Allow", **rest: Any) -> str:
    """A resource policy for one principal."""
    return document(statement("*", effect=effect, Principal=principal, **rest))


# -- identity policies ----------------------------------------------------------------------------


def test_nothing_is_allowed_that_no_policy_allows(court: Court) -> None:
    assert court.ask(court.user()) == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: sqs:sendmessage on "
        f"resource: {QUEUE} because no identity-based policy allows the sqs:sendmessage action"
    )


def test_an_identity_policy_allows(court: Court) -> None:
    bob = court.user(SEND)
    assert court.allows(bob)
    assert not court.allows(bob, "sqs:ReceiveMessage")


@pytest.mark.parametrize("action", ["sqs:sendmessage", "SQS:SendMessage", "sqs:Send*", "*"])
def test_actions_are_matched_without_regard_to_case(court: Court, action: str) -> None:
    assert court.allows(court.user(statement(action)))


def test_resources_are_matched_with_regard_to_case(court: Court) -> None:
    assert court.allows(court.user(statement("sqs:*", QUEUE)))
    assert not court.allows(court.user(statement("sqs:*", QUEUE.replace(":q", ":Q"))))


def test_an_explicit_deny_wins(court: Court) -> None:
    assert court.ask(court.user(SEND, DENY)) == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: sqs:sendmessage on "
        f"resource: {QUEUE} with an explicit deny in an identity-based policy"
    )


def test_not_action_and_not_resource_speak_of_the_rest(court: Court) -> None:
    rest = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": QUEUE}
    bob = court.user(rest)
    assert court.allows(bob, resource=QUEUE + "2")
    assert not court.allows(bob)
    assert not court.allows(bob, "iam:GetUser", f"arn:aws:iam::{ACCOUNT}:user/bob")


def test_a_user_has_what_its_groups_have(court: Court) -> None:
    group = court.group("devs", SEND)
    assert court.allows(court.user(groups=(group,)))


def test_a_group_can_deny(court: Court) -> None:
    group = court.group("devs", DENY)
    assert not court.allows(court.user(SEND, groups=(group,)))


def test_managed_policies_of_customers_and_of_aws_count(court: Court) -> None:
    assert court.allows(court.user(attached=(court.managed("send", SEND),)))
    aws = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    assert court.allows(court.user(attached=(aws,)))


def test_a_change_of_a_policy_takes_effect_at_once(court: Court) -> None:
    arn = court.managed("p", SEND)
    bob = court.user(attached=(arn,))
    assert court.allows(bob)
    court.managed("p", statement("s3:*"))
    assert not court.allows(bob)


def test_a_role_session_has_what_its_role_has(court: Court) -> None:
    role = court.role(SEND)
    assert court.allows(court.session(role))


def test_a_session_does_not_survive_its_role(court: Court) -> None:
    session = court.session(court.role(SEND))
    court.role(SEND)  # Made anew under the same name: another unique id.
    assert not court.allows(session)


def test_variables_speak_of_who_asks(court: Court) -> None:
    bob = court.user(statement("sqs:*", f"arn:aws:sqs:*:{ACCOUNT}:${{aws:username}}-*"))
    assert court.allows(bob, resource=QUEUE.replace(":q", ":bob-q"))
    assert not court.allows(bob, resource=QUEUE.replace(":q", ":eve-q"))


def test_root_needs_no_policy(court: Court) -> None:
    assert court.allows(root(ACCOUNT))
    assert not court.allows(root(OTHER))


# -- boundaries and session policies --------------------------------------------------------------


def test_a_boundary_limits_and_allows_nothing_by_itself(court: Court) -> None:
    boundary = court.managed("b", statement("sqs:SendMessage"))
    assert court.allows(court.user(statement("*"), boundary=boundary))
    assert not court.allows(court.user(boundary=boundary))
    assert court.ask(court.user(statement("*"), boundary=boundary), "sqs:PurgeQueue") == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: sqs:purgequeue on "
        f"resource: {QUEUE} because no permissions boundary allows the sqs:purgequeue action"
    )


def test_a_boundary_can_deny(court: Court) -> None:
    boundary = court.managed("b", statement("*"), DENY)
    refusal = court.ask(court.user(statement("*"), boundary=boundary))
    assert refusal is not None
    assert refusal.endswith(f"with an explicit deny in a permissions boundary: {boundary}")


def test_a_boundary_that_is_gone_allows_nothing(court: Court) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:policy/gone"
    assert not court.allows(court.user(statement("*"), boundary=gone))


def test_a_session_policy_limits_the_session(court: Court) -> None:
    role = court.role(statement("sqs:*"))
    assert court.allows(court.session(role, document(SEND)))
    refusal = court.ask(court.session(role, document(statement("s3:*"))))
    assert refusal is not None
    assert refusal.endswith("because no session policy allows the sqs:sendmessage action")
    assert not court.allows(court.session(court.role(name="idle"), document(SEND)))
    arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    assert not court.allows(court.session(role, arn))
    assert court.allows(court.session(role, arn), "sqs:GetQueueUrl")


# -- resource policies at home: the table of the documentation ------------------------------------


@pytest.mark.parametrize(
    "element", ["*", {"AWS": "*"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}]
)
def test_a_resource_policy_that_names_the_user_suffices(court: Court, element: Any) -> None:
    court.policies[QUEUE] = on(element)
    assert court.allows(court.user())


def test_what_names_the_user_is_not_limited_by_its_boundary(court: Court) -> None:
    court.policies[QUEUE] = on({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"})
    assert court.allows(court.user(boundary=court.managed("b", statement("s3:*"))))


def test_what_names_the_role_is_limited_by_boundary_and_session_policy(court: Court) -> None:
    role = court.role(name="r1")
    court.policies[QUEUE] = on({"AWS": role.arn})
    assert court.allows(court.session(role))
    assert not court.allows(court.session(role, document(statement("s3:*"))))
    limited = court.role(name="r1", boundary=court.managed("b", statement("s3:*")))
    assert not court.allows(court.session(limited))


def test_what_names_the_session_is_limited_by_nothing(court: Court) -> None:
    role = court.role(boundary=court.managed("b", statement("s3:*")))
    session = court.session(role, document(statement("s3:*")))
    court.policies[QUEUE] = on({"AWS": session.arn})
    assert court.allows(session)


@pytest.mark.parametrize("element", [{"AWS": ROOT_ARN}, {"AWS": ACCOUNT}])
def test_what_names_the_account_delegates_to_its_own_policies(court: Court, element: Any) -> None:
    court.policies[QUEUE] = on(element)
    assert not court.allows(court.user())
    assert court.allows(court.user(SEND))


@pytest.mark.parametrize(
    "element", ["*", {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}]
)
def test_a_resource_policy_can_deny(court: Court, element: Any) -> None:
    court.policies[QUEUE] = on(element, "Deny")
    refusal = court.ask(court.user(statement("*")))
    assert refusal is not None
    assert refusal.endswith("with an explicit deny in a resource-based policy")


def test_even_root_can_be_denied_by_a_resource(court: Court) -> None:
    court.policies[QUEUE] = on("*", "Deny")
    assert not court.allows(root(ACCOUNT))


def test_root_keeps_the_policy_of_its_bucket(court: Court) -> None:
    bucket = "arn:aws:s3:::b"
    court.policies[bucket] = on("*", "Deny")
    assert court.allows(root(ACCOUNT), "s3:DeleteBucketPolicy", bucket)
    assert not court.allows(root(ACCOUNT), "s3:ListBucket", bucket)
    assert not court.allows(court.user(statement("*")), "s3:DeleteBucketPolicy", bucket)


def test_a_deny_of_everybody_but_some_needs_all_that_they_are(court: Court) -> None:
    bob = f"arn:aws:iam::{ACCOUNT}:user/bob"
    bobs, eves = court.user(SEND), court.user(SEND, name="eve")
    for listed, allowed in (([bob, ROOT_ARN], True), ([bob], False)):
        court.policies[QUEUE] = document(
            statement("*", effect="Deny", NotPrincipal={"AWS": listed})
        )
        assert court.allows(bobs) is allowed
        assert not court.allows(eves)


def test_an_unreadable_resource_policy_lets_nobody_in_but_the_account(court: Court) -> None:
    court.policies[KEY] = "{"
    assert not court.allows(court.user(statement("*")), "kms:Decrypt", KEY)


# -- keys: IAM alone is not enough ----------------------------------------------------------------


def test_a_key_policy_must_name_or_delegate(court: Court) -> None:
    bob = court.user(statement("kms:*"))
    court.policies[KEY] = on({"Service": "sns.amazonaws.com"})
    assert court.ask(bob, "kms:Decrypt", KEY) == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: kms:Decrypt on "
        f"resource: {KEY} because no resource-based policy allows the kms:Decrypt action"
    )
    assert not court.allows(root(ACCOUNT), "kms:Decrypt", KEY)
    court.policies[KEY] = on({"AWS": ROOT_ARN})
    assert court.allows(bob, "kms:Decrypt", KEY)
    assert court.allows(root(ACCOUNT), "kms:Decrypt", KEY)
    assert not court.allows(court.user(name="eve"), "kms:Decrypt", KEY)
    court.policies[KEY] = on({"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"})
    assert court.allows(court.user(name="eve"), "kms:Decrypt", KEY)
    assert not court.allows(bob, "kms:Decrypt", KEY)


# -- across accounts ------------------------------------------------------------------------------


def test_abroad_both_sides_must_allow(court: Court) -> None:
    stranger = court.user(SEND, account=OTHER)
    idle = court.user(account=OTHER, name="idle")
    assert court.ask(stranger) == (
        f"User: arn:aws:iam::{OTHER}:user/bob is not authorized to perform: sqs:sendmessage on "
        f"resource: {QUEUE} because no resource-based policy allows the sqs:sendmessage action"
    )
    for element in ("*", {"AWS": OTHER}, {"AWS": [stranger.arn, idle.arn]}):
        court.policies[QUEUE] = on(element)
        assert court.allows(stranger)
        assert not court.allows(idle)
    court.policies[QUEUE] = on({"AWS": ACCOUNT})
    assert not court.allows(stranger)


def test_abroad_a_boundary_limits_too(court: Court) -> None:
    boundary = court.managed("b", statement("s3:*"), account=OTHER)
    court.policies[QUEUE] = on("*")
    assert not court.allows(court.user(SEND, account=OTHER, boundary=boundary))


def test_a_bucket_belongs_to_whom_its_service_says(court: Court) -> None:
    stranger = court.user(statement("s3:*"), account=OTHER)
    service = Service(
        "s3", "s3.amazonaws.com", AccessDenied,
        policy_of=lambda tx, arn: None, owner_of=lambda tx, arn: ACCOUNT,
    )  # fmt: skip
    call = court.world.caller(stranger, OTHER)
    with pytest.raises(AccessDenied, match=r"^Access Denied$"):
        authorise(court.tx(), call, service, ("s3:GetObject",), ("arn:aws:s3:::b/k",), {})


# -- services and nobody --------------------------------------------------------------------------

DEPUTY = {"Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}}}


@pytest.mark.parametrize("element", ["*", {"Service": "sns.amazonaws.com"}, {"Service": "*"}])
def test_a_service_is_let_in_only_by_the_resource(court: Court, element: Any) -> None:
    assert court.ask(SNS) == (
        "User: sns.amazonaws.com is not authorized to perform: sqs:sendmessage on resource: "
        f"{QUEUE} because no resource-based policy allows the sqs:sendmessage action"
    )
    court.policies[QUEUE] = on(element)
    assert court.allows(SNS)


def test_a_deputy_acts_only_for_whom_the_resource_trusts(court: Court) -> None:
    court.policies[QUEUE] = on({"Service": "sns.amazonaws.com"}, **DEPUTY)
    assert court.allows(SNS, context={"aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT})
    assert not court.allows(SNS, context={"aws:SourceArn": TOPIC + "2"})
    assert not court.allows(SNS)
    s3 = service_principal("s3.amazonaws.com")
    assert not court.allows(s3, context={"aws:SourceArn": TOPIC})


def test_what_a_service_was_allowed_once_holds_for_that_alone(court: Court) -> None:
    """Decisions of steady policies are remembered: by who asks, for what, and for whom."""
    source = {"aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT}
    court.policies[QUEUE] = on({"Service": "sns.amazonaws.com"}, **DEPUTY)
    for _ in range(2):
        assert court.allows(SNS, context=source)
        assert not court.allows(SNS, context={**source, "aws:SourceArn": TOPIC + "2"})
        assert not court.allows(service_principal("s3.amazonaws.com"), context=source)
    court.policies[QUEUE] = on({"Service": "s3.amazonaws.com"}, **DEPUTY)
    assert not court.allows(SNS, context=source)
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    court.policies[QUEUE] = document(
        statement("*", Principal={"Service": "sns.amazonaws.com"}),
        statement("*", effect="Deny", Principal="*", Condition=insecure),
    )
    for secure, allowed in (("true", True), ("false", False), ("true", True)):
        assert court.allows(SNS, context={**source, "aws:SecureTransport": secure}) is allowed


def test_a_bound_principal_is_who_it_was_bound_to(court: Court) -> None:
    bob, role = court.user(), court.role()
    session = court.session(role)
    for who, arn, id in ((bob, bob.arn, bob.id), (session, role.arn, role.id)):
        court.policies[QUEUE] = on({"AWS": f"{arn} {id}"})
        assert court.allows(who)
        court.policies[QUEUE] = on({"AWS": f"{arn} {id}2"})
        assert not court.allows(who)
    every = [ROOT_ARN, f"{role.arn} {role.id}", session.arn]
    negated = {"NotPrincipal": {"AWS": every}, "Effect": "Deny", "Action": "*", "Resource": "*"}
    court.policies[QUEUE] = document(statement("*", Principal="*"), negated)
    assert court.allows(session)
    negated["NotPrincipal"]["AWS"][1] += "2"
    court.policies[QUEUE] = document(statement("*", Principal="*"), negated)
    assert not court.allows(session)


def test_what_a_service_asks_did_not_come_by_plain_http(court: Court) -> None:
    """`enforceSSL` of the CDK: a policy against plain HTTP must not shut services out.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security-best-practices.html
    """
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    court.policies[QUEUE] = document(
        statement("*", Principal={"Service": "sns.amazonaws.com"}),
        statement("*", effect="Deny", Principal="*", Condition=insecure),
    )
    assert court.allows(SNS, context={"aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT})
    poller = court.session(court.role(statement("*")))
    assert court.allows(poller)
    assert not court.allows(poller, context={"aws:SecureTransport": "false"})


def test_a_deputy_of_another_account_is_refused(court: Court) -> None:
    condition = {"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}
    court.policies[QUEUE] = on({"Service": "sns.amazonaws.com"}, **condition)
    assert court.allows(SNS, context={"AWS:sourceaccount": ACCOUNT})
    assert not court.allows(SNS, context={"aws:SourceAccount": OTHER})


def test_a_user_cannot_pretend_to_be_a_source(court: Court) -> None:
    court.policies[QUEUE] = on("*", **DEPUTY)
    assert not court.allows(court.user())


def test_a_service_may_be_named_with_its_region(court: Court) -> None:
    logs = service_principal("logs.amazonaws.com")
    court.policies[KEY] = on({"Service": "logs.eu-west-1.amazonaws.com"})
    assert court.allows(logs, "kms:Decrypt", KEY)
    assert not court.allows(logs, "kms:Decrypt", KEY, region="us-east-1")


def test_nobody_is_let_in_only_by_everybody(court: Court) -> None:
    assert not court.allows(ANONYMOUS)
    court.policies[QUEUE] = on({"AWS": ACCOUNT})
    assert not court.allows(ANONYMOUS)
    court.policies[QUEUE] = on("*")
    assert court.allows(ANONYMOUS)


# -- the context ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:user/bob"),
        ("aws:PrincipalAccount", ACCOUNT),
        ("aws:PrincipalType", "User"),
        ("aws:username", "bob"),
        ("AWS:UserName", "bob"),
        ("aws:PrincipalTag/Team", "blue"),
        ("aws:principaltag/team", "blue"),
        ("aws:RequestedRegion", "eu-west-1"),
        ("aws:ResourceAccount", ACCOUNT),
        ("aws:SourceIp", "192.0.2.1"),
        ("aws:SecureTransport", "true"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:CurrentTime", "2023-11-14T22:13:20Z"),
        ("aws:EpochTime", "1700000000"),
        ("aws:ViaAWSService", "false"),
    ],
)
def test_the_context_says_who_asks_and_how(court: Court, key: str, value: str) -> None:
    condition = {"StringEquals": {key: value}}
    bob = court.user(statement("*", Condition=condition), tags={"Team": "blue"})
    given = {"aws:SourceIp": "192.0.2.1", "aws:SecureTransport": "true"}
    assert court.allows(bob, context=given)
    other = court.user(statement("*", Condition={"StringNotEquals": {key: value}}), name="bob",
                       tags={"Team": "blue"})  # fmt: skip
    assert not court.allows(other, context=given)


def test_a_session_shows_its_role_and_its_tags(court: Court) -> None:
    role = court.role(tags={"team": "red", "kind": "r"})
    keys = {
        "aws:PrincipalArn": role.arn,
        "aws:PrincipalType": "AssumedRole",
        "aws:userid": f"{role.id}:s",
        "aws:PrincipalTag/team": "blue",
        "aws:PrincipalTag/kind": "r",
    }
    court.policies[QUEUE] = on(
        "*", Condition={"StringEquals": keys, "Null": {"aws:username": "true"}}
    )
    assert court.allows(court.session(role, tags={"Team": "blue"}))
