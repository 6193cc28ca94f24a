"""STS's rules: who becomes whom, for how long, and with what limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access import credentials, sessions
from ogi.access.authorise import authorise
from ogi.access.credentials import Identity
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.iam.errors import AccessDenied as IamDenied
from ogi.services.sts.errors import (
    AccessDenied,
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from tests.world import ACCOUNT, World

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
OTHER = "999988887777"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", authorise=authorise)


def policy(action: Any = "*", resource: Any = "*", **rest: Any) -> str:
    body = {"Effect": "Allow", "Action": action, "Resource": resource, **rest}
    return json.dumps({"Version": "2012-10-17", "Statement": [body]})


def trust(principal: Any, action: Any = "sts:AssumeRole", **rest: Any) -> str:
    body = {"Effect": "Allow", "Principal": principal, "Action": action, **rest}
    return json.dumps({"Version": "2012-10-17", "Statement": [body]})


async def user(world: World, document: str = "", name: str = "bob") -> Call:
    """A new user with one policy, as its next call."""
    await world.call("iam", "CreateUser", UserName=name)
    if document:
        await world.call(
            "iam", "PutUserPolicy", UserName=name, PolicyName="p", PolicyDocument=document
        )
    key = (await world.call("iam", "CreateAccessKey", UserName=name))["AccessKey"]
    return await identified(world, key["AccessKeyId"], None)


async def identified(world: World, key: str, token: str | None) -> Call:
    def look(tx: Any) -> Identity:
        return credentials.find(tx, world.ports.vault, key, token, world.clock.now())

    found = await world.store.read(look)
    return world.caller(found.principal, found.principal.account).but(context=found.context)


async def role(
    world: World, document: str, *permissions: str, name: str = "r", **rest: Any
) -> None:
    await world.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=document, **rest)
    for n, text in enumerate(permissions):
        await world.call(
            "iam", "PutRolePolicy", RoleName=name, PolicyName=f"p{n}", PolicyDocument=text
        )


async def assume(world: World, call: Call, arn: str = ROLE, **rest: Any) -> Call:
    """Assume a role; the next call of the session."""
    got = await world.call_as(call, "sts", "AssumeRole", RoleArn=arn, RoleSessionName="s", **rest)
    made = got["Credentials"]
    return await identified(world, made["AccessKeyId"], made["SessionToken"])


async def refused(error: type[AwsError], awaited: Any) -> str:
    with pytest.raises(error) as caught:
        await awaited
    return caught.value.message


# -- identity -------------------------------------------------------------------------------------


async def test_everybody_may_ask_who_they_are(world: World) -> None:
    bob = await user(world)
    assert await world.call_as(bob, "sts", "GetCallerIdentity") == {
        "UserId": bob.principal.id,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/bob",
    }


async def test_the_account_of_a_key_is_told(world: World) -> None:
    bob = await user(world, policy())
    for key in ("AKIAIOSFODNN7EXAMPLE", "ASIAQHDNRMN3EXAMPLE2"):
        found = await world.call_as(bob, "sts", "GetAccessKeyInfo", AccessKeyId=key)
        assert len(found["Account"]) == 12
    await refused(
        ValidationError, world.call_as(bob, "sts", "GetAccessKeyInfo", AccessKeyId="AKIA1" * 4)
    )


# -- assuming roles -------------------------------------------------------------------------------


async def test_who_is_named_by_the_trust_policy_becomes_the_role(world: World) -> None:
    bob = await user(world)
    await role(world, trust({"AWS": bob.principal.arn}), policy("iam:ListUsers"))
    session = await assume(world, bob)
    assert session.principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
    assert session.principal.role_arn == ROLE
    assert await world.call_as(session, "iam", "ListUsers")
    await refused(IamDenied, world.call_as(session, "iam", "ListRoles"))


async def test_a_trusted_account_decides_by_its_own_policies(world: World) -> None:
    await role(world, trust({"AWS": ACCOUNT}))
    idle = await user(world, name="idle")
    said = await refused(AccessDenied, assume(world, idle))
    assert said == (
        f"User: {idle.principal.arn} is not authorized to perform: sts:AssumeRole on resource: "
        f"{ROLE} because no identity-based policy allows the sts:AssumeRole action"
    )
    assert await assume(world, await user(world, policy("sts:AssumeRole", ROLE)))


async def test_a_trusted_account_may_be_written_with_dashes(world: World) -> None:
    await role(world, trust({"AWS": f"{ACCOUNT[:4]}-{ACCOUNT[4:8]}-{ACCOUNT[8:]}"}))
    assert await assume(world, await user(world, policy("sts:AssumeRole", ROLE)))


async def test_who_is_not_trusted_is_refused_even_with_permission(world: World) -> None:
    await role(world, trust({"Service": "lambda.amazonaws.com"}))
    bob = await user(world, policy())
    for arn in (ROLE, f"{ROLE}-that-is-not-there"):
        said = await refused(AccessDenied, assume(world, bob, arn))
        assert said == (
            f"User: {bob.principal.arn} is not authorized to perform: sts:AssumeRole "
            f"on resource: {arn}"
        )


async def test_root_assumes_no_role(world: World) -> None:
    await role(world, trust({"AWS": ACCOUNT}))
    said = await refused(AccessDenied, assume(world, world.caller()))
    assert said == "Roles may not be assumed by root accounts."


async def test_an_external_id_keeps_a_deputy_from_being_confused(world: World) -> None:
    bob = await user(world, policy())
    condition = {"StringEquals": {"sts:ExternalId": "42"}}
    await role(world, trust({"AWS": ACCOUNT}, Condition=condition))
    assert await assume(world, bob, ExternalId="42")
    await refused(AccessDenied, assume(world, bob, ExternalId="43"))
    await refused(AccessDenied, assume(world, bob))


async def test_a_role_of_another_account_needs_both_sides(world: World) -> None:
    abroad = credentials.root(OTHER)

    def there() -> Call:
        return world.caller(abroad, OTHER)

    bob = await user(world, policy("sts:AssumeRole"))
    for name, document in (("yes", trust({"AWS": ACCOUNT})), ("no", trust({"AWS": OTHER}))):
        await world.call_as(
            there(), "iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=document
        )
    session = await assume(world, bob, f"arn:aws:iam::{OTHER}:role/yes")
    assert session.account == OTHER
    await refused(AccessDenied, assume(world, bob, f"arn:aws:iam::{OTHER}:role/no"))
    await refused(
        AccessDenied,
        assume(world, await user(world, name="idle"), f"arn:aws:iam::{OTHER}:role/yes"),
    )


async def test_a_session_policy_limits_the_session(world: World) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}), policy())
    limited = await assume(world, bob, Policy=policy("iam:ListUsers"))
    assert await world.call_as(limited, "iam", "ListUsers")
    await refused(IamDenied, world.call_as(limited, "iam", "ListRoles"))
    by_arn = await assume(
        world, bob, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}]
    )
    assert await world.call_as(by_arn, "iam", "ListRoles")
    await refused(IamDenied, world.call_as(by_arn, "iam", "CreateUser", UserName="x"))


async def test_session_policies_are_checked(world: World) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}))
    await refused(MalformedPolicyDocumentException, assume(world, bob, Policy="{}"))
    large = policy("iam:ListUsers", "arn:aws:iam:::" + "x" * 2048)
    said = await refused(PackedPolicyTooLargeException, assume(world, bob, Policy=large))
    percent = -(-len(large) * 100 // 2048)
    assert said == (
        f"Packed policy consumes {percent}% of allotted space, please use smaller policy."
    )
    nope = [{"arn": "arn:aws:iam::aws:policy/Nope"}]
    await refused(ValidationError, assume(world, bob, PolicyArns=nope))


@pytest.mark.parametrize("tag", [("aws:k", "v"), ("k", "AWS:v")])
async def test_session_tags_that_begin_with_aws_are_reserved(
    world: World, tag: tuple[str, str]
) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"]))
    await refused(ValidationError, assume(world, bob, Tags=[{"Key": tag[0], "Value": tag[1]}]))


async def test_a_session_lasts_as_long_as_the_role_allows(world: World) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}), MaxSessionDuration=7200)
    assert await assume(world, bob, DurationSeconds=7200)
    said = await refused(ValidationError, assume(world, bob, DurationSeconds=7201))
    assert said == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    got = await world.call_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s")
    made = got["Credentials"]
    assert made["Expiration"] == world.clock.now() + 3600
    world.clock.advance(3600)
    with pytest.raises(credentials.ExpiredToken):
        await identified(world, made["AccessKeyId"], made["SessionToken"])


async def test_a_chain_lasts_an_hour_and_hands_on_transitive_tags(world: World) -> None:
    both = ["sts:AssumeRole", "sts:TagSession"]
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}, both), policy(), MaxSessionDuration=43200)
    await role(world, trust({"AWS": ACCOUNT}, both), name="r2", MaxSessionDuration=43200)
    first = await assume(
        world, bob,
        Tags=[{"Key": "team", "Value": "a"}, {"Key": "own", "Value": "b"}],
        TransitiveTagKeys=["team"],
    )  # fmt: skip
    second = f"arn:aws:iam::{ACCOUNT}:role/r2"
    said = await refused(ValidationError, assume(world, first, second, DurationSeconds=3601))
    assert said == (
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
        "chaining"
    )
    chained = await assume(world, first, second)
    assert dict(chained.principal.tags) == {"team": "a"}
    await refused(
        ValidationError, assume(world, first, second, Tags=[{"Key": "TEAM", "Value": "x"}])
    )


async def test_tags_and_a_source_identity_need_permission_of_their_own(world: World) -> None:
    bob = await user(world, policy("sts:AssumeRole"))
    await role(world, trust({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"]))
    said = await refused(AccessDenied, assume(world, bob, Tags=[{"Key": "a", "Value": "b"}]))
    assert "sts:TagSession" in said
    said = await refused(AccessDenied, assume(world, bob, SourceIdentity="x"))
    assert "sts:SetSourceIdentity" in said


async def test_a_source_identity_stays_along_a_chain(world: World) -> None:
    bob = await user(world, policy())
    setting = trust({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:SetSourceIdentity"])
    await role(world, setting, policy())
    for name, document in (("r2", setting), ("r3", trust({"AWS": ACCOUNT}))):
        await role(world, document, name=name)
    first = await assume(world, bob, SourceIdentity="bob")
    second = f"arn:aws:iam::{ACCOUNT}:role/r2"
    chained = await assume(world, first, second)
    assert chained.context["aws:SourceIdentity"] == "bob"
    await assume(world, first, second, SourceIdentity="bob")
    said = await refused(AccessDenied, assume(world, first, second, SourceIdentity="eve"))
    assert "cannot be changed" in said
    said = await refused(AccessDenied, assume(world, first, f"arn:aws:iam::{ACCOUNT}:role/r3"))
    assert "sts:SetSourceIdentity" in said


async def test_transitive_tags_are_given_and_need_permission_along_the_chain(
    world: World,
) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"]), policy())
    await role(world, trust({"AWS": ACCOUNT}), name="r2")
    await refused(ValidationError, assume(world, bob, TransitiveTagKeys=["team"]))
    tags = {"Tags": [{"Key": "team", "Value": "a"}], "TransitiveTagKeys": ["team"]}
    first = await assume(world, bob, **tags)
    said = await refused(AccessDenied, assume(world, first, f"arn:aws:iam::{ACCOUNT}:role/r2"))
    assert "sts:TagSession" in said


async def test_a_session_takes_ten_managed_policies(world: World) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}), policy())
    arns = [{"arn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}] * 11
    await refused(ValidationError, assume(world, bob, PolicyArns=arns))
    session = await assume(world, bob, PolicyArns=arns[:10])
    await world.call_as(session, "iam", "ListUsers")
    await refused(IamDenied, world.call_as(session, "iam", "CreateUser", UserName="eve"))


async def test_sessions_of_users_and_federated_users_ask_sts_for_little(world: World) -> None:
    """API_GetSessionToken.html, API_GetFederationToken.html: "Permissions"."""
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}))
    made = (await world.call_as(bob, "sts", "GetSessionToken"))["Credentials"]
    session = await identified(world, made["AccessKeyId"], made["SessionToken"])
    made = (await world.call_as(bob, "sts", "GetFederationToken", Name="web", Policy=policy()))[
        "Credentials"
    ]
    federated = await identified(world, made["AccessKeyId"], made["SessionToken"])
    key = "AKIAIOSFODNN7EXAMPLE"
    for call in (session, federated):
        await world.call_as(call, "sts", "GetCallerIdentity")
        await refused(AccessDenied, world.call_as(call, "sts", "GetAccessKeyInfo", AccessKeyId=key))
        await refused(AccessDenied, world.call_as(call, "sts", "GetFederationToken", Name="x"))
    await assume(world, session)
    await refused(AccessDenied, assume(world, federated))


async def test_the_trust_policy_sees_what_the_session_will_be(world: World) -> None:
    bob = await user(world, policy())
    condition = {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}
    await role(world, trust({"AWS": ACCOUNT}, Condition=condition))
    await refused(AccessDenied, assume(world, bob))
    assert await world.call_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="bob")


async def test_a_token_without_its_role_allows_nothing(world: World) -> None:
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}))
    session = await assume(world, bob)
    await world.call("iam", "DeleteRole", RoleName="r")
    await role(world, trust({"AWS": ACCOUNT}), policy())
    await refused(IamDenied, world.call_as(session, "iam", "ListUsers"))


# -- users ----------------------------------------------------------------------------------------


async def test_a_user_gets_a_session_of_itself(world: World) -> None:
    bob = await user(world, policy("iam:ListUsers"))
    made = (await world.call_as(bob, "sts", "GetSessionToken"))["Credentials"]
    assert made["Expiration"] == world.clock.now() + 43_200
    session = await identified(world, made["AccessKeyId"], made["SessionToken"])
    assert session.principal == bob.principal
    said = await refused(AccessDenied, world.call_as(session, "sts", "GetSessionToken"))
    assert said == "Cannot call GetSessionToken with session credentials"


async def test_a_federated_user_has_at_most_what_its_user_has(world: World) -> None:
    bob = await user(world, policy(["sts:GetFederationToken", "iam:ListUsers"]))

    async def federated(**rest: Any) -> Call:
        got = await world.call_as(bob, "sts", "GetFederationToken", Name="web", **rest)
        assert got["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/web"
        made = got["Credentials"]
        return await identified(world, made["AccessKeyId"], made["SessionToken"])

    wide = await federated(Policy=policy())
    assert await world.call_as(wide, "iam", "ListUsers")
    await refused(IamDenied, world.call_as(wide, "iam", "ListRoles"))
    await refused(IamDenied, world.call_as(await federated(), "iam", "ListUsers"))


# -- services -------------------------------------------------------------------------------------


async def test_a_service_works_as_a_role_that_trusts_it(world: World) -> None:
    await role(world, trust({"Service": "lambda.amazonaws.com"}))
    call = world.caller().begin()

    def become(service: str, arn: str = ROLE) -> Any:
        return world.store.read(
            lambda tx: sessions.role_session(tx, call, arn, "fn", 3600, service)
        )

    minted, principal = await become("lambda.amazonaws.com")
    assert principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/fn"
    found = await identified(world, minted.access_key_id, minted.session_token)
    assert found.principal == principal
    await refused(sessions.CannotAssume, become("ec2.amazonaws.com"))
    await refused(sessions.CannotAssume, become("lambda.amazonaws.com", ROLE + "x"))
