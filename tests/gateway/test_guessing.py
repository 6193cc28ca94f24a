"""Who guesses credentials pays for it himself: nothing is remembered of him, nobody waits for him.

AWS locks no key after wrong signatures, for who can lock a key can stop its owner; so the length of
a secret is what stands against guessing (tests/access/test_secrets.py), and each guess is cheap.
"""

from __future__ import annotations

from typing import Any

from ogi.access import credentials, sigv4
from tests.gateway.test_pipeline import FORM, Gate, gate, text, unsigned

__all__ = ["gate"]

GUESSES = 300


async def test_wrong_secrets_lock_nobody_out_and_leave_nothing_behind(gate: Gate) -> None:
    right = gate.sqs("ListQueues", {})
    assert (await gate.ask(right)).status == 200
    keys, noted = dict(credentials._keys), gate.ports.uses.notes.first(100, len)
    for n in range(GUESSES):
        answer = await gate.ask(gate.sqs("ListQueues", {}, secret=f"{n:040d}"))
        assert answer.status == 400
    assert credentials._keys == keys
    assert len(noted) == 1
    assert gate.ports.uses.notes.first(100, len) == noted, "a guess is no use of the key"
    assert (await gate.ask(right)).status == 200


async def test_made_up_keys_are_not_kept(gate: Gate) -> None:
    before = len(credentials._keys), len(credentials._tokens)
    signing = sigv4._signing_key.cache_info().currsize
    for n in range(GUESSES):
        key = f"AKIA{n:016d}"
        answer = await gate.ask(
            gate.sqs("ListQueues", {}, key=key, token="guessed" if n % 2 else None)
        )
        assert answer.status == 400
    assert (len(credentials._keys), len(credentials._tokens)) == before
    assert sigv4._signing_key.cache_info().currsize == signing, "no signature is computed for them"


async def test_an_answer_does_not_tell_a_switched_off_key_from_one_that_never_was(
    gate: Gate,
) -> None:
    made = await gate.ask(
        gate.signed("iam", b"Action=CreateAccessKey&Version=2010-05-08", content_type=FORM)
    )
    second = text(made).split("<AccessKeyId>")[1].split("<")[0]
    off = f"Action=UpdateAccessKey&Version=2010-05-08&AccessKeyId={second}&Status=Inactive"
    assert (await gate.ask(gate.signed("iam", off.encode(), content_type=FORM))).status == 200

    async def told(key: str) -> Any:
        answer = await gate.ask(gate.sqs("ListQueues", {}, key=key))
        return answer.status, text(answer)

    assert await told(second) == await told("AKIAAAAAAAAAAAAAAAAA")


async def test_unsigned_floods_are_refused_by_their_heads(gate: Gate) -> None:
    """Of services for members only no body is read; see test_http_limits.py for connections."""
    read = 0

    async def body() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65_536

    request = unsigned("POST", "/", body(), x_amz_target="TrentService.ListKeys")
    assert (await gate.ask(request)).status == 400
    assert read == 0
