"""What was used when: keys, roles and services; the credential report."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access import credentials
from ogi.access.authorise import authorise
from ogi.errors import AwsError, Unsupported
from ogi.service import Call
from ogi.services.iam import accessed, reports, uses
from ogi.services.iam.errors import (
    AccessDenied,
    CredentialReportExpiredException,
    CredentialReportNotPresentException,
    InvalidInputException,
    NoSuchEntityException,
)
from ogi.services.iam.uses import recorder
from ogi.uses import MARKS_MAX, PENDING_MAX, SPAN_S, Mark, Use, Uses
from ogi.workers import supervise
from tests.services.sts.test_sts import assume, policy, role, trust, user
from tests.world import ACCOUNT, World


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", "sqs", authorise=authorise)


def use(world: World, call: Call, service: str = "sqs", key: str = "ASIA") -> None:
    """As the gateway notes it of a request that was proved."""
    principal = call.principal
    owner, id = principal.role_arn or principal.arn, principal.id.partition(":")[0]
    now = world.clock.now()
    noted = Use(key, owner, id, principal.account, service, "eu-west-1", now)
    if not world.ports.uses.are_known(key, service, "eu-west-1", now):
        world.ports.uses.note(noted)


async def write(world: World) -> None:
    worker = recorder(world.ports)
    while await worker.work():
        pass


async def key_of(world: World, name: str) -> str:
    listed = await world.call("iam", "ListAccessKeys", UserName=name)
    key: str = listed["AccessKeyMetadata"][0]["AccessKeyId"]
    return key


async def test_a_key_that_was_never_used_says_so(world: World) -> None:
    await user(world)
    got = await world.call("iam", "GetAccessKeyLastUsed", AccessKeyId=await key_of(world, "bob"))
    never = {"ServiceName": "N/A", "Region": "N/A"}
    assert got == {"UserName": "bob", "AccessKeyLastUsed": never}


async def test_the_last_use_of_a_key_is_known_and_the_first_in_a_quarter_of_an_hour_counts(
    world: World,
) -> None:
    bob = await user(world)
    key = await key_of(world, "bob")
    start = world.clock.now()
    use(world, bob, key=key)
    world.clock.advance(SPAN_S - 1)
    use(world, bob, key=key)
    await write(world)
    got = await world.call("iam", "GetAccessKeyLastUsed", AccessKeyId=key)
    assert got["AccessKeyLastUsed"] == {
        "LastUsedDate": start, "ServiceName": "sqs", "Region": "eu-west-1"
    }  # fmt: skip
    world.clock.advance(1)
    use(world, bob, key=key)
    use(world, bob, "s3", key=key)
    await write(world)
    got = await world.call("iam", "GetAccessKeyLastUsed", AccessKeyId=key)
    assert got["AccessKeyLastUsed"] == {
        "LastUsedDate": start + SPAN_S, "ServiceName": "s3", "Region": "N/A"
    }  # fmt: skip


@pytest.mark.parametrize("key", ["AKIAAAAAAAAAAAAAAAAA", "of another account"])
async def test_a_key_that_is_not_the_account_s_is_nobody_s_business(world: World, key: str) -> None:
    strange = "999988887777"
    other = world.caller(credentials.root(strange), strange)
    if " " in key:
        await world.call_as(other, "iam", "CreateUser", UserName="eve")
        made = await world.call_as(other, "iam", "CreateAccessKey", UserName="eve")
        key = made["AccessKey"]["AccessKeyId"]
    with pytest.raises(AccessDenied, match=f"on resource: access key {key}"):
        await world.call("iam", "GetAccessKeyLastUsed", AccessKeyId=key)


async def test_the_last_use_of_a_role_is_shown_for_as_long_as_aws_shows_it(world: World) -> None:
    bob = await user(world, policy("sts:AssumeRole"))
    await role(world, trust({"AWS": bob.principal.arn}))
    assert (await world.call("iam", "GetRole", RoleName="r"))["Role"]["RoleLastUsed"] == {}
    use(world, await assume(world, bob))
    await write(world)
    last = {"LastUsedDate": world.clock.now(), "Region": "eu-west-1"}
    assert (await world.call("iam", "GetRole", RoleName="r"))["Role"]["RoleLastUsed"] == last
    details = await world.call("iam", "GetAccountAuthorizationDetails", Filter=["Role"])
    assert details["RoleDetailList"][0]["RoleLastUsed"] == last
    world.clock.advance(uses.KEPT_S)
    assert (await world.call("iam", "GetRole", RoleName="r"))["Role"]["RoleLastUsed"] == {}


async def test_what_is_gone_before_it_was_written_leaves_nothing(world: World) -> None:
    bob = await user(world)
    key = await key_of(world, "bob")
    use(world, bob, key=key)
    await write(world)
    use(world, bob, "sns", key=key)
    await world.call("iam", "DeleteAccessKey", UserName="bob", AccessKeyId=key)
    await world.call("iam", "DeleteUser", UserName="bob")
    await write(world)

    def look(tx: Any) -> Any:
        return uses.of_key(tx, key), uses.of_services(tx, bob.principal.id)

    assert await world.store.read(look) == (None, {})


async def test_the_recorder_writes_what_is_noted_and_what_is_left_at_the_end(world: World) -> None:
    bob = await user(world)
    key = await key_of(world, "bob")
    running = asyncio.create_task(supervise(recorder(world.ports)))

    async def last() -> Any:
        return (await world.call("iam", "GetAccessKeyLastUsed", AccessKeyId=key))[
            "AccessKeyLastUsed"
        ]["ServiceName"]

    use(world, bob, key=key)
    while await last() != "sqs":
        world.clock.advance(uses.PAUSE_S)
        await asyncio.sleep(0)
    world.clock.advance(1)
    use(world, bob, "sns", key=key)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await last() == "sns"


def _one_place(mark: Mark) -> str:
    return ""


def test_what_is_noted_is_bounded() -> None:
    noted = Uses()
    notes = noted.notes
    for n in range(PENDING_MAX + 5):
        noted.note(Use(f"ASIA{n}", "arn", "id", ACCOUNT, "sqs", "eu-west-1", 1.0))
    waiting = notes.first(PENDING_MAX * 2, _one_place)
    assert len(waiting) == PENDING_MAX
    notes.done(waiting)
    assert not notes.noted.is_set()
    for n in range(MARKS_MAX):
        noted.note(Use(f"AKIA{n}", "arn", "id", ACCOUNT, "sqs", "eu-west-1", 1.0))
        notes.done(notes.first(1, _one_place))
    assert not noted.are_known("ASIA1", "sqs", "eu-west-1", 1.0)


def test_what_is_not_written_down_goes_on_waiting() -> None:
    noted = Uses()
    notes = noted.notes
    first = Use("A", "arn", "id", ACCOUNT, "sqs", "eu-west-1", 1.0)
    mark = ("A", "sqs", "eu-west-1")
    noted.note(first)
    writing = notes.first(10, _one_place)
    assert writing == notes.first(10, _one_place) == [(mark, first)]
    newer = first._replace(at=1.0 + SPAN_S)
    noted.note(newer)
    notes.done(writing)
    assert notes.first(10, _one_place) == [(mark, newer)] and notes.noted.is_set()


# -- the credential report ------------------------------------------------------------------------


async def test_the_report_has_aws_s_columns_and_a_line_for_everybody(world: World) -> None:
    with pytest.raises(CredentialReportNotPresentException):
        await world.call("iam", "GetCredentialReport")
    bob = await user(world)
    key = await key_of(world, "bob")
    use(world, bob, key=key)
    await write(world)
    await world.call("iam", "CreateUser", UserName="eve", Path="/staff/")
    asked = await world.call("iam", "GenerateCredentialReport")
    assert asked == {
        "State": "STARTED",
        "Description": "No report exists. Starting a new report generation task",
    }
    assert await world.call("iam", "GenerateCredentialReport") == {"State": "COMPLETE"}
    got = await world.call("iam", "GetCredentialReport")
    assert (got["ReportFormat"], got["GeneratedTime"]) == ("text/csv", world.clock.now())
    lines = list(csv.DictReader(io.StringIO(got["Content"].decode())))
    assert tuple(lines[0]) == reports.COLUMNS
    assert [line["user"] for line in lines] == ["<root_account>", "bob", "eve"]
    root, first, second = lines
    assert (root["password_enabled"], root["password_last_used"]) == (
        "not_supported", "no_information"
    )  # fmt: skip
    assert first == {
        "user": "bob",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/bob",
        "user_creation_time": "2023-11-14T22:13:20+00:00",
        "password_enabled": "false",
        "password_last_used": "N/A",
        "password_last_changed": "N/A",
        "password_next_rotation": "N/A",
        "mfa_active": "false",
        "access_key_1_active": "true",
        "access_key_1_last_rotated": "2023-11-14T22:13:20+00:00",
        "access_key_1_last_used_date": "2023-11-14T22:13:20+00:00",
        "access_key_1_last_used_region": "eu-west-1",
        "access_key_1_last_used_service": "sqs",
        "access_key_2_active": "false",
        "access_key_2_last_rotated": "N/A",
        "access_key_2_last_used_date": "N/A",
        "access_key_2_last_used_region": "N/A",
        "access_key_2_last_used_service": "N/A",
        "cert_1_active": "false",
        "cert_1_last_rotated": "N/A",
        "cert_2_active": "false",
        "cert_2_last_rotated": "N/A",
        "additional_credentials_info": "N/A",
    }
    assert second["arn"] == f"arn:aws:iam::{ACCOUNT}:user/staff/eve"


async def test_a_report_is_good_for_four_hours(world: World) -> None:
    await user(world)
    await world.call("iam", "GenerateCredentialReport")
    await world.call("iam", "CreateUser", UserName="eve")
    world.clock.advance(reports.KEPT_S - 1)
    assert b"eve" not in (await world.call("iam", "GetCredentialReport"))["Content"]
    world.clock.advance(1)
    with pytest.raises(CredentialReportExpiredException):
        await world.call("iam", "GetCredentialReport")
    assert (await world.call("iam", "GenerateCredentialReport"))["State"] == "STARTED"
    assert b"eve" in (await world.call("iam", "GetCredentialReport"))["Content"]


async def test_a_key_that_is_switched_off_is_shown_so_with_its_time(world: World) -> None:
    await user(world)
    key = await key_of(world, "bob")
    world.clock.advance(3600)
    await world.call("iam", "UpdateAccessKey", UserName="bob", AccessKeyId=key, Status="Inactive")
    await world.call("iam", "GenerateCredentialReport")
    content = (await world.call("iam", "GetCredentialReport"))["Content"].decode()
    line = list(csv.DictReader(io.StringIO(content)))[1]
    assert line["access_key_1_active"] == "false"
    assert line["access_key_1_last_rotated"] == "2023-11-14T23:13:20+00:00"


# -- services last accessed -----------------------------------------------------------------------


async def details(world: World, arn: str) -> tuple[str, dict[str, Any]]:
    job = await world.call("iam", "GenerateServiceLastAccessedDetails", Arn=arn)
    got = await world.call("iam", "GetServiceLastAccessedDetails", JobId=job["JobId"])
    assert got["JobStatus"] == "COMPLETED"
    return job["JobId"], {row["ServiceNamespace"]: row for row in got["ServicesLastAccessed"]}


async def test_services_that_policies_allow_are_listed_with_their_last_access(
    world: World,
) -> None:
    bob = await user(world, policy(["sqs:Send*", "iam:ListUsers"]))
    use(world, bob)
    use(world, bob, "sts")
    await write(world)
    _, found = await details(world, bob.principal.arn)
    assert list(found) == ["iam", "sqs"]
    assert found["sqs"] == {
        "ServiceName": "Amazon SQS",
        "ServiceNamespace": "sqs",
        "LastAuthenticated": world.clock.now(),
        "LastAuthenticatedEntity": bob.principal.arn,
        "LastAuthenticatedRegion": "eu-west-1",
        "TotalAuthenticatedEntities": 1,
    }
    assert "LastAuthenticated" not in found["iam"]


async def test_of_groups_and_policies_all_who_have_them_are_looked_at(world: World) -> None:
    made = await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=policy("sqs:*"))
    arn = made["Policy"]["Arn"]
    await world.call("iam", "CreateGroup", GroupName="g")
    await world.call("iam", "AttachGroupPolicy", GroupName="g", PolicyArn=arn)
    bob, eve = await user(world, name="bob"), await user(world, name="eve")
    for name in ("bob", "eve"):
        await world.call("iam", "AddUserToGroup", GroupName="g", UserName=name)
    await role(world, trust({"AWS": ACCOUNT}))
    await world.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=arn)
    use(world, bob, key="A")
    world.clock.advance(5)
    use(world, eve, key="B")
    await write(world)
    for source in (arn, f"arn:aws:iam::{ACCOUNT}:group/g"):
        job, found = await details(world, source)
        assert found["sqs"]["LastAuthenticatedEntity"] == eve.principal.arn
        assert found["sqs"]["TotalAuthenticatedEntities"] == 2
        got = await world.call(
            "iam", "GetServiceLastAccessedDetailsWithEntities", JobId=job, ServiceNamespace="sqs"
        )
        names = {row["EntityInfo"]["Name"] for row in got["EntityDetailsList"]}
        assert names == {"bob", "eve"}
        with pytest.raises(InvalidInputException):
            await world.call(
                "iam", "GetServiceLastAccessedDetailsWithEntities", JobId=job,
                ServiceNamespace="ec2",
            )  # fmt: skip


async def test_a_report_is_for_whom_it_was_made(world: World) -> None:
    bob = await user(world, policy("iam:*"))
    asked = await world.call_as(
        bob, "iam", "GenerateServiceLastAccessedDetails", Arn=bob.principal.arn
    )
    await world.call_as(bob, "iam", "GetServiceLastAccessedDetails", **asked)
    with pytest.raises(NoSuchEntityException):
        await world.call("iam", "GetServiceLastAccessedDetails", **asked)
    with pytest.raises(NoSuchEntityException):
        await world.call(
            "iam", "GenerateServiceLastAccessedDetails", Arn=f"arn:aws:iam::{ACCOUNT}:user/none"
        )
    with pytest.raises(Unsupported, match="ACTION_LEVEL"):
        await world.call(
            "iam", "GenerateServiceLastAccessedDetails", Arn=bob.principal.arn,
            Granularity="ACTION_LEVEL",
        )  # fmt: skip


async def test_old_reports_make_room(world: World) -> None:
    bob = await user(world)
    arn = bob.principal.arn
    first = await world.call("iam", "GenerateServiceLastAccessedDetails", Arn=arn)
    for _ in range(accessed.JOBS_MAX):
        world.clock.advance(1)
        await world.call("iam", "GenerateServiceLastAccessedDetails", Arn=arn)
    with pytest.raises(AwsError, match="cannot be found"):
        await world.call("iam", "GetServiceLastAccessedDetails", **first)


async def test_the_policies_that_open_a_service_are_listed(world: World) -> None:
    bob = await user(world, policy(["sqs:SendMessage", "iam:ListUsers"]))
    await world.call("iam", "CreateGroup", GroupName="g")
    sqs = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    await world.call("iam", "AttachGroupPolicy", GroupName="g", PolicyArn=sqs)
    await world.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    got = await world.call(
        "iam", "ListPoliciesGrantingServiceAccess", Arn=bob.principal.arn,
        ServiceNamespaces=["sqs", "iam", "kms"],
    )  # fmt: skip
    inline = {"PolicyName": "p", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "bob"}
    managed = {"PolicyName": "AmazonSQSFullAccess", "PolicyType": "MANAGED", "PolicyArn": sqs}
    assert got["PoliciesGrantingServiceAccess"] == [
        {"ServiceNamespace": "sqs", "Policies": [inline, managed]},
        {"ServiceNamespace": "iam", "Policies": [inline]},
        {"ServiceNamespace": "kms", "Policies": []},
    ]
    for arn, service, error in (
        (f"arn:aws:iam::{ACCOUNT}:user/none", "sqs", NoSuchEntityException),
        ("arn:aws:iam::999988887777:user/bob", "sqs", AccessDenied),
        (bob.principal.arn, "ec2", InvalidInputException),
    ):
        with pytest.raises(error):
            await world.call(
                "iam", "ListPoliciesGrantingServiceAccess", Arn=arn, ServiceNamespaces=[service]
            )


@pytest.mark.parametrize(
    ("operation", "member"),
    [("ListMFADevices", "MFADevices"), ("ListSigningCertificates", "Certificates"),
     ("ListSSHPublicKeys", "SSHPublicKeys"),
     ("ListServiceSpecificCredentials", "ServiceSpecificCredentials")],
)  # fmt: skip
async def test_nobody_has_devices_certificates_or_other_keys(
    world: World, operation: str, member: str
) -> None:
    bob = await user(world, policy(f"iam:{operation}"))
    assert (await world.call("iam", operation, UserName="bob"))[member] == []
    assert (await world.call_as(bob, "iam", operation))[member] == []
    with pytest.raises(NoSuchEntityException, match="The user with name eve cannot be found"):
        await world.call("iam", operation, UserName="eve")


async def test_nobody_has_a_password(world: World) -> None:
    await user(world)
    with pytest.raises(NoSuchEntityException, match="Login Profile for User bob cannot be found"):
        await world.call("iam", "GetLoginProfile", UserName="bob")
    with pytest.raises(NoSuchEntityException, match=f"Password Policy with domain name {ACCOUNT}"):
        await world.call("iam", "GetAccountPasswordPolicy")
    for operation in ("CreateLoginProfile", "UpdateAccountPasswordPolicy", "EnableMFADevice"):
        with pytest.raises(Unsupported, match=operation):
            await world.call("iam", operation)
