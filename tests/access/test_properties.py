"""Properties of every decision: the fast evaluator is the documented one; denies only take away."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.access import credentials
from ogi.service import ANONYMOUS, Principal, service_principal
from tests.access import reference
from tests.access.court import ACCOUNT, KEY, OTHER, QUEUE, Court

ACTIONS = ["sqs:SendMessage", "sqs:ReceiveMessage", "kms:Decrypt"]
RESOURCES = [QUEUE, QUEUE + "2", KEY]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
USER = f"arn:aws:iam::{ACCOUNT}:user/bob"
FOREIGN_ROLE = f"arn:aws:iam::{OTHER}:role/r"
FOREIGN_SESSION = f"arn:aws:sts::{OTHER}:assumed-role/r/s"

texts = st.sampled_from(["a", "ab", "b", "1", "12"])
values = st.sampled_from(["a", "a*", "?b", "b", "*", "1", "12"])
conditions = st.dictionaries(
    st.sampled_from([
        "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists",
        "StringNotLikeIfExists", "ForAllValues:StringLike", "ForAnyValue:StringEquals",
        "ForAllValues:StringNotEquals", "ForAnyValue:StringNotLike",
    ]),
    st.dictionaries(st.sampled_from(["x:One", "X:two"]), st.lists(values, min_size=1, max_size=2),
                    min_size=1),
    max_size=2,
) | st.sampled_from([
    {"Null": {"x:one": "true"}}, {"Null": {"X:Two": ["false"]}},
    {"NumericLessThan": {"x:num": "5"}},
    {"NumericGreaterThanEqualsIfExists": {"x:num": ["12"]}}, {"Bool": {"x:flag": "true"}},
    {"BoolIfExists": {"x:flag": "false"}}, {"IpAddress": {"x:ip": ["10.0.0.0/8", "::1"]}},
    {"NotIpAddress": {"x:ip": "10.0.0.0/16"}}, {"DateLessThan": {"x:date": "2021-01-01T00:00:00Z"}},
    {"ArnLike": {"x:arn": "arn:aws:s3:::b*"}}, {"ArnNotEquals": {"x:arn": "arn:aws:s3:::bucket"}},
    {"StringEqualsIgnoreCase": {"x:one": "A"}}, {"StringLike": {"x:one": "${x:two}*"}},
    {"StringEquals": {"x:one": "${x:two, 'a'}"}, "Bool": {"x:flag": "true"}},
])  # fmt: skip


def _bodies(principals: bool) -> st.SearchStrategy[Any]:
    element: dict[str, Any] = {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Condition": st.just({}) | conditions,
    }
    if principals:
        element["Principal"] = st.sampled_from([
            "*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{OTHER}:root"},
            {"AWS": [USER, ROLE]}, {"AWS": SESSION}, {"Service": ["sns.amazonaws.com"]},
            {"AWS": OTHER, "Service": "s3.amazonaws.com"}, {"AWS": [FOREIGN_ROLE, ACCOUNT]},
            {"AWS": FOREIGN_SESSION},
        ])  # fmt: skip
        element["Not"] = st.sampled_from([False, False, False, True])
    actions = st.lists(
        st.sampled_from(["*", "sqs:*", "SQS:send*", "sqs:ReceiveMessage", "kms:*", "k?s:Decrypt"]),
        min_size=1, max_size=2,
    )  # fmt: skip
    resources = st.lists(
        st.sampled_from(["*", QUEUE, QUEUE + "*", QUEUE + "?", "arn:aws:kms:*"]),
        min_size=1, max_size=2,
    )  # fmt: skip
    either = st.sampled_from(["", "Not"])
    return st.tuples(st.fixed_dictionaries(element), either, actions, either, resources).map(
        lambda t: {**_principals(t[0]), f"{t[1]}Action": t[2], f"{t[3]}Resource": t[4]}
    )


def _principals(body: dict[str, Any]) -> dict[str, Any]:
    """NotPrincipal only denies: "You cannot use the NotPrincipal element ... with Allow"."""
    body = dict(body)
    if body.pop("Not", False) and body["Effect"] == "Deny":
        body["NotPrincipal"] = body.pop("Principal")
    return body


def _documents(principals: bool = False) -> st.SearchStrategy[str]:
    return st.lists(_bodies(principals), min_size=1, max_size=3).map(
        lambda bodies: json.dumps({"Version": "2012-10-17", "Statement": bodies})
    )


cases = st.fixed_dictionaries({
    "kind": st.sampled_from(
        ["user", "role", "service", "stranger", "foreign role", "root", "anonymous"]
    ),
    "identity": st.lists(_documents(), max_size=2),
    "boundary": st.none() | _documents(),
    "session": st.none() | _documents(),
    "resource_policy": st.none() | _documents(principals=True),
    "action": st.sampled_from(ACTIONS),
    "resource": st.sampled_from(RESOURCES),
    "keys": st.fixed_dictionaries({}, optional={
        "x:one": st.lists(texts, min_size=1, max_size=1),
        "x:two": st.lists(texts, min_size=1, max_size=1),
        "x:num": st.sampled_from([["4"], ["5"], ["12.5"]]),
        "x:flag": st.sampled_from([["true"], ["false"]]),
        "x:ip": st.sampled_from([["10.0.0.1"], ["10.9.0.1"], ["::1"]]),
        "x:date": st.sampled_from([["2020-06-01T00:00:00Z"], ["1700000000"]]),
        "x:arn": st.sampled_from([["arn:aws:s3:::bucket"], ["arn:aws:sns:eu-west-1:1:t"]]),
    }),
})  # fmt: skip

often = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def _principal(court: Court, case: dict[str, Any]) -> Principal:
    rest: dict[str, Any] = {}
    if case["boundary"]:
        account = OTHER if case["kind"] in ("stranger", "foreign role") else ACCOUNT
        rest["boundary"] = court.managed(
            "b", *json.loads(case["boundary"])["Statement"], account=account
        )
    statements = [s for text in case["identity"] for s in json.loads(text)["Statement"]]
    match case["kind"]:
        case "user":
            return court.user(*statements, **rest)
        case "stranger":
            return court.user(*statements, account=OTHER, **rest)
        case "role" | "foreign role" as kind:
            account = ACCOUNT if kind == "role" else OTHER
            role = court.role(*statements, account=account, **rest)
            return court.session(role, *([case["session"]] if case["session"] else []))
        case "root":
            return credentials.root(ACCOUNT)
        case "anonymous":
            return ANONYMOUS
        case _:
            return service_principal("sns.amazonaws.com")


def _fast(case: dict[str, Any]) -> bool:
    court = Court()
    principal = _principal(court, case)
    if case["resource_policy"]:
        court.policies[case["resource"]] = case["resource_policy"]
    service = case["resource"].split(":")[2]
    if not case["action"].startswith(service):
        # A service is asked about its own resources only.
        case = {**case, "action": f"{service}:{case['action'].split(':')[1]}"}
    return court.allows(principal, case["action"], case["resource"], context=case["keys"])


def _slow(case: dict[str, Any]) -> bool:
    kind = case["kind"]
    principal = {
        "user": {"kind": "user", "account": ACCOUNT, "arn": USER, "role_arn": ""},
        "stranger": {"kind": "user", "account": OTHER, "arn": f"arn:aws:iam::{OTHER}:user/bob",
                     "role_arn": ""},
        "role": {"kind": "role", "account": ACCOUNT, "arn": SESSION, "role_arn": ROLE},
        "foreign role": {"kind": "role", "account": OTHER, "arn": FOREIGN_SESSION,
                         "role_arn": FOREIGN_ROLE},
        "root": {"kind": "root", "account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root",
                 "role_arn": ""},
        "service": {"kind": "service", "account": "", "arn": "sns.amazonaws.com", "role_arn": ""},
        "anonymous": {"kind": "anonymous", "account": "", "arn": "*", "role_arn": ""},
    }[kind]  # fmt: skip
    nothing = kind in ("service", "anonymous", "root")
    service = case["resource"].split(":")[2]
    action = f"{service}:{case['action'].split(':')[1]}"
    return reference.decide(
        principal,
        [] if nothing else case["identity"],
        None if nothing else case["boundary"],
        case["session"] if kind in ("role", "foreign role") else None,
        case["resource_policy"],
        action,
        case["resource"],
        ACCOUNT,
        case["keys"],
        required=service == "kms" and case["resource_policy"] is not None,
    )


@often
@given(cases)
def test_the_compiled_decision_is_the_documented_one(case: dict[str, Any]) -> None:
    assert _fast(case) == _slow(case)


def _with_statement(text: str | None, body: dict[str, Any]) -> str:
    document = json.loads(text) if text else {"Version": "2012-10-17", "Statement": []}
    document["Statement"].append(body)
    return json.dumps(document)


@often
@given(cases, _bodies(False), _bodies(True), st.sampled_from(["identity", "resource_policy"]))
def test_adding_a_deny_never_grants(
    case: dict[str, Any], plain: dict[str, Any], named: dict[str, Any], where: str
) -> None:
    if _fast(case):
        return
    if where == "identity":
        denied = {
            **case,
            "identity": [_with_statement(None, {**plain, "Effect": "Deny"})] + case["identity"],
        }
    else:
        policy = _with_statement(case["resource_policy"], {**named, "Effect": "Deny"})
        denied = {**case, "resource_policy": policy}
    assert not _fast(denied)


def _restricted(text: str, extra: dict[str, Any]) -> str:
    """Every allow needs a further condition, on keys that it does not speak of yet."""
    document = json.loads(text)
    for body in document["Statement"]:
        if body["Effect"] == "Allow":
            conditions = body["Condition"]
            for operator, keys in extra.items():
                conditions[operator] = {**conditions.get(operator, {}), **keys}
    return json.dumps(document)


@often
@given(cases, values)
def test_a_more_restrictive_condition_never_grants(case: dict[str, Any], value: str) -> None:
    if _fast(case):
        return
    extra = {"StringLikeIfExists": {"x:three": value}}
    stricter = {
        **case,
        "identity": [_restricted(text, extra) for text in case["identity"]],
        "resource_policy": case["resource_policy"] and _restricted(case["resource_policy"], extra),
        "keys": {**case["keys"], "x:three": ["a"]},
    }
    assert not _fast(stricter)


LAYERS = ("boundary", "session", "resource_policy", "identity")


def _changed(case: dict[str, Any], layer: str, change: Any) -> dict[str, Any]:
    """The case with every document of a layer changed; a layer that is not there stays so."""
    if layer == "identity":
        return {**case, "identity": [change(text) for text in case["identity"]]}
    return {**case, layer: case[layer] and change(case[layer])}


@often
@given(cases, values, st.sampled_from(LAYERS))
def test_a_stricter_condition_of_any_layer_never_grants(
    case: dict[str, Any], value: str, layer: str
) -> None:
    if _fast(case):
        return
    extra = {"StringLike": {"x:three": value}}
    stricter = _changed(case, layer, lambda text: _restricted(text, extra))
    for keys in ({}, {"x:three": ["a"]}):
        assert not _fast({**stricter, "keys": {**case["keys"], **keys}})


@often
@given(cases, st.sampled_from(LAYERS), st.data())
def test_an_allow_that_is_taken_away_never_grants(
    case: dict[str, Any], layer: str, data: st.DataObject
) -> None:
    """A layer that is empty still limits: it is not the same as none."""
    if _fast(case):
        return

    def without(text: str) -> str:
        document = json.loads(text)
        denies = {"Effect": "Deny", "Action": "none:Nothing", "Resource": "*"}
        named = {"Principal": "*"} if layer == "resource_policy" else {}
        kept = [s for s in document["Statement"]
                if s["Effect"] == "Deny" or data.draw(st.booleans())]  # fmt: skip
        return json.dumps({**document, "Statement": [*kept, {**denies, **named}]})

    assert not _fast(_changed(case, layer, without))


@often
@given(cases, _bodies(False), _bodies(True), st.sampled_from(LAYERS))
def test_a_deny_in_any_layer_never_grants_and_one_of_all_denies(
    case: dict[str, Any], plain: dict[str, Any], named: dict[str, Any], layer: str
) -> None:
    body = {**(named if layer == "resource_policy" else plain), "Effect": "Deny"}
    denied = _changed(case, layer, lambda text: _with_statement(text, body))
    if not _fast(case):
        assert not _fast(denied)
    everything = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    if layer == "resource_policy":
        everything["Principal"] = "*"
    policies = case["resource_policy"] if layer == "resource_policy" else case["identity"]
    bounded = case["kind"] not in ("service", "anonymous", "root")
    if policies and (layer == "resource_policy" or (layer == "identity" and bounded)):
        assert not _fast(_changed(case, layer, lambda text: _with_statement(text, everything)))


@often
@given(cases, _documents())
def test_a_boundary_never_grants(case: dict[str, Any], boundary: str) -> None:
    if not _fast({**case, "boundary": None}):
        assert not _fast({**case, "boundary": boundary})
