"""Log groups: made, found, kept for a time, deleted with all that they hold."""

from __future__ import annotations

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.logs.errors import (
    AccessDeniedException,
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from ogi.services.logs.records import (
    GONE,
    GROUPS,
    LANES,
    SEGMENTS,
    STREAMS,
    TAILS,
    Group,
    group_arn,
)
from ogi.services.logs.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.keys import after

CLEARED_MAX = 200
"""Records deleted in one transaction."""


def find(tx: Reader, call: Call, name: str) -> Group:
    group = GROUPS.get(tx, call.home, name)
    if group is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return group


def name_of(call: Call, request: Fields) -> str:
    """The group that a request names by `logGroupName` or `logGroupIdentifier`."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException(
            "You must include either logGroupIdentifier or logGroupName, but not both."
        )
    if name is not None:
        return str(name)
    return name_in(call, str(identifier))


def name_in(call: Call, identifier: str) -> str:
    """The name of a group that is given by name or ARN; the ARN must be of this place."""
    if not identifier.startswith("arn:"):
        return identifier
    arn = arns.parse(identifier.removesuffix(":*"))
    here = (call.account, call.region)
    if (
        arn is None
        or (arn.account, arn.region) != here
        or not arn.resource.startswith("log-group:")
    ):
        raise ResourceNotFoundException("The specified log group does not exist.")
    return arn.resource.removeprefix("log-group:")


def create(
    tx: Transaction,
    call: Call,
    name: str,
    *,
    log_class: str,
    key_id: str | None,
    tags: dict[str, str],
    protected: bool,
) -> None:
    if name.startswith("aws/"):
        raise InvalidParameterException("Log group names can't start with the string aws/")
    if GROUPS.get(tx, call.home, name) is not None:
        raise ResourceAlreadyExistsException("The specified log group already exists")
    group = Group(
        name=name,
        arn=group_arn(call, name),
        number=int.from_bytes(call.entropy(8), "big"),
        created_ms=int(call.now * 1000),
        log_class=log_class,
        key_id=key_id,
        tags=tags,
        protected=protected,
    )
    if key_id is not None:
        require_key(tx, call, group)
    put(tx, call, group)


def put(tx: Transaction, call: Call, group: Group) -> None:
    GROUPS.put(tx, group, call.home, group.name)


def as_logs(call: Call, group: Group) -> Call:
    """The service itself, which uses the key of an encrypted group.

    docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    return call.as_service(f"logs.{call.region}.amazonaws.com", group.arn, call.account)


def require_key(tx: Transaction, call: Call, group: Group) -> None:
    """The service must be allowed to use the key for this group."""
    try:
        as_logs(call, group).invoke(
            tx, "kms", "GenerateDataKey",
            {"KeyId": group.key_id, "KeySpec": "AES_256", "EncryptionContext": context(group)},
        )  # fmt: skip
    except AwsError as error:
        raise AccessDeniedException(
            "The specified KMS key does not exist or is not allowed to be used with LogGroup"
            f" '{group.arn}'"
        ) from error


def context(group: Group) -> dict[str, str]:
    """The encryption context under which a group's events are sealed."""
    return {"aws:logs:arn": group.arn}


def delete(tx: Transaction, call: Call, group: Group) -> None:
    """Forget the group at once, and what it holds in pieces."""
    GROUPS.delete(tx, call.home, group.name)
    deliveries.post(
        tx, call.as_service(SERVICE.principal, group.arn, call.account), call.home, "logs",
        "clear_group", {"Arn": group.arn, "Number": group.number},
    )  # fmt: skip


@SERVICE.duty(home=lambda call, request: Home(request["Arn"]))
def clear_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Delete a piece of what a deleted group held, and post the next piece."""
    home, number = Home(request["Arn"]), request["Number"]
    left = CLEARED_MAX
    for table in (STREAMS, GONE, TAILS, LANES, SEGMENTS):
        prefix = table.key(home, number)
        for key, _ in tx.scan(prefix, after(prefix), left):
            tx.delete(key)
            left -= 1
        if left == 0:
            deliveries.post(tx, call, home, "logs", "clear_group", request)
            break
    return {}


def changed(tx: Transaction, call: Call, group: Group, **fields: object) -> Group:
    """Keep `group` with other fields."""
    new = msgspec.structs.replace(group, **fields)
    put(tx, call, new)
    return new
