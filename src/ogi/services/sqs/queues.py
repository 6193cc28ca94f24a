"""Queues: their records, names and URLs. A record lies in the control home of account and region.

`epoch` names the generation of a queue's messages: all keys of messages begin with it, so that a
purge or a deletion is one small write whatever the queue holds; the tender sweeps what is left.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from ogi import arn as arns
from ogi.service import Call, Fields
from ogi.services.sqs.attributes import Deleted as Deleted
from ogi.services.sqs.attributes import Queue as Queue
from ogi.services.sqs.errors import (
    InvalidAddress,
    InvalidParameterValue,
    QueueDoesNotExist,
)
from ogi.settings import Settings
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

NAME_CHARS_MAX: Final = 80
KEYS_MAX: Final = 65_536
"""Queues whose URLs, ARNs and keys are kept, taken apart."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class _TooLongError(Exception):
    """Raised instead of returning None, which would be kept together with what was asked for."""


TABLE: Final = Table("sqs.queue", Queue)
DELETED: Final = Table("sqs.deleted", Deleted)


def arn(account: str, region: str, name: str) -> str:
    return arns.make("sqs", region, account, name)


def endpoint(settings: Settings) -> str:
    """Where clients reach this server; the beginning of queue URLs."""
    return settings.endpoint.rstrip("/") or f"http://{settings.host}:{settings.port}"


def url(call: Call, account: str, name: str) -> str:
    return f"{endpoint(call.ports.settings)}/{account}/{name}"


@lru_cache(maxsize=KEYS_MAX)
def account_and_name(queue_url: str) -> tuple[str, str]:
    """From the last two parts of the path; the host is not looked at.

    A queue's name alone is AWS's, too ('using queue names' in the guide of the AWS SDK for
    JavaScript, aws/aws-sdk-js-v3#6337 on GitHub): a queue of the caller's account, told as ''. A
    URL without a path is of no queue (getmoto/moto#3657, aws-amplify/aws-sdk-ios#3799).
    What is too long is refused, and so never kept: anybody may send a URL.
    """
    if len(queue_url) > arns.CHARS_MAX:
        raise InvalidAddress.of(queue_url)
    if "/" not in queue_url:
        return "", queue_url
    try:
        parts = urlsplit(queue_url).path.rstrip("/").split("/")
    except ValueError:
        raise InvalidAddress.of(queue_url) from None
    if parts == [""]:
        raise QueueDoesNotExist
    if len(parts) < 3 or not re.fullmatch(r"\d{12}", parts[-2]) or not parts[-1]:
        raise InvalidAddress.of(queue_url)
    return parts[-2], parts[-1]


@lru_cache(maxsize=KEYS_MAX)
def arn_of_url(queue_url: str, region: str, caller: str) -> str:
    """`caller`: the account of who asks."""
    account, name = account_and_name(queue_url)
    return arn(account or caller, region, name)


def on_queue(tx: Reader, call: Call, request: Fields) -> str:
    """The ARN to authorise for a request that has a QueueUrl."""
    return arn_of_url(request["QueueUrl"], call.region, call.account)


def home_of_messages(call: Call, request: Fields) -> Home:
    return Home(arn_of_url(request["QueueUrl"], call.region, call.account))


def home_of_record(call: Call, request: Fields) -> Home:
    account, _ = account_and_name(request["QueueUrl"])
    return control(account or call.account, call.region)


def find(tx: Reader, call: Call, queue_url: str) -> Queue:
    raw = tx.get(_key_of_url(queue_url, call.region, call.account))
    if raw is None:
        raise QueueDoesNotExist
    return TABLE.decode(raw)


def tags_of(tx: Reader, queue_arn: str) -> dict[str, str] | None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-abac.html"""
    found = find_by_arn(tx, queue_arn)
    return None if found is None else found.tags


def find_by_arn(tx: Reader, queue_arn: str) -> Queue | None:
    try:
        key = _key_of_arn(queue_arn)
    except _TooLongError:
        return None
    raw = None if key is None else tx.get(key)
    return None if raw is None else TABLE.decode(raw)


@lru_cache(maxsize=KEYS_MAX)
def _key_of_arn(queue_arn: str) -> bytes | None:
    """Where the record lies. Kept, as every request on a queue looks for it twice (4 us)."""
    if len(queue_arn) > arns.CHARS_MAX:
        raise _TooLongError
    parsed = arns.parse(queue_arn)
    if parsed is None or parsed.service != "sqs":
        return None
    return TABLE.key(control(parsed.account, parsed.region), parsed.resource)


@lru_cache(maxsize=KEYS_MAX)
def _key_of_url(queue_url: str, region: str, caller: str) -> bytes:
    account, name = account_and_name(queue_url)
    return TABLE.key(control(account or caller, region), name)


def save(tx: Transaction, queue: Queue) -> None:
    TABLE.put(tx, queue, control(queue.account, queue.region), queue.name)


def policy_of(tx: Reader, queue_arn: str) -> str | None:
    found = find_by_arn(tx, queue_arn)
    return None if found is None else found.attributes.policy or None


def check_name(name: str, *, fifo: bool) -> None:
    if fifo:
        stem = name.removesuffix(".fifo")
        if stem == name or not _NAME.fullmatch(stem) or len(name) > NAME_CHARS_MAX:
            raise InvalidParameterValue(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
                "underscores, must end with .fifo suffix and be 1 to 80 in length."
            )
    elif not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise InvalidParameterValue(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
