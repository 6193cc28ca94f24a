"""The S3 service itself, the names of its resources, and how async operations look things up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ogi.errors import AccessDenied
from ogi.service import Call, Fields, Service
from ogi.services.s3 import policies
from ogi.services.s3.errors import InvalidBucketName
from ogi.storage import Home, Reader

T = TypeVar("T")

PREFIX = "arn:aws:s3:::"

SERVICE = Service(
    "s3",
    "s3.amazonaws.com",
    AccessDenied,
    policy_of=policies.policy_of,
    owner_of=policies.owner_of,
)


BUCKET_CHARS_MAX = 255
"""docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html: 63, and in former times
255. No longer name is looked for, since what is looked for is kept."""


def bucket_arn(tx: Reader, call: Call, request: Fields) -> str:
    """What the operations on a bucket are authorised on."""
    return PREFIX + _checked(request["Bucket"])


def object_arn(tx: Reader, call: Call, request: Fields) -> str:
    """What the operations on an object are authorised on."""
    return f"{PREFIX}{_checked(request['Bucket'])}/{request['Key']}"


def _checked(bucket: str) -> str:
    if len(bucket) > BUCKET_CHARS_MAX:
        raise InvalidBucketName(BucketName=bucket)
    return bucket


def home_of(bucket: str) -> Home:
    """Where the objects of a bucket live."""
    return Home(PREFIX + bucket)


def bucket_home(call: Call, request: Fields) -> Home:
    return home_of(request["Bucket"])


async def look(call: Call, body: Callable[[Reader, Call], T]) -> T:
    """`body` on a snapshot, authorised as the async operation of `call` is."""
    running = call.but(seed=call.ports.random(32)).begin()

    def attempt(tx: Reader) -> T:
        if call.demand is not None:
            operation, request = call.demand
            operation.authorise(tx, running, request)
        return body(tx, running)

    found = await call.read(attempt)
    if running.run.notes:
        call.ports.traces.add(running.run.notes)
    return found
