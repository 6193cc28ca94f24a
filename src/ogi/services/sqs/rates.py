"""Rates: how many requests a second a FIFO queue takes, where `sqs_quotas` of the settings says so.

Developer guide, 'Amazon SQS message quotas' and 'Partitions and data distribution for high
throughput for SQS FIFO queues': 300 requests a second for each action (a batch is one); with the
limit perMessageGroupId 300 for each group, where the messages of one group in a batch are one, and
so many for the whole queue as the region gives. Without the setting nothing is counted.

A rate is a fact of the second that passes, so it lies in memory: a restart begins a new second. A
body that is run again draws the same marks again, so that it counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ogi.service import Call, Fields
from ogi.services.sqs.errors import RequestThrottled
from ogi.services.sqs.queues import Queue

UNLIMITED = 0
_MARK_BYTES = 16
SEND, RECEIVE, DELETE, CHANGE = "send", "receive", "delete", "change"
_HIGH_RATES = {
    "us-east-1": 70_000, "us-west-2": 70_000, "eu-west-1": 70_000,
    "us-east-2": 19_000, "eu-central-1": 19_000,
    "ap-south-1": 9_000, "ap-southeast-1": 9_000, "ap-southeast-2": 9_000,
    "ap-northeast-1": 9_000,
    "eu-west-2": 4_500, "sa-east-1": 4_500,
}  # fmt: skip
_HIGH_RATE = 2_400
"""Of all other regions."""


class Quotas(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Requests per second of one action; UNLIMITED or 1 and more."""

    fifo_rate: int = UNLIMITED
    """Of a FIFO queue with the limit perQueue."""
    fifo_group_rate: int = UNLIMITED
    """Of a message group of one with perMessageGroupId."""
    fifo_high_rate: int = UNLIMITED
    """Of such a queue in all; AWS's for the region where `aws_high`."""
    aws_high: bool = False

    def high(self, region: str) -> int:
        return _HIGH_RATES.get(region, _HIGH_RATE) if self.aws_high else self.fifo_high_rate


_decoder = msgspec.json.Decoder(Quotas, strict=False)


@lru_cache(maxsize=8)
def parse(text: str) -> Quotas:
    """The quotas that `aws,name=number,...` says; raises ValueError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    pairs: dict[str, Any] = dict(word.partition("=")[::2] for word in words if word != "aws")
    if any(not number.isascii() or not number.isdigit() for number in pairs.values()):
        raise ValueError("give NAME=NUMBER")
    if "aws" in words:
        high = {} if "fifo-high-rate" in pairs else {"aws-high": True}
        pairs = {"fifo-rate": 300, "fifo-group-rate": 300, **high, **pairs}
    try:
        return _decoder.decode(msgspec.json.encode(pairs))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


class Second:
    """What was taken in the second that passes."""

    __slots__ = ("at", "seen", "taken")

    def __init__(self) -> None:
        self.at = 0
        self.taken: dict[tuple[str, str, str], int] = {}
        self.seen: set[bytes] = set()

    def take(self, call: Call, key: tuple[str, str, str], most: int) -> None:
        """Count a request under `key`; raises RequestThrottled if there were `most` already."""
        now = int(call.now)
        # A clock that was set back must not make a second of an hour.
        if now > self.at or now < self.at - 1:
            self.at = now
            self.taken.clear()
            self.seen.clear()
        mark = call.entropy(_MARK_BYTES)
        if mark in self.seen:
            return
        count = self.taken.get(key, 0)
        if count >= most:
            raise RequestThrottled
        self.taken[key] = count + 1
        self.seen.add(mark)


def admit(call: Call, queue: Queue, action: str, group: str = "") -> None:
    """Count a request to a FIFO queue; raises RequestThrottled if it is one too many.

    group: of a request that is about one message, that message's group. Called only where the
    settings have quotas.
    """
    if not queue.attributes.fifo:
        return
    quotas, by_group = parse(call.ports.settings.sqs_quotas), _by_group(queue)
    second, arn = _second(call), queue.arn
    most = quotas.high(queue.region) if by_group else quotas.fifo_rate
    if most:
        second.take(call, (arn, action, ""), most)
    if group and by_group and quotas.fifo_group_rate:
        second.take(call, (arn, action, group), quotas.fifo_group_rate)


Act = Callable[[Any], Any]


def guarded(
    call: Call, queue: Queue, action: str, group_of: Callable[[Fields], str], act: Act
) -> Act:
    """`act` on an entry of a request, refused where its group had too many; `act` itself where no
    group is counted."""
    most = parse(call.ports.settings.sqs_quotas).fifo_group_rate
    if not most or not _by_group(queue):
        return act
    taken: set[str] = set()

    def guard(entry: Fields) -> Any:
        group = group_of(entry)
        if group and group not in taken:
            _second(call).take(call, (queue.arn, action, group), most)
            taken.add(group)
        return act(entry)

    return guard


def _by_group(queue: Queue) -> bool:
    return queue.attributes.throughput_limit == "perMessageGroupId"


def _second(call: Call) -> Second:
    return call.ports.store.beside(Second)
