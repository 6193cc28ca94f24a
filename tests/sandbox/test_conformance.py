"""The contract of the sandbox: what every kind of it, and the fake, promises."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from tests.sandbox.conftest import ARN, Bench

ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"


def _said(payload: bytes) -> Any:
    return json.loads(payload)


async def test_a_handler_gets_the_event_and_its_result_is_the_payload(bench: Bench) -> None:
    outcome = await bench.run("def handler(e, c): return {'got': e}", '{"n": [1, "ü"]}'.encode())
    assert _said(outcome.payload) == {"got": {"n": [1, "ü"]}}
    assert (outcome.error, outcome.error_type) == ("", "")
    assert "ü".encode() in outcome.payload


async def test_the_context_says_who_is_called(bench: Bench) -> None:
    code = """
def handler(event, c):
    return [c.aws_request_id, c.function_name, c.function_version, c.invoked_function_arn,
            c.memory_limit_in_mb, c.log_group_name, c.log_stream_name, c.client_context,
            c.identity.cognito_identity_id, c.get_remaining_time_in_millis() > 0]
"""
    outcome = await bench.run(code)
    assert _said(outcome.payload) == [
        ID, "sample", "$LATEST", ARN, "256", "/aws/lambda/sample", "2026/01/02/[$LATEST]0f0f",
        None, None, True,
    ]  # fmt: skip


async def test_the_client_context_reaches_the_handler(bench: Bench) -> None:
    code = "def handler(e, c): return [c.client_context.custom, c.client_context.client.app_title]"
    said = '{"custom": {"a": 1}, "client": {"app_title": "t"}}'
    outcome = await bench.run(code, client_context=said)
    assert _said(outcome.payload) == [{"a": 1}, "t"]


async def test_an_exception_is_an_unhandled_error_with_its_stack(bench: Bench) -> None:
    outcome = await bench.run("def handler(e, c):\n    raise KeyError('boom')")
    assert (outcome.error, outcome.error_type) == ("Unhandled", "KeyError")
    said = _said(outcome.payload)
    assert (said["errorMessage"], said["errorType"]) == ("'boom'", "KeyError")
    assert said["requestId"] == ID
    assert len(said["stackTrace"]) == 1 and "in handler" in said["stackTrace"][0]
    error = next(line.text for line in bench.lines if line.text.startswith("[ERROR]"))
    assert error.startswith("[ERROR] KeyError: 'boom'\nTraceback (most recent call last):\n")


async def test_an_environment_serves_on_after_an_exception(bench: Bench) -> None:
    code = "n = 0\ndef handler(e, c):\n global n; n += 1\n if n == 1: raise OSError\n return n"
    function = bench.function(code)
    assert (await bench.run(function)).error == "Unhandled"
    assert (await bench.run(function)).payload == b"2"


async def test_a_missing_module_is_an_import_error(bench: Bench) -> None:
    function = bench.function("", handler="absent.handler")
    said = _said((await bench.run(function)).payload)
    assert said["errorType"] == "Runtime.ImportModuleError"
    assert said["errorMessage"] == "Unable to import module 'absent': No module named 'absent'"


async def test_a_missing_function_is_not_found(bench: Bench) -> None:
    said = _said((await bench.run("x = 1")).payload)
    assert said["errorType"] == "Runtime.HandlerNotFound"
    assert said["errorMessage"] == "Handler 'handler' missing on module 'index'"


async def test_a_syntax_error_is_named(bench: Bench) -> None:
    said = _said((await bench.run("def handler(:")).payload)
    assert said["errorType"] == "Runtime.UserCodeSyntaxError"
    assert said["errorMessage"].startswith("Syntax error in module 'index': ")


async def test_a_result_that_is_not_json_is_a_marshal_error(bench: Bench) -> None:
    outcome = await bench.run("def handler(e, c): return {1, 2}")
    said = _said(outcome.payload)
    assert said["errorType"] == "Runtime.MarshalError"
    message = "Unable to marshal response: Object of type set is not JSON serializable"
    assert said["errorMessage"] == message


async def test_an_exit_ends_the_environment_and_the_next_event_gets_a_new_one(bench: Bench) -> None:
    code = "import sys\ndef handler(e, c):\n if e: sys.exit(3)\n return 1"
    function = bench.function(code)
    outcome = await bench.run(function, b"1")
    assert _said(outcome.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {ID} Error: Runtime exited with error: exit status 3",
    }
    again = await bench.run(function, b"0")
    assert again.payload == b"1" and again.cold


async def test_the_log_has_the_lines_that_lambda_writes(bench: Bench) -> None:
    outcome = await bench.run("def handler(e, c):\n print('one\\ntwo')\n print('end', end='')")
    texts = [line.text for line in bench.lines]
    assert texts[0] == f"START RequestId: {ID} Version: $LATEST"
    assert texts[1:4] == ["one", "two", "end"]
    assert texts[4] == f"END RequestId: {ID}"
    assert re.fullmatch(
        rf"REPORT RequestId: {ID}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t",
        texts[5],
    )
    assert outcome.tail.decode().splitlines() == texts


async def test_an_environment_is_used_again_for_the_same_revision(bench: Bench) -> None:
    function = bench.function("n = 0\ndef handler(e, c):\n global n; n += 1\n return n")
    first, second = await bench.run(function), await bench.run(function)
    assert (first.payload, second.payload) == (b"1", b"2")
    assert (first.cold, second.cold) == (True, False)
    assert "Init Duration" not in bench.lines[-1].text


async def test_another_revision_gets_an_environment_of_its_own(bench: Bench) -> None:
    first = await bench.run("def handler(e, c): return 'old'")
    second = await bench.run("def handler(e, c): return 'new'")
    assert (first.payload, second.payload) == (b'"old"', b'"new"')


async def test_a_retired_function_starts_anew(bench: Bench) -> None:
    function = bench.function("n = 0\ndef handler(e, c):\n global n; n += 1\n return n")
    await bench.run(function)
    await bench.sandbox.retire(function.arn)
    assert (await bench.run(function)).payload == b"1"


async def test_invocations_at_the_same_time_have_their_own_environments(bench: Bench) -> None:
    code = "n = 0\ndef handler(e, c):\n global n; n += 1\n return n"
    function = bench.function(code)
    outcomes = await asyncio.gather(*(bench.run(function) for _ in range(3)))
    assert sum(int(o.payload) for o in outcomes) >= 3


async def test_who_invokes_is_told_when_the_event_was_handed_over(bench: Bench) -> None:
    told: list[tuple[float, bool]] = []
    function = bench.function("def handler(e, c): pass")
    for _ in range(2):
        await bench.run(function, started=lambda at, cold: told.append((at, cold)))
    assert [cold for _, cold in told] == [True, False]
