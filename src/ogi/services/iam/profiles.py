"""Instance profiles: roles in the wrapping that EC2 would take."""

from __future__ import annotations

from msgspec.structs import replace

from ogi.access import identities
from ogi.access.authorise import authorise_pass_role
from ogi.access.identities import PROFILES, InstanceProfile
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages, quotas
from ogi.services.iam.errors import (
    DeleteConflictException,
    LimitExceededException,
    NoSuchEntityException,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import Reader, Transaction


@SERVICE.operation(on=entities.on_profile, keys=entities.condition_keys, home=home)
def create_instance_profile(tx: Transaction, call: Call, request: Fields) -> Fields:
    name = request["InstanceProfileName"]
    entities.refuse_existing(tx, call, PROFILES, name, f"Instance Profile {name} already exists.")
    entities.check_path(request.get("Path", "/"))
    quotas.refuse_more(tx, call, PROFILES)
    row = InstanceProfile(
        account=call.account,
        name=name,
        id=identities.unique_id("AIPA", call.entropy),
        path=request.get("Path", "/"),
        created=call.now,
        tags=entities.tags_of(request, entities.exact),
    )
    entities.may_tag(tx, call, SERVICE, "InstanceProfile", row.arn, request)
    identities.put(tx, PROFILES, row)
    return {"InstanceProfile": entities.show_profile(tx, row)}


@SERVICE.operation(on=entities.on_profile, reads=True)
def get_instance_profile(tx: Reader, call: Call, request: Fields) -> Fields:
    row = entities.profile(tx, call, request["InstanceProfileName"])
    return {"InstanceProfile": entities.show_profile(tx, row)}


@SERVICE.operation(on=entities.on_all("instance-profile"), reads=True)
def list_instance_profiles(tx: Reader, call: Call, request: Fields) -> Fields:
    return pages.of_table(
        tx, PROFILES, call.account, request, "InstanceProfiles",
        lambda row: entities.show_profile(tx, row),
    )  # fmt: skip


@SERVICE.operation(on=entities.on_role, reads=True)
def list_instance_profiles_for_role(tx: Reader, call: Call, request: Fields) -> Fields:
    role = entities.role(tx, call, request["RoleName"])
    return pages.of_table(
        tx, PROFILES, call.account, request, "InstanceProfiles",
        lambda row: entities.show_profile(tx, row), lambda row: row.role == role.name,
    )  # fmt: skip


@SERVICE.operation(on=entities.on_profile, home=home)
def add_role_to_instance_profile(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = entities.profile(tx, call, request["InstanceProfileName"])
    role = entities.role(tx, call, request["RoleName"])
    # "...the iam:AssociatedResourceArn ... must be arn:aws:ec2:*:CallerAccountId:instance/*":
    # docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    instances = f"arn:aws:ec2:*:{call.account}:instance/*"
    authorise_pass_role(tx, call, SERVICE, role.arn, "ec2.amazonaws.com", instances)
    if row.role:
        raise LimitExceededException(
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        )
    identities.put(tx, PROFILES, replace(row, role=role.name))
    return {}


@SERVICE.operation(on=entities.on_profile, home=home)
def remove_role_from_instance_profile(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = entities.profile(tx, call, request["InstanceProfileName"])
    name = request["RoleName"]
    if row.role.lower() != name.lower():
        raise NoSuchEntityException(f"The role with name {name} cannot be found.")
    identities.put(tx, PROFILES, replace(row, role=""))
    return {}


@SERVICE.operation(on=entities.on_profile, home=home)
def delete_instance_profile(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = entities.profile(tx, call, request["InstanceProfileName"])
    if row.role:
        raise DeleteConflictException(
            "Cannot delete entity, must remove roles from instance profile first."
        )
    identities.delete(tx, PROFILES, row)
    return {}
