"""Groups of users."""

from __future__ import annotations

from msgspec.structs import replace

from ogi.access import identities
from ogi.access.identities import GROUPS, MEMBERS, USERS, Group, Membership
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, quotas
from ogi.services.iam.errors import DeleteConflictException, LimitExceededException
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction

GROUPS_PER_USER_MAX = 10
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MEMBERS_MAX = quotas.USERS_MAX
"""Users of an account, so also of a group."""


@SERVICE.operation(on=entities.on_group, home=home)
def create_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request["GroupName"]
    entities.refuse_existing(tx, call, GROUPS, name, f"Group with name {name} already exists.")
    entities.check_path(request.get("Path", "/"))
    quotas.refuse_more(tx, call, GROUPS)
    group = Group(
        account=call.account,
        name=name,
        id=identities.unique_id("AGPA", call.entropy),
        path=request.get("Path", "/"),
        created=call.now,
    )
    identities.put(tx, GROUPS, group)
    return {"Group": entities.show_group(group)}


@SERVICE.operation(on=entities.on_group, reads=True)
def get_group(tx: Reader, call: Call, request: Fields) -> Fields:
    group = entities.group(tx, call, request["GroupName"])
    page, answer = pages.of_list(_members(tx, group), request, "Users")
    rows = (identities.find(tx, USERS, call.account, name) for name in page)
    answer["Users"] = [entities.show_user(row, whole=False) for row in rows if row is not None]
    answer["Group"] = entities.show_group(group)
    return answer


@SERVICE.operation(on=entities.on_all("group"), reads=True)
def list_groups(tx: Reader, call: Call, request: Fields) -> Fields:
    return pages.of_table(tx, GROUPS, call.account, request, "Groups", entities.show_group)


@SERVICE.operation(on=entities.on_user, reads=True)
def list_groups_for_user(tx: Reader, call: Call, request: Fields) -> Fields:
    user = entities.user(tx, call, request["UserName"])
    page, answer = pages.of_list(user.groups, request, "Groups")
    answer["Groups"] = [entities.show_group(entities.group(tx, call, name)) for name in page]
    return answer


@SERVICE.operation(on=entities.on_group, home=home)
def update_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = entities.group(tx, call, request["GroupName"])
    name = request.get("NewGroupName", group.name)
    if name.lower() != group.name.lower():
        entities.refuse_existing(tx, call, GROUPS, name, f"Group with name {name} already exists.")
    members = _members(tx, group)
    identities.delete(tx, GROUPS, group)
    renamed = replace(group, name=name, path=request.get("NewPath", group.path))
    identities.put(tx, GROUPS, renamed)
    for member in members:
        user = entities.user(tx, call, member)
        groups = tuple(name if held == group.name else held for held in user.groups)
        identities.put(tx, USERS, replace(user, groups=groups))
        MEMBERS.delete(tx, CONTROL, call.account, group.name.lower(), member.lower())
        MEMBERS.put(tx, Membership(user.name), CONTROL, call.account, name.lower(), member.lower())
    return {}


@SERVICE.operation(on=entities.on_group, home=home)
def delete_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = entities.group(tx, call, request["GroupName"])
    for held, what in (
        (group.attached, "detach all policies"),
        (group.inline, "delete policies"),
        (_members(tx, group), "remove users from group"),
    ):
        if held:
            raise DeleteConflictException(f"Cannot delete entity, must {what} first.")
    identities.delete(tx, GROUPS, group)
    return {}


@SERVICE.operation(on=entities.on_group, home=home)
def add_user_to_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = entities.group(tx, call, request["GroupName"])
    user = entities.user(tx, call, request["UserName"])
    if group.name in user.groups:
        return {}
    if len(user.groups) >= GROUPS_PER_USER_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}"
        )
    identities.put(tx, USERS, replace(user, groups=(*user.groups, group.name)))
    MEMBERS.put(
        tx, Membership(user.name), CONTROL,
        call.account, group.name.lower(), user.name.lower(),
    )  # fmt: skip
    return {}


@SERVICE.operation(on=entities.on_group, home=home)
def remove_user_from_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = entities.group(tx, call, request["GroupName"])
    user = entities.user(tx, call, request["UserName"])
    kept = tuple(held for held in user.groups if held != group.name)
    identities.put(tx, USERS, replace(user, groups=kept))
    MEMBERS.delete(tx, CONTROL, call.account, group.name.lower(), user.name.lower())
    return {}


def _members(tx: Reader, group: Group) -> list[str]:
    rows = MEMBERS.scan(tx, CONTROL, group.account, group.name.lower(), limit=MEMBERS_MAX)
    return [row.user for _, row in rows]
