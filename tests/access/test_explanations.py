"""Refusals are explained statement by statement, and the advice allows what was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from ogi.access import advice
from ogi.access.authorise import authorise, gather
from ogi.access.evidence import KEYS_MAX, VALUE_CHARS_MAX, Evidence
from ogi.access.explanations import Explanation, explain
from ogi.access.identities import ROLES, account_in
from ogi.access.sessions import CannotAssume, role_session
from ogi.errors import AccessDenied
from ogi.service import ANONYMOUS, Principal, Service, service_principal
from ogi.traces import DECIDED_MAX, REFUSED_MAX
from tests.access.court import ACCOUNT, KEY, OTHER, QUEUE, ROOT_ARN, Court, document, statement

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:t"
BUCKET = "arn:aws:s3:::b"
SNS = service_principal("sns.amazonaws.com")
S3 = service_principal("s3.amazonaws.com")
SEND = statement("sqs:SendMessage")


@pytest.fixture
def court() -> Court:
    return Court()


def refused(
    court: Court, principal: Principal, action: str = "sqs:SendMessage", resource: str = QUEUE,
    *, context: Mapping[str, Any] | None = None, fixed: bool = False, policies: bool = True,
) -> Evidence:  # fmt: skip
    """The evidence that a refusal leaves."""
    name = action.partition(":")[0]
    service = Service(
        name, f"{name}.amazonaws.com", AccessDenied,
        policy_of=(lambda tx, arn: court.policies.get(arn)) if policies else None,
        owner_of=lambda tx, arn: ACCOUNT, fixed=lambda tx, arn: fixed,
    )  # fmt: skip
    call = court.world.caller(principal, principal.account or ACCOUNT)
    with pytest.raises(AccessDenied) as error:
        authorise(court.tx(), call, service, (action,), (resource,), context or {})
    found: Evidence = call.ports.traces.refused[0]
    assert found.message == error.value.message
    return found


def looks(told: Explanation) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...] | None]]:
    return [
        (look.statement, look.failed, look.wanted, look.seen)
        for section in told.sections for look in section.looks
    ]  # fmt: skip


def test_each_statement_says_which_element_did_not_match_and_what_it_saw(court: Court) -> None:
    court.policies[QUEUE] = document(
        statement("*", Sid="OnlySns", Principal={"Service": "sns.amazonaws.com"}),
        statement("*", Sid="Deny", effect="Deny", Principal="*",
                  Condition={"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}),
        statement("sqs:*", Sid="Near", Principal="*",
                  Condition={"ArnEquals": {"aws:SourceArn": [TOPIC]}}),
    )  # fmt: skip
    bob = court.user(statement("s3:*", Sid="s3"), statement("sqs:*", "arn:aws:sqs:::x"))
    told = explain(refused(court, bob))
    assert looks(told) == [
        ("s3", "Action", ("s3:*",), ("sqs:SendMessage",)),
        ("statement 2", "Resource", ("arn:aws:sqs:::x",), (QUEUE,)),
        ("Deny", "Condition StringNotEquals aws:PrincipalAccount", (ACCOUNT,), (ACCOUNT,)),
        ("OnlySns", "Principal", ("sns.amazonaws.com",), (bob.arn,)),
        ("Near", "Condition ArnEquals aws:SourceArn", (TOPIC,), None),
    ]
    assert [section.verdict for section in told.sections] == ["no statement matches"] * 2


def test_policies_are_looked_at_in_their_order_and_told_by_their_place(court: Court) -> None:
    boundary = court.managed("limit", statement("s3:*"))
    role = court.role(SEND, boundary=boundary)
    told = explain(refused(court, court.session(role, document(SEND))))
    assert [(section.place, section.verdict) for section in told.sections] == [
        (f"identity policy of {role.arn}", "allows"),
        (f"permissions boundary {boundary} of {role.arn}", "no statement matches"),
        (f"session policy of arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "allows"),
        (f"queue policy of {QUEUE}", "there is none"),
    ]
    assert told.reason.startswith("It is allowed by no statement of the permissions boundary")


def _user(court: Court) -> Evidence:
    return refused(court, court.user())


def _role_with_limits(court: Court) -> Evidence:
    role = court.role(boundary=court.managed("limit", statement("s3:*")))
    return refused(court, court.session(role, document(statement("s3:*"))))


def _from_abroad(court: Court) -> Evidence:
    return refused(court, court.user(account=OTHER))


def _from_abroad_half(court: Court) -> Evidence:
    return refused(court, court.user(SEND, account=OTHER))


def _service(court: Court) -> Evidence:
    return refused(court, SNS, context={"aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT})


def _s3(court: Court) -> Evidence:
    return refused(court, S3, context={"aws:SourceArn": BUCKET, "aws:SourceAccount": ACCOUNT})


def _service_at_key(court: Court) -> Evidence:
    court.policies[KEY] = document(statement("kms:*", Principal={"AWS": ROOT_ARN}))
    context = {"aws:SourceArn": TOPIC, "kms:ViaService": "sqs.eu-west-1.amazonaws.com"}
    return refused(court, SNS, "kms:Decrypt", KEY, context=context)


def _user_at_key_that_enables_iam(court: Court) -> Evidence:
    court.policies[KEY] = document(statement("kms:*", Principal={"AWS": ROOT_ARN}))
    return refused(court, court.user(), "kms:Decrypt", KEY)


def _user_at_closed_key(court: Court) -> Evidence:
    court.policies[KEY] = document(statement("kms:*", Principal={"AWS": OTHER}))
    return refused(court, court.user(statement("kms:*")), "kms:Decrypt", KEY)


def _nobody(court: Court) -> Evidence:
    return refused(court, ANONYMOUS, "s3:GetObject", f"{BUCKET}/a*b?${{c}}")


def _object(court: Court) -> Evidence:
    return refused(court, court.user(), "s3:GetObject", f"{BUCKET}/a*b?${{c}}")


CASES: list[tuple[Callable[[Court], Evidence], list[str]]] = [
    (_user, ["identity policy of"]),
    (_role_with_limits, ["identity policy of", "permissions boundary", "session policy of"]),
    (_from_abroad, ["queue policy of", "identity policy of"]),
    (_from_abroad_half, ["queue policy of"]),
    (_service, ["queue policy of"]),
    (_s3, ["queue policy of"]),
    (_service_at_key, ["key policy of"]),
    (_user_at_key_that_enables_iam, ["identity policy of"]),
    (_user_at_closed_key, ["key policy of"]),
    (_nobody, [f"bucket policy of {BUCKET}"]),
    (_object, ["identity policy of"]),
]


@pytest.mark.parametrize(
    ("make", "places"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_advice_allows_it_and_none_of_it_can_be_left_out(
    court: Court, make: Callable[[Court], Evidence], places: list[str]
) -> None:
    evidence = make(court)
    told = explain(evidence)
    assert not told.obstacle
    assert len(told.advice) == len(places)
    for each, place in zip(told.advice, places, strict=True):
        assert each.place.startswith(place)
    given = {each.kind: each.statement for each in told.advice}
    assert advice._with(evidence, given).judge() is None
    for kind in given:
        fewer = {other: text for other, text in given.items() if other != kind}
        assert advice._with(evidence, fewer).judge() is not None
    for text in given.values():
        [allowing] = advice.compile(text).statements
        assert allowing.speaks_of_action(evidence.action.lower())
        for other in ("sqs:DeleteQueue", "kms:ScheduleKeyDeletion", "s3:PutObject"):
            assert not allowing.speaks_of_action(other.lower()), f"{other} was not asked for"


def test_a_service_is_let_in_for_its_resource_only(court: Court) -> None:
    [each] = explain(_service(court)).advice
    assert each.statement == {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
    }  # fmt: skip
    [each] = explain(_s3(court)).advice
    assert each.statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": BUCKET}, "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }  # fmt: skip
    [each] = explain(_service_at_key(court)).advice
    assert each.statement["Action"] == ["kms:GenerateDataKey*", "kms:Decrypt"]


def test_a_role_is_named_itself_not_its_session(court: Court) -> None:
    role = court.role(account=OTHER)
    found = explain(refused(court, court.session(role), context={})).advice
    [principal] = [each.statement["Principal"] for each in found if "queue" in each.place]
    assert principal == {"AWS": role.arn}


def test_lambda_is_told_by_the_command_that_writes_its_policy(court: Court) -> None:
    function = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
    context = {"aws:SourceArn": BUCKET, "aws:SourceAccount": ACCOUNT}
    [each] = explain(refused(court, S3, "lambda:InvokeFunction", function, context=context)).advice
    assert each.command == (
        f"aws lambda add-permission --function-name {function} --statement-id allow-s3 --action"
        f" lambda:InvokeFunction --principal s3.amazonaws.com --source-arn {BUCKET}"
        f" --source-account {ACCOUNT}"
    )


def test_what_no_statement_allows_has_an_obstacle(court: Court) -> None:
    deny = statement("sqs:*", Sid="Stop", effect="Deny")
    told = explain(refused(court, court.user(SEND, deny)))
    assert told.obstacle.startswith("An explicit deny wins over every allow")
    assert told.reason.startswith("It is denied by a statement of the identity policy")

    court.policies[KEY] = document(statement("kms:*", Principal={"AWS": ROOT_ARN}))
    told = explain(refused(court, SNS, "kms:Decrypt", KEY, fixed=True))
    assert "AWS-managed key cannot be changed" in told.obstacle

    gone = court.session(court.role(SEND, name="old"))
    court.role(SEND, name="old")
    assert "does not exist any more" in explain(refused(court, gone)).obstacle

    stranger = court.user(account=OTHER)
    told = explain(refused(court, stranger, "logs:PutLogEvents", QUEUE, policies=False))
    assert "has no resource-based policies" in told.obstacle


def test_a_refusal_is_explained_by_the_policies_as_they_were(court: Court) -> None:
    bob = court.user()
    evidence = refused(court, bob)
    court.policies[QUEUE] = document(statement("*", Principal={"AWS": bob.arn}))
    service = Service("sqs", "sqs", AccessDenied, policy_of=lambda tx, arn: court.policies.get(arn))
    now = gather(court.tx(), evidence.call, service, evidence.action, QUEUE, {})
    told = explain(evidence, now=now)
    assert not told.allowed
    assert told.allowed_now
    assert explain(now).reason.endswith("names who asks, which is enough.")


def test_a_role_that_does_not_trust_a_service_leaves_its_explanation(court: Court) -> None:
    trust = document({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"})
    role = replace(court.role(), trust=trust, trust_bound=trust)
    court._put(ROLES, role)
    call = court.world.caller()
    with pytest.raises(CannotAssume):
        role_session(court.tx(), call, role.arn, "s", 900, "lambda.amazonaws.com")
    [evidence] = call.ports.traces.refused
    [each] = explain(evidence).advice
    assert each.place == f"trust policy of {role.arn}"
    assert each.statement == {
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }  # fmt: skip


def test_what_is_remembered_is_bounded(court: Court) -> None:
    bob = court.user(statement("sqs:SendMessage", QUEUE))
    traces = court.world.ports.traces
    for number in range(REFUSED_MAX + 5):
        assert not court.allows(bob, resource=f"{QUEUE}{number}")
    assert len(traces.refused) == REFUSED_MAX
    assert traces.refused[0].resource.endswith(str(REFUSED_MAX + 4))
    assert not court.allows(bob, resource=f"{QUEUE}9", context={"aws:UserAgent": "x" * 100_000})
    assert len(traces.refused[0].context["aws:UserAgent"]) == VALUE_CHARS_MAX
    for _ in range(DECIDED_MAX + 5):
        assert court.allows(bob)
    assert len(traces.decided) == DECIDED_MAX
    traces.clear()
    assert not traces.refused and not traces.decided


def test_what_a_client_makes_long_is_not_kept(court: Court) -> None:
    many = {f"aws:RequestTag/{n}": "x" for n in range(100_000)}
    evidence = refused(court, court.user(), context=many)
    assert len(evidence.context) <= KEYS_MAX
    evidence = refused(court, court.user(), context={"aws:RequestTag/" + "x" * 100_000: "x"})
    assert not evidence.context

    traces = court.world.ports.traces
    traces.clear()
    bob = court.user(statement("sqs:*"))
    assert not court.allows(bob, "sns:Publish", "arn:aws:sns:eu-west-1:1:" + "x" * 10_000)
    assert not traces.refused

    service = Service("sqs", "sqs", AccessDenied)

    @service.operation()
    def tag_queue(tx: Any, call: Any, request: Any) -> Any:
        return {}

    asked = court.world.caller(bob).but(demand=(service.operation_named("TagQueue"), {}))

    def ask(context: Mapping[str, Any], resource: str = QUEUE) -> int:
        traces.clear()
        authorise(court.tx(), asked, service, ("sqs:TagQueue",), (resource,), context)
        return len(traces.decided)

    assert ask({"aws:RequestTag/a": "x", "aws:TagKeys": ["a"]}) == 1
    assert ask(asked.context) == 1
    assert ask(many) == 0
    assert ask({"aws:RequestTag/a": "x" * 100_000}) == 0
    assert ask({"aws:TagKeys": ["x" * 1000] * 60}) == 0
    assert ask({"aws:TagKeys": ["x"] * 1000}) == 0
    assert ask({}, QUEUE + "x" * 10_000) == 0


def test_nothing_of_what_was_asked_is_kept(court: Court) -> None:
    evidence = refused(court, court.user())
    assert evidence.call.demand is None
    assert evidence.call.seed == b""
    assert account_in(evidence.resource) == evidence.owner
