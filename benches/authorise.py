"""The cost of a decision, and of finding who asks, in microseconds of one core, without HTTP.

Run: python -m benches.authorise [decisions per row]
The store is the memory engine's snapshot, so the figures are those of access itself.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from msgspec.structs import replace
from sortedcontainers import SortedDict

from benches.places import Effort, Place, Row
from ogi.access import credentials, identities, seeds
from ogi.access.authorise import authorise
from ogi.access.identities import Role
from ogi.access.sessions import principal_of
from ogi.clock import SystemClock
from ogi.errors import AccessDenied
from ogi.service import Call, Ports, Principal, Service, service_principal
from ogi.settings import Settings
from ogi.storage import CONTROL
from ogi.storage.memory import MemoryStore
from ogi.storage.writes import Snapshot, Writes
from ogi.traces import Traces
from ogi.vault import Vault

ACCOUNT, REGION = "111122223333", "eu-west-1"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:snssqstestqueue"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:snssqstesttopic"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ROUNDS = 7
DECISIONS = 20_000
GOAL_US = 3.0
"""Of a decision on the hot path."""
LIMITED = "a role with a boundary and a session policy with a condition sends"
"""Everything on; it has no goal, since it is not what a hot path meets."""

QUEUE_POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{
        "Sid": "SID", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
    }],
})  # fmt: skip
KEY_POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
         "Action": ["kms:*"], "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
         "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"},
    ],
})  # fmt: skip
SESSION_POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:*:{ACCOUNT}:*",
        "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
    }],
})  # fmt: skip
MANAGED = "arn:aws:iam::aws:policy/"


def _service(name: str, policy: str | None) -> Service:
    return Service(name, f"{name}.amazonaws.com", AccessDenied, policy_of=lambda tx, arn: policy)


def _ports() -> Ports:
    return Ports(
        settings=Settings(account=ACCOUNT), clock=SystemClock(), store=MemoryStore(), blobs=None,  # type: ignore[arg-type]
        vault=Vault(b"v" * 32), traces=Traces(), authorise=authorise, services={},
        random=lambda size: b"r" * size,
    )  # fmt: skip


def _world() -> tuple[Snapshot, Ports, Principal, Principal, Principal, tuple[str, str]]:
    """A snapshot with the user admin, the role of the article, and one that all can limit that
    there is; their principals."""
    ports = _ports()
    entries = SortedDict()
    writes = Writes(Snapshot(entries), (CONTROL,))
    made = seeds.bootstrap(writes, ports.vault, ports.settings, os.urandom, time.time())
    assert made is not None
    trust = '{"Version":"2012-10-17","Statement":[]}'
    role = Role(
        account=ACCOUNT, name="sqssnstestrole", id="AROA7777777777777", path="/", created=0.0,
        trust=trust, trust_bound=trust,
        attached=tuple(
            MANAGED + name
            for name in (
                "AmazonS3FullAccess", "ReadOnlyAccess", "service-role/AWSLambdaBasicExecutionRole",
                "AmazonSQSFullAccess", "AWSKeyManagementServicePowerUser",
            )
        ),
    )  # fmt: skip
    limited = replace(role, name="limited", id="AROA8", boundary=f"{MANAGED}PowerUserAccess")
    for each in (role, limited):
        identities.put(writes, identities.ROLES, each)
    entries.update({k: v for k, v in writes.changes.items() if v is not None})
    tx = Snapshot(entries)
    admin = credentials.find(tx, ports.vault, made[0], None, time.time()).principal
    session = principal_of(limited, "limited", (SESSION_POLICY,))
    return tx, ports, admin, principal_of(role, "snssqstestlambda"), session, made


def _median_us(body: Callable[[], Any], count: int) -> float:
    body()
    figures = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            body()
        figures.append((time.process_time() - began) / count * 1e6)
    return statistics.median(figures)


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    """Each kind of decision on the hot path, as a promise; the place does not matter."""
    for what, us in decisions(DECISIONS // 4 if effort.runs == 1 else DECISIONS):
        yield Row(f"decision: {what}", us, "us", None if what == LIMITED else GOAL_US, less=True)


def main(count: int) -> None:
    for what, us in decisions(count):
        print(f"{us:6.2f} us  {what}")


def decisions(count: int) -> Iterator[tuple[str, float]]:
    """What is decided, or who is found, and what that takes."""
    tx, ports, admin, role, limited, made = _world()
    context = {"aws:SourceIp": "127.0.0.1", "aws:SecureTransport": "false"}
    hop = {"aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT}

    def call(principal: Principal, context: dict[str, Any]) -> Call:
        return Call(
            ports=ports, account=ACCOUNT, region=REGION, principal=principal, request_id="",
            now=time.time(), seed=b"s" * 32, context=context,
        )  # fmt: skip

    sns = service_principal("sns.amazonaws.com")
    rows: list[tuple[str, Service, str, str, Principal, dict[str, Any]]] = [
        ("admin sends to a queue without a policy",
         _service("sqs", None), "sqs:SendMessage", QUEUE, admin, context),
        ("admin sends to the article's queue",
         _service("sqs", QUEUE_POLICY), "sqs:SendMessage", QUEUE, admin, context),
        ("the article's role receives",
         _service("sqs", QUEUE_POLICY), "sqs:ReceiveMessage", QUEUE, role, context),
        ("SNS sends to the article's queue",
         _service("sqs", QUEUE_POLICY), "sqs:SendMessage", QUEUE, sns, hop),
        ("SNS decrypts with the article's key",
         _service("kms", KEY_POLICY), "kms:Decrypt", KEY, sns, hop),
        ("admin decrypts with the article's key",
         _service("kms", KEY_POLICY), "kms:Decrypt", KEY, admin, context),
        (LIMITED,
         _service("sqs", QUEUE_POLICY), "sqs:SendMessage", QUEUE, limited, context),
    ]  # fmt: skip
    for what, service, action, resource, principal, keys in rows:
        asking, actions, resources = call(principal, keys), (action,), (resource,)

        def decide(
            asking: Call = asking, service: Service = service, actions: tuple[str] = actions,
            resources: tuple[str] = resources, keys: dict[str, Any] = keys,
        ) -> None:  # fmt: skip
            authorise(tx, asking, service, actions, resources, keys)

        yield what, _median_us(decide, count)

    now = time.time()
    yield (
        "finding a user's access key",
        _median_us(lambda: credentials.find(tx, ports.vault, made[0], None, now), count),
    )
    session = credentials.mint_session(ports.vault, os.urandom, role, now, 3600)
    token = session.session_token
    yield (
        "finding a session by its token",
        _median_us(
            lambda: credentials.find(tx, ports.vault, session.access_key_id, token, now), count
        ),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS)
