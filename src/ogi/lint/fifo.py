"""FIFO and what goes with it.

docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html;
docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
"""

from __future__ import annotations

from collections.abc import Iterator

from ogi.lint import hops, timing
from ogi.lint.catalogue import Finding
from ogi.lint.paper import Paper, Resource, is_true, number

BATCH_MAX = 10
"""Of a FIFO queue as an event source; it has no batching window."""


def findings(paper: Paper) -> Iterator[Finding]:
    for resource in paper.of_type("AWS::SQS::Queue", "AWS::SNS::Topic"):
        yield from _name(resource)
    for hop in hops.of(paper):
        yield from _hop(hop)
    for queue in paper.of_type("AWS::SQS::Queue"):
        yield from _dead_letters(paper, queue)
    for feed in timing.feeds(paper):
        yield from _batches(feed)


def _fifo(resource: Resource) -> bool:
    said = resource.properties
    return is_true(said.get("FifoQueue")) or is_true(said.get("FifoTopic"))


def _name(resource: Resource) -> Iterator[Finding]:
    member = "QueueName" if resource.type == "AWS::SQS::Queue" else "TopicName"
    name = resource.properties.get(member)
    if name is None or "arn:aws:external" in str(name) or _fifo(resource) == str(
        name).endswith(".fifo"):  # fmt: skip
        return
    flag = "FifoQueue" if member == "QueueName" else "FifoTopic"
    yield Finding(
        "E9010", resource.path(member),
        f"{resource.logical} is called {name}, but {flag} is"
        f" {'true' if _fifo(resource) else 'not set'}: names of FIFO queues and topics end in"
        " .fifo, and no others do.",
        f"{flag}: true" if not _fifo(resource) else f"{member}: {name}.fifo",
    )  # fmt: skip


def _hop(hop: hops.Hop) -> Iterator[Finding]:
    target, noun = hop.target, hop.target.type.rpartition("::")[2].lower()
    if hop.service == "s3" and _fifo(target):
        yield Finding(
            "E9010", hop.path,
            f"{hop.source_name[0].upper()}{hop.source_name[1:]} announces to the FIFO {noun}"
            f" {target.logical}, which S3 does not support.",
            f"Announce to a standard topic or queue, or through EventBridge; or make"
            f" {target.logical} a standard {noun}.",
        )  # fmt: skip
    if hop.service != "sns" or isinstance(hop.source, str):
        return
    if not _fifo(hop.source) and _fifo(target):
        yield Finding(
            "E9010", hop.path,
            f"The standard topic {hop.source.logical} cannot have the FIFO queue {target.logical}"
            " as a subscriber: `Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be"
            " subscribed to standard SNS topics`.",
            f"Make {hop.source.logical} a FIFO topic (FifoTopic: true), or {target.logical} a"
            " standard queue.",
        )  # fmt: skip
    if _fifo(hop.source) and target.type == "AWS::Lambda::Function":
        yield Finding(
            "E9010", hop.path,
            f"The FIFO topic {hop.source.logical} cannot have the function {target.logical} as a"
            " subscriber: FIFO topics deliver to queues only.",
            f"Put a queue between them, which feeds {target.logical}.",
        )  # fmt: skip


def _dead_letters(paper: Paper, queue: Resource) -> Iterator[Finding]:
    said = queue.properties.get("RedrivePolicy")
    dead = paper.at(said.get("deadLetterTargetArn")) if isinstance(said, dict) else None
    if dead is None or _fifo(dead) == _fifo(queue):
        return
    kind = "FIFO" if _fifo(queue) else "standard"
    yield Finding(
        "E9010", queue.path("RedrivePolicy", "deadLetterTargetArn"),
        f"The dead-letter queue of a {kind} queue is a {kind} queue, too, but {dead.logical} is"
        " not.",
        f"Make {dead.logical} a {kind} queue.",
    )  # fmt: skip


def _batches(feed: timing.Feed) -> Iterator[Finding]:
    if not _fifo(feed.queue):
        return
    said, mapping = feed.mapping.properties, feed.mapping
    size = number(said.get("BatchSize", BATCH_MAX))
    window = number(said.get("MaximumBatchingWindowInSeconds", 0))
    if size is not None and size > BATCH_MAX:
        yield Finding(
            "E9010", mapping.path("BatchSize"),
            f"{mapping.logical} wants batches of {size} from the FIFO queue {feed.queue.logical},"
            f" which gives at most {BATCH_MAX}.",
            f"BatchSize: {BATCH_MAX}",
        )  # fmt: skip
    if window:
        yield Finding(
            "E9010", mapping.path("MaximumBatchingWindowInSeconds"),
            f"{mapping.logical} wants a batching window, which FIFO queues do not have"
            f" ({feed.queue.logical} is one).",
            "Leave MaximumBatchingWindowInSeconds out.",
        )  # fmt: skip
