"""From the answer to a put to the first line of the function, through S3, SNS, SQS and Lambda.

The stack is examples/fanout, with KMS on every hop; only the function's code is another: it prints
the clock. Client and function read the same machine's clock.

Run: python -m benches.chain [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from benches.load import connect
from benches.places import Effort, Place, Row, Unable, main, name

TEMPLATE = Path(__file__).parent.parent / "examples" / "fanout" / "template.yaml"
SPACING_S = 0.1
WARM = 10
P50_GOAL_MS, P99_GOAL_MS = 10, 50
LOGGED_S_MAX = 60.0
CODE = """
          import json, time

          def handler(event, context):
              now = time.time()
              for message in event["Records"]:
                  announcement = json.loads(json.loads(message["body"])["Message"])
                  for record in announcement.get("Records", []):
                      print("ran", record["s3"]["object"]["key"], repr(now))

"""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    made = _deploy(place)
    answered: dict[str, float] = {}
    line = await connect(place.target)
    for at in range(WARM + effort.samples):
        key = f"{'warm' if at < WARM else 'put'}-{at}.txt"
        request = place.target.render("s3", "PUT", f"/{made['BucketName']}/{key}", {}, b"hello")
        status, body = await line.ask(request)
        if status >= 300:
            raise Unable(f"{status}: {body[:200]!r}")
        answered[key] = time.time()
        await asyncio.sleep(SPACING_S if at >= WARM else 3 * SPACING_S)
    line.close()
    ran = _logged(place, made["LogGroup"], len(answered))
    ways_ms = sorted((ran[key] - answered[key]) * 1e3 for key in answered if key[:3] == "put")
    p50, p99 = ways_ms[len(ways_ms) // 2], ways_ms[int(len(ways_ms) * 0.99)]
    remark = f"{len(ways_ms)} samples, worst {ways_ms[-1]:.1f} ms"
    promise = "put answered to handler, KMS on every hop,"
    yield Row(f"{promise} p50", p50, "ms", P50_GOAL_MS, less=True, remark=remark)
    yield Row(f"{promise} p99", p99, "ms", P99_GOAL_MS, less=True)


def _deploy(place: Place) -> dict[str, str]:
    """The stack's outputs, once it is there."""
    stack, cloud = name(), place.client("cloudformation")
    parameters = {
        "BucketName": f"{stack}-drop", "TopicName": stack, "QueueName": stack,
        "FunctionName": stack, "RoleName": stack, "KeyAlias": f"alias/{stack}",
    }  # fmt: skip
    try:
        cloud.create_stack(
            StackName=stack,
            TemplateBody=_template(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        cloud.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    except (ClientError, WaiterError) as error:
        raise Unable(str(error)) from error
    outputs = cloud.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _template() -> str:
    before, rest = TEMPLATE.read_text().split("        ZipFile: |\n")
    after = rest[rest.index("  WorkerSource:") :]
    return f"{before}        ZipFile: |{CODE}{after}"


def _logged(place: Place, group: str, count: int) -> dict[str, float]:
    """When the function began, by key."""
    logs = place.client("logs")
    until = time.monotonic() + LOGGED_S_MAX
    while True:
        ran: dict[str, float] = {}
        try:
            pages: Any = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            for page in pages:
                for event in page["events"]:
                    words = event["message"].split()
                    if words[:1] == ["ran"]:
                        ran.setdefault(words[1], float(words[2]))
        except ClientError as error:
            if time.monotonic() > until:
                raise Unable(str(error)) from error
        if len(ran) >= count:
            return ran
        if time.monotonic() > until:
            raise Unable(f"{len(ran)} of {count} were handled")
        time.sleep(0.5)


if __name__ == "__main__":
    main(measure, __doc__)
