"""`ogi demo`: the article's chain on a server of its own, shown hop by hop.

Everything that is printed is read back from the server; the command succeeds only if the file's
event reached the function and the other file was filtered.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

STACK = "fan"
REGION = "eu-west-1"
START_S_MAX = 30.0
STACK_S_MAX = 120.0
ARRIVE_S_MAX = 30.0
LOOK_S = 0.05
WIDTH = 120
"""Of what is printed where there is no terminal."""


class DemoFailed(click.ClickException):
    """What did not happen."""


@click.command()
@click.option("--template", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Deploy this template instead; it must have the same outputs.")  # fmt: skip
def demo(template: Path | None) -> None:
    """Run the whole chain: S3 -> SNS -> SQS -> Lambda, with KMS on every hop.

    Starts a server on a free port with its data in a temporary folder, deploys the example stack
    through CloudFormation, uploads hello.txt and hello.jpg, and shows the way of hello.txt.
    """
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    text = (template or _example()).read_text()
    with _server(console) as endpoint:
        clients = _Clients(endpoint)
        outputs = _deploy(console, clients, text)
        hops = _upload(console, clients, outputs)
        lines = _function_log(console, clients, outputs["FunctionName"])
    _show(console, hops, lines)


def _example() -> Any:
    return files("ogi") / "examples" / "fanout" / "template.yaml"


class _Clients:
    """boto3 clients of the demo's server; uploads carry a trace id that we chose."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        self._session = boto3.Session("test", "test", region_name=REGION)

    def of(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.endpoint)

    def traced(self, trace: str) -> Any:
        """An S3 client whose requests belong to one trace."""
        client = self.of("s3")

        def add(request: Any, **_: Any) -> None:
            request.headers["X-Amzn-Trace-Id"] = f"Root={trace}"

        client.meta.events.register("before-sign.s3.PutObject", add)
        return client

    def hops(self, trace: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.endpoint}/_ogi/traces?id={trace}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["hops"]
            return found


@contextlib.contextmanager
def _server(console: Any) -> Iterator[str]:
    """A server process of its own; its endpoint."""
    with tempfile.TemporaryDirectory(prefix="ogi-demo-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "ogi", "serve", "--port", "0", "--ephemeral",
                 "--region", REGION, "--credentials", "test:test"],
                stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, "TMPDIR": folder},
            )  # fmt: skip
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if "ready at" not in line:
                    raise DemoFailed(f"The server did not start:\n{log.read_text()}")
                endpoint = line.split(" at ", 1)[1].split(" ")[0]
                took = (time.perf_counter() - began) * 1e3
                console.print(f"[bold]Ogi[/] is ready at {endpoint} after {took:.0f} ms")
                yield endpoint
            finally:
                process.terminate()
                try:
                    code = process.wait(START_S_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise DemoFailed("The server did not stop.") from None
        if code != 0:
            raise DemoFailed(f"The server ended with {code}:\n{log.read_text()}")


def _deploy(console: Any, clients: _Clients, text: str) -> dict[str, str]:
    """The stack's outputs, once it is complete."""
    client = clients.of("cloudformation")
    began = time.perf_counter()
    client.create_stack(StackName=STACK, TemplateBody=text, Capabilities=["CAPABILITY_NAMED_IAM"])
    with console.status("Deploying the stack ...") as status:
        while True:
            stack = client.describe_stacks(StackName=STACK)["Stacks"][0]
            resources = client.describe_stack_resources(StackName=STACK)["StackResources"]
            done = sum(r["ResourceStatus"] == "CREATE_COMPLETE" for r in resources)
            status.update(f"Deploying the stack: {done} of {len(resources)} resources")
            if stack["StackStatus"] != "CREATE_IN_PROGRESS":
                break
            if time.perf_counter() - began > STACK_S_MAX:
                raise DemoFailed("The stack was not created in time.")
            time.sleep(LOOK_S)
    took = (time.perf_counter() - began) * 1e3
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = client.describe_stack_events(StackName=STACK)["StackEvents"]
        reasons = [e["ResourceStatusReason"] for e in events if "ResourceStatusReason" in e]
        raise DemoFailed("The stack failed:\n  " + "\n  ".join(reversed(reasons)))
    console.print(f"[bold]CloudFormation[/] made {done} resources in {took:.0f} ms")
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", ())}


def _upload(console: Any, clients: _Clients, outputs: dict[str, str]) -> dict[str, Any]:
    """Upload both files and wait until the function has ended; the hops of each, by name."""
    bucket = outputs["BucketName"]
    traces = {name: f"1-{int(time.time()):08x}-{os.urandom(12).hex()}" for name in _FILES}
    for name, content in _FILES.items():
        clients.traced(traces[name]).put_object(Bucket=bucket, Key=name, Body=content)
    console.print(f"[bold]S3[/] took {' and '.join(_FILES)} into {bucket}\n")
    until = time.perf_counter() + ARRIVE_S_MAX
    with console.status("Waiting for the function ..."):
        while not any(hop["kind"] == "lambda.end" for hop in clients.hops(traces["hello.txt"])):
            if time.perf_counter() > until:
                seen = [hop["kind"] for hop in clients.hops(traces["hello.txt"])]
                raise DemoFailed(f"hello.txt did not reach the function. Its hops: {seen}")
            time.sleep(LOOK_S)
    return {name: clients.hops(trace) for name, trace in traces.items()}


_FILES = {"hello.jpg": b"\xff\xd8\xff\xe0 not announced", "hello.txt": b"Hello, fan-out!\n"}


def _function_log(console: Any, clients: _Clients, function: str) -> list[str]:
    """The lines of the function's log, once its REPORT is there."""
    client = clients.of("logs")
    until = time.perf_counter() + ARRIVE_S_MAX
    while time.perf_counter() < until:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            events = client.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
            lines = [event["message"].rstrip() for event in events]
            if any(line.startswith("REPORT") for line in lines):
                return lines
        time.sleep(LOOK_S)
    raise DemoFailed("The function's log did not appear.")


def _show(console: Any, hops: dict[str, Any], lines: list[str]) -> None:
    """The way of hello.txt, the function's log, and the verdict on hello.jpg."""
    from rich.table import Table

    table = Table(title="The way of hello.txt", title_justify="left", box=None, pad_edge=False)
    for name, justify in (("ms", "right"), ("hop", "left"), ("what", "left"), ("KMS key", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    way = sorted(hops["hello.txt"], key=lambda hop: hop["at"])
    began = way[0]["at"]
    for hop in way:
        table.add_row(f"{(hop['at'] - began) * 1e3:.1f}", hop["kind"], _what(hop), _key(hop))
    console.print(table)
    console.print("\n[bold]The function's own log[/]")
    for line in lines:
        console.print(f"  {line}", markup=False)
    _check(hops, lines)
    filtered = next(hop for hop in hops["hello.jpg"] if hop["kind"] == "s3.filtered")
    console.print(
        f"\n[bold]hello.jpg[/] was filtered: its key does not end in"
        f" {filtered['suffix']!r}, nothing was published."
    )


_MUST = ("s3.put", "s3.event", "sns.publish", "sns.deliver", "sqs.send", "sqs.receive",
         "lambda.start", "lambda.end")  # fmt: skip


def _check(hops: dict[str, Any], lines: list[str]) -> None:
    seen = [hop["kind"] for hop in hops["hello.txt"]]
    missing = [kind for kind in _MUST if kind not in seen]
    if missing:
        raise DemoFailed(f"These hops did not happen: {missing}")
    if not any("hello.txt" in line for line in lines):
        raise DemoFailed("The function did not see hello.txt.")
    other = [hop["kind"] for hop in hops["hello.jpg"]]
    if "s3.filtered" not in other or "sns.publish" in other:
        raise DemoFailed(f"hello.jpg was not filtered: {other}")


def _key(hop: dict[str, Any]) -> str:
    """The key that a hop used: KMS names it by its id, the services as they were told."""
    if hop["kind"].startswith("kms."):
        return _name(hop["key"])[:12] + "…"
    if hop["kind"] == "s3.put" and not hop["kms_key"]:
        return "Ogi's own"
    return _name(hop.get("kms_key") or "")


def _what(hop: dict[str, Any]) -> str:
    """A hop's most telling fields in one line."""
    match hop["kind"]:
        case "s3.put":
            return f"{hop['key']}, {hop['size']} bytes, {hop.get('encryption', '')}"
        case "s3.event":
            return f"{hop['event']} -> {_name(hop['destination'])}"
        case "sns.publish":
            return _name(hop["topic"])
        case "sns.deliver":
            return f"-> {hop['protocol']} {_name(hop['endpoint'])}"
        case "sqs.send" | "sqs.receive" | "sqs.delete":
            ids = hop.get("message_ids") or [hop["message_id"]]
            return f"{_name(hop['queue'])}, message {', '.join(id[:8] for id in ids)}"
        case "lambda.start":
            return f"{_name(hop['function'])}, {'cold' if hop.get('cold') else 'warm'}"
        case "lambda.end":
            return f"{hop.get('error') or 'succeeded'} after {hop['duration_ms']:.1f} ms"
    if hop["kind"].startswith("kms."):
        via = f" via {hop['via'].split('.')[0]}" if hop.get("via") else ""
        return f"as {_name(hop['principal']).rsplit('/awslambda', 1)[0]}{via}"
    return ""


def _name(arn: str) -> str:
    """The resource of an ARN; anything else as it is."""
    return arn.rsplit(":", 1)[-1] if arn.startswith("arn:") else arn
