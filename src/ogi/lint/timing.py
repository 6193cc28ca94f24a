"""Queues that feed functions: timeouts, tries, retention, concurrency, and the role that polls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ogi.lint import questions
from ogi.lint.catalogue import Finding
from ogi.lint.paper import Paper, Resource, is_true, listed, number

RETENTION_S_MAX = 1_209_600
VISIBILITY_S = 30
FUNCTION_S = 3
RETENTION_S = 345_600
"""What a queue and a function have where nothing is said (their CloudFormation pages)."""
TRIES_MIN = 5
POLLERS = 5
""""Lambda starts processing five batches at a time with five concurrent invocations"."""
_POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


@dataclass(frozen=True)
class Feed:
    """An event source mapping between a queue and a function of the template."""

    mapping: Resource
    queue: Resource
    function: Resource


def feeds(paper: Paper) -> Iterator[Feed]:
    for mapping in paper.of_type("AWS::Lambda::EventSourceMapping"):
        queue = paper.at(mapping.properties.get("EventSourceArn"))
        function = _function(paper, mapping.properties.get("FunctionName"))
        if queue is not None and function is not None and queue.type == "AWS::SQS::Queue":
            yield Feed(mapping, queue, function)


def _function(paper: Paper, name: object) -> Resource | None:
    """By ARN, name, or either with a version or alias behind it."""
    text = str(name)
    for function in paper.of_type("AWS::Lambda::Function"):
        if text in (function.arn, function.name) or text.startswith(f"{function.arn}:"):
            return function
    return None


def findings(paper: Paper) -> Iterator[Finding]:
    found = list(feeds(paper))
    for feed in found:
        yield from _visibility(feed)
        yield from _role(paper, feed)
    for logical in dict.fromkeys(feed.queue.logical for feed in found):
        yield from _dead_letters(paper, paper.resources[logical])
    for logical in dict.fromkeys(feed.function.logical for feed in found):
        mine = [feed for feed in found if feed.function.logical == logical]
        yield from _concurrency(mine)


def _visibility(feed: Feed) -> Iterator[Finding]:
    queue, function = feed.queue, feed.function
    visible = number(queue.properties.get("VisibilityTimeout", VISIBILITY_S))
    timeout = number(function.properties.get("Timeout", FUNCTION_S))
    window = number(feed.mapping.properties.get("MaximumBatchingWindowInSeconds", 0)) or 0
    if visible is None or timeout is None:
        return
    path = queue.path("VisibilityTimeout") if "VisibilityTimeout" in queue.properties else (
        queue.path()
    )  # fmt: skip
    advised = 6 * timeout + window
    fix = f"In {queue.logical}:\nVisibilityTimeout: {min(advised, 43_200)}"
    if visible < timeout:
        yield Finding(
            "E9007", path,
            f"The queue {queue.logical} shows a message again after {visible} seconds, before the"
            f" function {function.logical} must have ended ({timeout} seconds). The mapping"
            f" {feed.mapping.logical} fails with `Invalid request provided: Queue visibility"
            f" timeout: {visible} seconds is less than Function timeout: {timeout} seconds`.", fix,
        )  # fmt: skip
    elif visible < advised:
        also = " and the batching window" if window else ""
        yield Finding(
            "W9012", path,
            f"The queue {queue.logical} shows a message again after {visible} seconds. Six times"
            f" the timeout of the function {function.logical}{also} are {advised}: Lambda needs"
            " them to try again when the function is throttled, else messages are handled twice.",
            fix,
        )  # fmt: skip


def _dead_letters(paper: Paper, queue: Resource) -> Iterator[Finding]:
    said = queue.properties.get("RedrivePolicy")
    if isinstance(said, str):
        said = _parsed(said)
    if not isinstance(said, dict) or "deadLetterTargetArn" not in said:
        if said is None:
            suffix = "\n    FifoQueue: true" if is_true(queue.properties.get("FifoQueue")) else ""
            yield Finding(
                "W9013", queue.path(),
                f"The queue {queue.logical} feeds a function but has no dead-letter queue: a"
                " message that cannot be handled is tried again and again until it expires, and is"
                " lost then.",
                f"In {queue.logical}:\nRedrivePolicy: {{ deadLetterTargetArn: !GetAtt"
                f" {queue.logical}Failed.Arn, maxReceiveCount: {TRIES_MIN} }}\nand a queue of its"
                f" own:\n{queue.logical}Failed:\n  Type: AWS::SQS::Queue\n  Properties:\n"
                f"    MessageRetentionPeriod: 1209600{suffix}",
            )  # fmt: skip
        return
    tries = number(said.get("maxReceiveCount"))
    if tries is not None and tries < TRIES_MIN:
        yield Finding(
            "W9014", queue.path("RedrivePolicy", "maxReceiveCount"),
            f"The queue {queue.logical} gives a message up after {tries} receives. A throttled"
            " function counts as a receive, too, so that messages land in the dead-letter queue"
            f" that were never handled; AWS advises at least {TRIES_MIN}.",
            f"maxReceiveCount: {TRIES_MIN}",
        )  # fmt: skip
    yield from _retention(paper, queue, said, tries)


def _retention(
    paper: Paper, queue: Resource, said: dict[str, Any], tries: int | None
) -> Iterator[Finding]:
    kept = number(queue.properties.get("MessageRetentionPeriod", RETENTION_S))
    visible = number(queue.properties.get("VisibilityTimeout", VISIBILITY_S))
    path = queue.path()
    if "MessageRetentionPeriod" in queue.properties:
        path = queue.path("MessageRetentionPeriod")
    if kept is not None and visible is not None and tries is not None and kept <= tries * visible:
        yield Finding(
            "W9016", path,
            f"The queue {queue.logical} keeps a message for {kept} seconds, but {tries} tries with"
            f" {visible} seconds of visibility timeout take {tries * visible}: it expires before it"
            " reaches the dead-letter queue.",
            f"In {queue.logical}:\nMessageRetentionPeriod: {max(RETENTION_S, 2 * tries * visible)}",
        )  # fmt: skip
    dead = paper.at(said.get("deadLetterTargetArn"))
    if dead is None or is_true(queue.properties.get("FifoQueue")) or kept is None:
        return  # In FIFO queues a message that is moved is kept from the moment of the move.
    there = number(dead.properties.get("MessageRetentionPeriod", RETENTION_S))
    if there is not None and there <= kept and there < RETENTION_S_MAX:
        path = dead.path()
        if "MessageRetentionPeriod" in dead.properties:
            path = dead.path("MessageRetentionPeriod")
        yield Finding(
            "W9015", path,
            f"The dead-letter queue {dead.logical} keeps messages for {there} seconds and its"
            f" source {queue.logical} for {kept}. A message's age counts from when it was first"
            " sent, so that one which waited long is gone before anybody looks at it.",
            f"In {dead.logical}:\nMessageRetentionPeriod: 1209600",
        )  # fmt: skip


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _concurrency(mine: list[Feed]) -> Iterator[Finding]:
    function = mine[0].function
    reserved = number(function.properties.get("ReservedConcurrentExecutions"))
    if reserved is None:
        return
    path = function.path("ReservedConcurrentExecutions")
    wanted, unlimited = 0, []
    for feed in mine:
        scaling = feed.mapping.properties.get("ScalingConfig")
        most = number(scaling.get("MaximumConcurrency")) if isinstance(scaling, dict) else None
        wanted += most or 0
        if most is None and not is_true(feed.queue.properties.get("FifoQueue")):
            unlimited.append(feed)
    if wanted > reserved:
        yield Finding(
            "E9011", path,
            f"The function {function.logical} reserves {reserved} concurrent executions, but its"
            f" event sources may use {wanted} (MaximumConcurrency): what is above is throttled, its"
            " messages come back late, and in the end they go to the dead-letter queue.",
            f"In {function.logical}:\nReservedConcurrentExecutions: {wanted}",
        )  # fmt: skip
    elif unlimited and reserved - wanted < POLLERS:
        feed = unlimited[0]
        yield Finding(
            "W9019", path,
            f"The function {function.logical} reserves {reserved} concurrent executions, but Lambda"
            f" begins to poll {feed.queue.logical} with {POLLERS} at a time: batches that find no"
            " room are throttled, and every throttled try counts as a receive.",
            f"Let the mapping {feed.mapping.logical} know the limit (2 is the least):\n"
            f"ScalingConfig: {{ MaximumConcurrency: {max(reserved, 2)} }}"
            + (f"\nand in {function.logical}:\nReservedConcurrentExecutions: 2"
               if reserved < 2 else ""),
        )  # fmt: skip


def _role(paper: Paper, feed: Feed) -> Iterator[Finding]:
    role = paper.at(feed.function.properties.get("Role"))
    found = None if role is None else questions.of_role(paper, role)
    if role is None or found is None:
        return  # A role or a policy from elsewhere is not here to be read.
    principal, held = found
    queue = feed.queue
    statements = questions.of_queue(paper, queue) or None
    lacking = [
        action for action in _POLLING
        if questions.asks(paper, principal, action, queue.arn, statements, {}, held) is not None
    ]  # fmt: skip
    if lacking:
        listed_actions = ", ".join(f'"{action}"' for action in _POLLING)
        yield Finding(
            "E9008", role.path(),
            f"The role {role.logical} may not {', '.join(lacking)} on {queue.logical}, from which"
            f" {feed.mapping.logical} feeds {feed.function.logical}: the stack fails with `The"
            " provided execution role does not have permissions to call ReceiveMessage on SQS`.",
            f"In a policy of {role.logical}:\n- Effect: Allow\n  Action: [{listed_actions}]\n"
            f"  Resource: !GetAtt {queue.logical}.Arn",
        )  # fmt: skip
    key = paper.key(queue.properties.get("KmsMasterKeyId", ""))
    if key is None:
        return
    context = {
        "kms:ViaService": f"sqs.{paper.region}.amazonaws.com",
        "kms:CallerAccount": paper.account,
        "kms:EncryptionContext:aws:sqs:arn": queue.arn,
    }
    keys = questions.of_key(paper, key)
    against = questions.asks(paper, principal, "kms:Decrypt", key.arn, keys, context, held)
    if against is not None:
        yield Finding(
            "E9009", role.path(),
            f"The role {role.logical} may not kms:Decrypt with {key.logical}, under which the queue"
            f" {queue.logical} is encrypted: {feed.mapping.logical} receives nothing, and only its"
            " LastProcessingResult says so."
            + (" (AWSKeyManagementServicePowerUser administers keys, but does not use them.)"
               if any("PowerUser" in str(arn)
                      for arn in listed(role.properties.get("ManagedPolicyArns"))) else ""),
            f'In a policy of {role.logical}:\n- Effect: Allow\n  Action: "kms:Decrypt"\n'
            f"  Resource: !GetAtt {key.logical}.Arn",
        )  # fmt: skip
