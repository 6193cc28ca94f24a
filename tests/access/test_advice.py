"""Property: what the advice says to add makes the documented evaluation allow the request."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from ogi.access.evidence import Evidence
from ogi.access.explanations import explain
from tests.access.court import Court
from tests.access.test_properties import (
    _principal,
    _slow,
    _with_statement,
    cases,
    often,
)

WHERE = {
    "identity-based policy": "identity",
    "permissions boundary": "boundary",
    "session policy": "session",
    "resource-based policy": "resource_policy",
}


def _asked(case: dict[str, Any]) -> tuple[Evidence | None, str]:
    """What a refusal leaves, and the action that was asked for."""
    court = Court()
    principal = _principal(court, case)
    if case["resource_policy"]:
        court.policies[case["resource"]] = case["resource_policy"]
    service = case["resource"].split(":")[2]
    action = f"{service}:{case['action'].split(':')[1]}"
    if court.allows(principal, action, case["resource"], context=case["keys"]):
        return None, action
    evidence: Evidence = court.world.ports.traces.refused[0]
    return evidence, action


def _followed(case: dict[str, Any], advice: Any) -> dict[str, Any]:
    """The case with the statements where the advice says that they go."""
    for each in advice:
        where = WHERE[each.kind]
        if where == "identity":
            document = json.dumps({"Version": "2012-10-17", "Statement": [each.statement]})
            case = {**case, "identity": [*case["identity"], document]}
        else:
            case = {**case, where: _with_statement(case[where], each.statement)}
    return case


@often
@given(cases)
def test_who_follows_the_advice_is_allowed_and_needs_all_of_it(case: dict[str, Any]) -> None:
    evidence, action = _asked(case)
    if evidence is None:
        return
    told = explain(evidence)
    assert not told.allowed
    assert bool(told.advice) != bool(told.obstacle), "one of the two"
    if told.obstacle:
        assert "explicit deny" in told.obstacle
        return
    asked = {**case, "action": action}
    assert _slow(_followed(asked, told.advice))
    for left_out in told.advice:
        fewer = [each for each in told.advice if each is not left_out]
        assert not _slow(_followed(asked, fewer))


@often
@given(cases)
def test_an_explanation_says_what_was_decided(case: dict[str, Any]) -> None:
    evidence, _ = _asked(case)
    assert (evidence is None) is _slow(case)
    if evidence is not None:
        told = explain(evidence)
        denied = any(section.verdict == "denies" for section in told.sections)
        assert ("with an explicit deny" in told.message or not denied
                or told.message == "Access Denied")  # fmt: skip
        assert told.reason.startswith(
            "It is denied" if "explicit deny" in told.message else "It is"
        )
