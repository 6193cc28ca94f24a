"""Encoded authorization messages: given with a refusal, read by whoever may decode them.

https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
"""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any

import pytest

from ogi.access import messages
from ogi.clock import FakeClock
from ogi.gateway.pipeline import Pipeline
from tests.gateway.test_context import allow, form, user
from tests.gateway.test_pipeline import FORM, Gate, answered, gate, header, text, unsigned
from tests.world import ACCOUNT, REGION

__all__ = ["gate"]

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"


async def refused(gate: Gate, keys: dict[str, str]) -> str:
    """The encoded message of a CreateTopic that is refused."""
    body = form(Action="CreateTopic", Version="2010-03-31", Name="t")
    answer = await gate.ask(gate.signed("sns", body, content_type=FORM, **keys))
    assert answer.status == 403
    return header(answer, messages.HEADER)


async def decoded(gate: Gate, message: str, **keys: str) -> tuple[int, str]:
    body = form(Action="DecodeAuthorizationMessage", Version="2011-06-15", EncodedMessage=message)
    answer = await gate.ask(gate.signed("sts", body, content_type=FORM, **keys))
    found = text(answer)
    name = "DecodedMessage" if answer.status == 200 else "Code"
    return answer.status, html.unescape(found.split(f"<{name}>")[1].split("<")[0])


async def test_a_message_tells_who_asked_for_what_and_why_it_was_refused(gate: Gate) -> None:
    deny = {"Sid": "NoTopics", "Effect": "Deny", "Action": "sns:*", "Resource": "*"}
    keys = await user(gate, allow("sns:*"), deny)
    status, found = await decoded(gate, await refused(gate, keys))
    assert status == 200
    told: Any = json.loads(found)
    assert (told["allowed"], told["explicitDeny"]) == (False, True)
    assert [s["statementId"] for s in told["matchedStatements"]["items"]] == ["NoTopics"]
    context = told["context"]
    assert context["principal"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/bob"
    assert context["principal"]["name"] == "bob"
    assert (context["action"], context["resource"]) == ("sns:CreateTopic", TOPIC)
    keys_told = {item["key"]: item["values"]["items"] for item in context["conditions"]["items"]}
    assert keys_told["aws:SourceIp"] == [{"value": "127.0.0.1"}]


async def test_only_who_may_decodes_it_and_only_of_his_account(gate: Gate) -> None:
    keys = await user(gate, allow("sqs:ListQueues"))
    message = await refused(gate, keys)
    assert await decoded(gate, message, **keys) == (403, "AccessDenied")
    assert (await decoded(gate, message))[0] == 200
    with pytest.raises(messages.BadMessage):
        messages.decode(gate.ports.vault, "999988887777", message, gate.ports.clock.now())


@pytest.mark.parametrize(
    "change",
    [lambda m: m[:-4], lambda m: m[:10] + "AAAA" + m[14:], lambda m: m + "\n", lambda m: "nothing",
     lambda m: "=" * 40, lambda m: "\xe4" * 40],
)  # fmt: skip
async def test_what_is_no_message_is_refused(gate: Gate, change: Any) -> None:
    """ "This can happen if the token contains invalid characters, such as line breaks" """
    message = change(await refused(gate, await user(gate, allow("sqs:ListQueues"))))
    assert await decoded(gate, message) == (400, "InvalidAuthorizationMessageException")


async def test_a_message_expires(gate: Gate) -> None:
    message = await refused(gate, await user(gate, allow("sqs:ListQueues")))
    now = gate.ports.clock.now()
    vault = gate.ports.vault
    assert messages.decode(vault, ACCOUNT, message, now + messages.GOOD_S - 1)
    with pytest.raises(messages.BadMessage):
        messages.decode(vault, ACCOUNT, message, now + messages.GOOD_S)


async def test_strangers_and_other_errors_get_none(gate: Gate) -> None:
    await gate.make_bucket("bucket")
    answer = await gate.ask(unsigned("GET", "/bucket/key"))
    assert answer.status == 403
    assert not header(answer, messages.HEADER), "nobody could decode it"
    answer = await gate.ask(gate.sqs("GetQueueUrl", {"QueueName": "none"}))
    assert not header(answer, messages.HEADER)
    clock = FakeClock(gate.ports.clock.now() + 7200)
    late = Pipeline(replace(gate.ports, clock=clock))
    answer = await answered(late, gate.sqs("ListQueues", {}))
    assert not header(answer, messages.HEADER)
