"""OIDC providers: what may be registered, and how it is shown and changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError, Unsupported
from ogi.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from tests.services.sts.test_sts import policy, user
from tests.world import ACCOUNT, World

URL = "https://server.example.org/realms/one"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/server.example.org/realms/one"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", authorise=authorise)


async def create(world: World, url: str = URL, **rest: Any) -> str:
    made = await world.call("iam", "CreateOpenIDConnectProvider", Url=url, **rest)
    arn: str = made["OpenIDConnectProviderArn"]
    return arn


async def get(world: World, arn: str = ARN) -> Any:
    return await world.call("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)


async def test_a_provider_is_as_it_was_made_and_changed(world: World) -> None:
    tags = [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]
    arn = await create(
        world, ClientIDList=["one", "one", "two"], ThumbprintList=["A" * 40], Tags=tags
    )
    assert arn == ARN
    shown = await get(world)
    assert shown == {
        "Url": "server.example.org/realms/one",
        "ClientIDList": ["one", "two"],
        "ThumbprintList": ["a" * 40],
        "CreateDate": world.clock.now(),
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    }
    on = {"OpenIDConnectProviderArn": arn}
    for _ in range(2):  # Both are idempotent.
        await world.call("iam", "AddClientIDToOpenIDConnectProvider", **on, ClientID="three")
        await world.call("iam", "RemoveClientIDFromOpenIDConnectProvider", **on, ClientID="one")
    await world.call("iam", "UpdateOpenIDConnectProviderThumbprint", **on, ThumbprintList=[])
    await world.call("iam", "TagOpenIDConnectProvider", **on, Tags=[{"Key": "c", "Value": "3"}])
    await world.call("iam", "UntagOpenIDConnectProvider", **on, TagKeys=["a"])
    shown = await get(world)
    assert (shown["ClientIDList"], shown["ThumbprintList"]) == (["two", "three"], [])
    listed = await world.call("iam", "ListOpenIDConnectProviderTags", **on)
    assert [tag["Key"] for tag in listed["Tags"]] == ["b", "c"]
    found = await world.call("iam", "ListOpenIDConnectProviders")
    assert found["OpenIDConnectProviderList"] == [{"Arn": arn}]
    assert (await world.call("iam", "GetAccountSummary"))["SummaryMap"]["Providers"] == 1
    await world.call("iam", "DeleteOpenIDConnectProvider", **on)
    with pytest.raises(NoSuchEntityException, match="OpenIDConnect Provider not found for arn"):
        await get(world)


async def test_a_url_is_registered_once(world: World) -> None:
    await create(world)
    with pytest.raises(EntityAlreadyExistsException, match=f"Provider with url {URL} already"):
        await create(world)


@pytest.mark.parametrize(
    "url",
    ["server.example.org", "https://", "https://a b",
     "https://x.org?a=b", "https://x.org#a", "https://me@x.org", "https://x.org:0",
     "https://x.org:99999", "https://[::1", "https://x.org/\n", "https://x.org/" + "a" * 250],
)  # fmt: skip
async def test_a_url_that_names_no_issuer_is_refused(world: World, url: str) -> None:
    with pytest.raises(ValidationError, match="Invalid Open ID Connect Provider URL"):
        await create(world, url)


@pytest.mark.parametrize("url", ["http://server.example.org", "ftp://x.org"])
async def test_an_issuer_speaks_https(world: World, url: str) -> None:
    with pytest.raises(InvalidInputException):
        await create(world, url)


async def test_lists_have_their_limits(world: World) -> None:
    with pytest.raises(InvalidInputException, match="Thumbprint list"):
        await create(world, ThumbprintList=["a" * 40] * 6)
    with pytest.raises(InvalidInputException):
        await create(world, ThumbprintList=["z" * 40])
    with pytest.raises(LimitExceededException, match="ClientIdsPerOpenIdConnectProvider"):
        await create(world, ClientIDList=[f"id-{n}" for n in range(101)])
    for n in range(100):
        await create(world, f"https://server{n}.example.org")
    with pytest.raises(LimitExceededException, match="OpenIdConnectProvidersPerAccount"):
        await create(world)


async def test_trusted_identity_propagation_is_refused_by_name(world: World) -> None:
    with pytest.raises(Unsupported, match="ContextProvider"):
        await create(world, ContextProvider={})


async def test_access_to_a_provider_can_depend_on_its_tags(world: World) -> None:
    await create(world, Tags=[{"Key": "team", "Value": "red"}])
    await create(world, "https://other.example.org", Tags=[{"Key": "team", "Value": "blue"}])
    red = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    bob = await user(world, policy("iam:GetOpenIDConnectProvider", Condition=red))
    on = {"OpenIDConnectProviderArn": ARN}
    await world.call_as(bob, "iam", "GetOpenIDConnectProvider", **on)
    other = f"arn:aws:iam::{ACCOUNT}:oidc-provider/other.example.org"
    with pytest.raises(AwsError, match="not authorized"):
        await world.call_as(bob, "iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=other)
