"""Explanations as people read them: on one screen, the nearest statement first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ogi.access.authorise import gather
from ogi.access.explanations import explain
from ogi.cli import verdicts
from ogi.errors import AccessDenied
from ogi.service import Principal, Service
from tests.access.court import ACCOUNT, OTHER, QUEUE, Court, document, statement

SCREEN_LINES = 45


def told(court: Court, principal: Principal, number: int = 0) -> dict[str, Any]:
    """The explanation of one decision as the server's JSON has it."""
    service = Service(
        "sqs", "sqs.amazonaws.com", AccessDenied, policy_of=lambda tx, arn: court.policies.get(arn)
    )
    call = court.world.caller(principal)
    found = gather(court.tx(), call, service, "sqs:SendMessage", f"{QUEUE}{number or ''}", {})
    shown: dict[str, Any] = msgspec.to_builtins(explain(found))
    return shown


def printed(capsys: pytest.CaptureFixture[str], *shown: dict[str, Any]) -> list[str]:
    verdicts.show(list(shown))
    return capsys.readouterr().out.splitlines()


def test_many_decisions_are_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    court = Court()
    bob = court.user(statement("sqs:SendMessage", QUEUE))
    allowed = [told(court, bob)] * 40
    refused = [told(court, bob, number) for number in range(1, 6)]
    lines = printed(capsys, *allowed, *refused)
    assert sum(line.startswith("allowed") for line in lines) == verdicts.LINES_MAX - 5
    assert sum(line.startswith("REFUSED") for line in lines) == 5 + verdicts.FULL_MAX
    assert "and 37 more that were allowed" in "\n".join(lines)
    assert lines[-1] == "2 more refusals: --json has them."
    assert len(printed(capsys, refused[0])) < SCREEN_LINES


def test_the_nearest_statement_stands_first_and_the_far_ones_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    court = Court()
    court.policies[QUEUE] = document(
        statement("*", "arn:aws:sqs:::far", Sid="Resource", Principal="*"),
        statement("*", Sid="Principal", Principal={"AWS": OTHER}),
        statement("*", Sid="Near", Principal="*",
                  Condition={"StringEquals": {"aws:PrincipalAccount": list("abcde")}}),
        *(statement("sqs:PurgeQueue", Principal="*") for _ in range(30)),
    )  # fmt: skip
    lines = printed(capsys, told(court, court.user()))
    order = [line.split("'")[1] for line in lines if line.strip().startswith("Allow '")]
    assert order == ["Near", "Principal", "Resource"]
    text = "\n".join(lines)
    assert "30 statements speak of other actions" in text
    assert "it says   a, b, c and 2 more" in text
    assert f"it saw    {ACCOUNT}" in text
    assert len(lines) < SCREEN_LINES


def test_a_deny_that_applies_is_shown_before_all(capsys: pytest.CaptureFixture[str]) -> None:
    court = Court()
    deny = statement("sqs:*", Sid="Stop", effect="Deny")
    text = "\n".join(printed(capsys, told(court, court.user(statement("*", Sid="Go"), deny))))
    assert text.index("Deny 'Stop'") < text.index("Allow 'Go'")
    assert "What to do: An explicit deny wins over every allow" in text
