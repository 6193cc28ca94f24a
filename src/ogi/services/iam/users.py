"""Users and their access keys."""

from __future__ import annotations

from msgspec.structs import replace

from ogi.access import identities
from ogi.access.credentials import mint_key
from ogi.access.identities import KEYS, MEMBERS, USERS, AccessKey, Membership, User
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, quotas, uses
from ogi.services.iam.errors import (
    AccessDenied,
    DeleteConflictException,
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction

KEYS_MAX = 2
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


@SERVICE.operation(on=entities.on_user, keys=entities.condition_keys, home=home)
def create_user(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request["UserName"]
    entities.refuse_existing(tx, call, USERS, name, f"User with name {name} already exists.")
    entities.check_path(request.get("Path", "/"))
    quotas.refuse_more(tx, call, USERS)
    boundary = entities.boundary(tx, call, request)
    user = User(
        account=call.account,
        name=name,
        id=identities.unique_id("AIDA", call.entropy),
        path=request.get("Path", "/"),
        created=call.now,
        tags=entities.tags_of(request, entities.folded),
        boundary=boundary,
    )
    entities.may_tag(tx, call, SERVICE, "User", user.arn, request)
    identities.put(tx, USERS, user)
    return {"User": entities.show_user(user)}


@SERVICE.operation(on=entities.on_user, reads=True)
def get_user(tx: Reader, call: Call, request: Fields) -> Fields:
    name = request.get("UserName")
    if name is None and call.principal.kind == "root":
        return {
            "User": {
                "Path": "/",
                "UserName": "root",
                "UserId": call.account,
                "Arn": call.principal.arn,
                "CreateDate": 0.0,
            }
        }
    return {"User": entities.show_user(named_or_caller(tx, call, name))}


@SERVICE.operation(on=entities.on_all("user"), reads=True)
def list_users(tx: Reader, call: Call, request: Fields) -> Fields:
    return pages.of_table(
        tx, USERS, call.account, request, "Users",
        lambda row: entities.show_user(row, whole=False),
    )  # fmt: skip


@SERVICE.operation(on=entities.on_user, home=home)
def update_user(tx: Transaction, call: Call, request: Fields) -> Fields:
    user = entities.user(tx, call, request["UserName"])
    name = request.get("NewUserName", user.name)
    if name.lower() != user.name.lower():
        entities.refuse_existing(tx, call, USERS, name, f"User with name {name} already exists.")
    renamed = replace(user, name=name, path=request.get("NewPath", user.path))
    identities.delete(tx, USERS, user)
    identities.put(tx, USERS, renamed)
    for key in user.keys:
        row = KEYS.get(tx, CONTROL, key)
        assert row is not None
        identities.put_key(tx, replace(row, user=name))
    for group in user.groups:
        MEMBERS.delete(tx, CONTROL, call.account, group.lower(), user.name.lower())
        MEMBERS.put(tx, Membership(name), CONTROL, call.account, group.lower(), name.lower())
    return {}


@SERVICE.operation(on=entities.on_user, home=home)
def delete_user(tx: Transaction, call: Call, request: Fields) -> Fields:
    user = entities.user(tx, call, request["UserName"])
    for held, what in (
        (user.attached, "detach all policies"),
        (user.inline, "delete policies"),
        (user.keys, "delete access keys"),
        (user.groups, "remove users from group"),
    ):
        if held:
            raise DeleteConflictException(f"Cannot delete entity, must {what} first.")
    identities.delete(tx, USERS, user)
    uses.forget(tx, user.id)
    return {}


# -- access keys ----------------------------------------------------------------------------------


@SERVICE.operation(on=entities.on_user, home=home)
def create_access_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    user = named_or_caller(tx, call, request.get("UserName"))
    if len(user.keys) >= KEYS_MAX:
        raise LimitExceededException(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")
    vault = call.ports.vault
    row, secret = mint_key(vault, call.entropy, call.account, user.name, call.now)
    identities.put_key(tx, row)
    identities.put(tx, USERS, replace(user, keys=(*user.keys, row.id)))
    return {"AccessKey": {**_show_key(row), "SecretAccessKey": secret}}


@SERVICE.operation(on=entities.on_user, reads=True)
def list_access_keys(tx: Reader, call: Call, request: Fields) -> Fields:
    user = named_or_caller(tx, call, request.get("UserName"))
    page, answer = pages.of_list(user.keys, request, "AccessKeyMetadata")
    rows = (KEYS.get(tx, CONTROL, key) for key in page)
    answer["AccessKeyMetadata"] = [_show_key(row) for row in rows if row is not None]
    answer["UserName"] = user.name
    return answer


@SERVICE.operation(on=entities.on_user, home=home)
def update_access_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    user = named_or_caller(tx, call, request.get("UserName"))
    if request["Status"] not in ("Active", "Inactive"):
        raise ValidationError("Status must be Active or Inactive.")
    row = _key(tx, user, request["AccessKeyId"])
    active = request["Status"] == "Active"
    identities.put_key(tx, replace(row, active=active, changed=call.now))
    return {}


@SERVICE.operation(on=entities.on_user, home=home)
def delete_access_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    user = named_or_caller(tx, call, request.get("UserName"))
    row = _key(tx, user, request["AccessKeyId"])
    identities.delete_key(tx, row)
    uses.forget_key(tx, row.id)
    kept = tuple(key for key in user.keys if key != row.id)
    identities.put(tx, USERS, replace(user, keys=kept))
    return {}


def _on_owner(tx: Reader, call: Call, request: Fields) -> str:
    """The user whose key it is. A key of another account, or of nobody, is nobody's business."""
    key_id = request["AccessKeyId"]
    row = KEYS.get(tx, CONTROL, key_id)
    if row is None or row.account != call.account:
        raise AccessDenied(
            f"User: {call.principal.arn} is not authorized to perform: iam:GetAccessKeyLastUsed "
            f"on resource: access key {key_id}"
        )
    if not row.user:
        return f"arn:aws:iam::{row.account}:root"
    return entities.user(tx, call, row.user).arn


@SERVICE.operation(on=_on_owner, reads=True)
def get_access_key_last_used(tx: Reader, call: Call, request: Fields) -> Fields:
    row = KEYS.get(tx, CONTROL, request["AccessKeyId"])
    assert row is not None
    last = uses.of_key(tx, row.id)
    shown: Fields = {"ServiceName": uses.NOWHERE, "Region": uses.NOWHERE}
    if last is not None:
        shown = {"LastUsedDate": last.at, "ServiceName": last.service, "Region": last.region}
    return {"UserName": row.user or row.account, "AccessKeyLastUsed": shown}


def keys_of_root(tx: Reader, account: str) -> list[AccessKey]:
    """The keys of an account's root user; only a seed file makes some."""
    found: list[AccessKey] = []
    start: bytes | None = None
    while True:
        page = KEYS.scan(tx, CONTROL, start=start, limit=entities.SCAN_MAX)
        found.extend(row for _, row in page if row.account == account and not row.user)
        if len(page) < entities.SCAN_MAX:
            return found
        start = page[-1][0] + b"\x00"


def _key(tx: Reader, user: User, access_key_id: str) -> AccessKey:
    row = KEYS.get(tx, CONTROL, access_key_id)
    if row is None or access_key_id not in user.keys:
        raise NoSuchEntityException(f"The Access Key with id {access_key_id} cannot be found.")
    return row


def _show_key(row: AccessKey) -> Fields:
    return {
        "UserName": row.user,
        "AccessKeyId": row.id,
        "Status": "Active" if row.active else "Inactive",
        "CreateDate": row.created,
    }


def named_or_caller(tx: Reader, call: Call, name: str | None) -> User:
    """ "If you do not specify a user name, IAM determines the user name implicitly based on the
    Amazon Web Services access key ID signing the request." (API reference)
    """
    if name is not None:
        return entities.user(tx, call, name)
    if call.principal.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return entities.user(tx, call, identities.name_in(call.principal.arn))
