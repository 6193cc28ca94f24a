"""Backlogs: what of a FIFO topic's groups waits for a FIFO queue that did not take what came first.

A copy that may pass later is tried again, and those of its group behind it wait for it, so that
they reach the queue in their order; other groups and other subscribers go on. "Each subscriber is
perceived in isolation from any other subscribers": docs.aws.amazon.com/sns/latest/dg/
fifo-topic-message-ordering.html; how often and for how long: fifo-message-durability.html there.
Laws: what comes for a queue while its group has a backlog goes to the end of it; a backlog has one
delivery in the agenda, which works it off from the front.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ogi import deliveries, owed
from ogi.errors import AwsError
from ogi.owed import Delivery
from ogi.service import Call, Fields
from ogi.services.sns import retries, subscriptions, topics
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction, keys
from ogi.storage.keys import after
from ogi.storage.tables import Table
from ogi.vault import NONCE_BYTES

PAGE = 10
"""Copies that are tried, or swept, in one transaction."""
COPY, DEAD = "copy", "dead"
"""What a group's backlog holds: copies for the subscriber, or dead letters for its queue of them.
Two, so that a dead-letter queue that refuses does not hold up the subscriber."""
_REFUSED = {COPY: ("sns", "given_up"), DEAD: ("sns", "lost")}
"""Who hears of what is refused for good."""
_HELD = "sns.held"
"""The table of what waits: deliveries, sealed as those in the agenda are."""


class Name(NamedTuple):
    """Which backlog of a topic."""

    group: str
    subscription_arn: str
    purpose: str


class Backlog(msgspec.Struct, frozen=True, array_like=True):
    """A backlog that holds something."""

    queue: str
    """The ARN of the queue for which its first one waits."""
    end: int
    """The number of the next that comes."""
    tried: int
    """How often its first one was tried."""


TABLE = Table("sns.backlog", Backlog, cached=False)


class Backlogs:
    """Those of a topic, in one transaction: it looks once whether there are any."""

    def __init__(self, tx: Transaction, topic: Topic) -> None:
        self._home = topic.home
        self._any = bool(TABLE.scan(tx, topic.home, limit=1))

    def hand_over(
        self,
        tx: Transaction,
        call: Call,
        name: Name,
        queue: str,
        service: str,
        operation: str,
        request: Fields,
        reference: Fields,
    ) -> None:
        """As `deliveries.hand_over`, behind what waits for the queue already.

        `call` is the topic's, in place. queue: the ARN of the queue.
        """
        backlog = TABLE.get(tx, self._home, *name) if self._any else None
        refusal = None
        if backlog is None:
            refusal = deliveries.make_now(tx, call, self._home, service, operation, request)
            if refusal is None:
                return
        held = deliveries.made_of(
            call, service, operation, request, _REFUSED[name.purpose], reference
        )
        if backlog is not None:
            _hold(tx, call, self._home, name, backlog, held)
        elif refusal is not None:
            self._begin(tx, call, name, queue, held, refusal)

    def _begin(
        self, tx: Transaction, call: Call, name: Name, queue: str, held: Delivery, refusal: AwsError
    ) -> None:
        """Let what was refused wait, if it may pass later."""
        wait_s = _wait_s(call, held, refusal)
        if wait_s is None:
            deliveries.tell(tx, call, held, refusal)
            return
        deliveries.note_refusal(call, held, refusal)
        self._any = True
        backlog = Backlog(queue, 0, 1)
        _hold(tx, call, self._home, name, backlog, held)
        _work_off_later(tx, call, self._home, name, backlog, wait_s)


def _hold(
    tx: Transaction, call: Call, home: Home, name: Name, backlog: Backlog, held: Delivery
) -> None:
    sealed = owed.seal(call.ports, held, call.entropy(NONCE_BYTES))
    tx.set(_held(home, name) + keys.u64(backlog.end), sealed)
    TABLE.put(tx, msgspec.structs.replace(backlog, end=backlog.end + 1), home, *name)
    call.note("sns.wait", subscription=name.subscription_arn, queue=backlog.queue)


def _held(home: Home, name: Name) -> bytes:
    """What the keys of a backlog's copies begin with."""
    return keys.extended(keys.start(home, _HELD), tuple(name))


def _wait_s(call: Call, held: Delivery, refusal: AwsError) -> float | None:
    """After how long it is to be tried again; None: not at all.

    What waits behind another has its time as well: AWS's 23 days begin for each when it came.
    """
    if not retries.may_pass(deliveries.report_of(held, refusal)):
        return None
    if call.now >= held.posted + retries.MANAGED.total_s:
        return None
    wait_s = retries.MANAGED.wait_s(held.attempt + 1)
    return None if wait_s is None else retries.jittered_s(call, wait_s)


def _work_off_later(
    tx: Transaction, call: Call, home: Home, name: Name, backlog: Backlog, wait_s: float
) -> None:
    request: Fields = {"TopicArn": str(home), "Queue": backlog.queue, **name._asdict()}
    deliveries.post(tx, call, home, "sns", "work_off", request, due=call.now + wait_s)


def _homes(call: Call, request: Fields) -> tuple[Home, ...]:
    return topics.home_of_messages(call, request), Home(request["Queue"])


@SERVICE.duty(home=_homes)
def work_off(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Try the first of a backlog again, and those that it held up; owe what is left."""
    home = topics.home_of_messages(call, request)
    name = Name(request["group"], request["subscription_arn"], request["purpose"])
    backlog = TABLE.get(tx, home, *name)
    if backlog is None:
        return {}
    prefix = _held(home, name)
    rows = tx.scan(prefix, after(prefix), PAGE)
    gone = name.purpose == COPY and _is_gone(tx, name.subscription_arn)
    tried = backlog.tried
    for key, raw in rows:
        if not gone:
            held = msgspec.structs.replace(owed.open_(call.ports, raw), attempt=tried)
            wait_s = _try(tx, call, home, held)
            if wait_s is not None:
                backlog = msgspec.structs.replace(backlog, tried=tried + 1)
                TABLE.put(tx, backlog, home, *name)
                _work_off_later(tx, call, home, name, backlog, wait_s)
                return {}
        tx.delete(key)
        tried = 0
    if len(rows) < PAGE:
        TABLE.delete(tx, home, *name)
    else:
        backlog = msgspec.structs.replace(backlog, tried=tried)
        TABLE.put(tx, backlog, home, *name)
        _work_off_later(tx, call, home, name, backlog, 0.0)
    return {}


def _is_gone(tx: Transaction, subscription_arn: str) -> bool:
    try:
        subscriptions.find(tx, subscription_arn)
    except AwsError:
        return True
    return False


def _try(tx: Transaction, call: Call, home: Home, held: Delivery) -> float | None:
    """Try one again: after how long once more, or None if it was made, or given up."""
    sender = call.but(
        account=held.account, region=held.region, principal=held.principal,
        context=held.context, trace=held.trace, trace_header=held.trace_header,
    )  # fmt: skip
    request = held.request
    if "Attempt" in request:
        request = {**request, "Attempt": held.attempt}
    refusal = deliveries.make_now(tx, sender, home, held.service, held.operation, request)
    if refusal is None:
        return None
    wait_s = _wait_s(call, held, refusal)
    if wait_s is None:
        deliveries.tell(tx, sender, held, refusal)
    else:
        deliveries.note_refusal(sender, held, refusal)
    return wait_s
