"""Who may use a key, decided by the real evaluator: key policies, AWS-managed keys, grants."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ogi.access import identities
from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Call, Principal
from ogi.storage import CONTROL, Transaction
from tests.world import ACCOUNT, World

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:t"
ANN = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann", "AIDAANN")
BOB = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob", "AIDABOB")
ROOT_ONLY = {
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
    "Resource": "*",
}  # fmt: skip


@pytest.fixture
async def world(world_of: Callable[..., World]) -> World:
    world = world_of("kms", authorise=authorise)

    def body(tx: Transaction) -> None:
        for each in (ANN, BOB):
            name = each.arn.rpartition("/")[2]
            identities.put(tx, identities.USERS, identities.User(ACCOUNT, name, each.id, "/", 0.0))

    await world.store.transact(body, CONTROL)
    return world


async def new_key(world: World, *statements: dict[str, Any]) -> str:
    more: dict[str, Any] = {}
    if statements:
        more["Policy"] = json.dumps(
            {"Version": "2012-10-17", "Statement": [ROOT_ONLY, *statements]}
        )
    made = await world.call("kms", "CreateKey", **more)
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


async def may(world: World, call: Call, operation: str = "GenerateDataKey", **request: Any) -> bool:
    if operation == "GenerateDataKey":
        request["KeySpec"] = "AES_256"
    try:
        await world.call_as(call, "kms", operation, **request)
    except AwsError as error:
        assert error.shape == "AccessDeniedException", error
        return False
    return True


async def test_a_service_uses_a_key_only_if_its_policy_names_the_service(world: World) -> None:
    sns = world.caller().as_service("sns.amazonaws.com", TOPIC, ACCOUNT)
    assert not await may(world, sns, KeyId=await new_key(world))
    named = await new_key(world, {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
    })  # fmt: skip
    assert await may(world, sns, KeyId=named)
    s3 = world.caller().as_service("s3.amazonaws.com", TOPIC, ACCOUNT)
    assert not await may(world, s3, KeyId=named)


async def test_an_aws_managed_key_serves_principals_through_its_service_and_no_other_service(
    world: World,
) -> None:
    key = "alias/aws/sqs"
    ann = world.caller(ANN)
    assert await may(world, ann.via("sqs"), KeyId=key)
    assert not await may(world, ann, KeyId=key)
    assert not await may(world, ann.via("sns"), KeyId=key)
    sns = world.caller().as_service("sns.amazonaws.com", TOPIC, ACCOUNT)
    assert not await may(world, sns, KeyId=key)
    assert not await may(world, sns.via("sqs"), KeyId=key)
    stranger = Principal("user", "999999999999", "arn:aws:iam::999999999999:user/x", "AIDAX")
    assert not await may(
        world, world.caller(stranger).via("sqs"),
        KeyId=f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/aws/sqs",
    )  # fmt: skip
    assert await may(world, world.caller(), "DescribeKey", KeyId=key)


async def test_a_policy_that_locks_its_author_out_is_refused(world: World) -> None:
    only_ann = {"Effect": "Allow", "Principal": {"AWS": ANN.arn}, "Action": "kms:*",
                "Resource": "*"}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [only_ann]})
    with pytest.raises(AwsError) as caught:
        await world.call("kms", "CreateKey", Policy=policy)
    assert caught.value.shape == "MalformedPolicyDocumentException"
    arn = await new_key(world)
    with pytest.raises(AwsError):
        await world.call("kms", "PutKeyPolicy", KeyId=arn, Policy=policy)
    await world.call(
        "kms", "PutKeyPolicy", KeyId=arn, Policy=policy, BypassPolicyLockoutSafetyCheck=True
    )
    assert not await may(world, world.caller(), "DescribeKey", KeyId=arn)
    assert await may(world, world.caller(ANN), "DescribeKey", KeyId=arn)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Effect": "Maybe"}, "Syntax errors in policy."),
        ({"Colour": "red"}, "Syntax errors in policy."),
        ({"Condition": {"NoSuch": {"a": "b"}}}, "Invalid Condition type : NoSuch."),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "noon"}}}, "in the Condition element"),
        ({"Principal": None, "Colour": "red"}, "Syntax errors in policy."),
        ({"Action": []}, "Policy statement must contain actions."),
        ({"Principal": "ann"}, "Syntax errors in policy."),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"}}, "invalid principals."),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}}, "invalid principals."),
        ({"Principal": None}, "Policy contains a statement with no principal."),
    ],
)
async def test_a_key_policy_that_nobody_could_evaluate_is_never_kept(
    world: World, change: dict[str, Any], sentence: str
) -> None:
    arn = await new_key(world)
    before = await world.call("kms", "GetKeyPolicy", KeyId=arn)
    body = {name: value for name, value in {**ROOT_ONLY, **change}.items() if value is not None}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ROOT_ONLY, body]})
    for operation, request in (("PutKeyPolicy", {"KeyId": arn}), ("CreateKey", {})):
        with pytest.raises(AwsError) as caught:
            await world.call(
                "kms", operation, Policy=policy, BypassPolicyLockoutSafetyCheck=True, **request
            )
        assert caught.value.shape == "MalformedPolicyDocumentException"
        assert caught.value.message.endswith(sentence) or sentence in caught.value.message
    assert await world.call("kms", "GetKeyPolicy", KeyId=arn) == before


@pytest.mark.parametrize("lacking", ["Action", "Resource"])
async def test_a_statement_without_action_or_resource_is_kept_and_has_no_effect(
    world: World, lacking: str
) -> None:
    body = {**ROOT_ONLY, "Principal": {"AWS": ANN.arn}}
    whole, void = await new_key(world, body), dict(body)
    del void[lacking]
    key = await new_key(world, void)
    kept = await world.call("kms", "GetKeyPolicy", KeyId=key)
    assert ANN.arn in kept["Policy"]
    assert await may(world, world.caller(ANN), KeyId=whole)
    assert not await may(world, world.caller(ANN), KeyId=key)
    assert await may(world, world.caller(), KeyId=key)


async def test_a_changed_key_policy_holds_at_once(world: World) -> None:
    arn = await new_key(world)
    sns = world.caller().as_service("sns.amazonaws.com", TOPIC, ACCOUNT)
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "kms:*",
             "Resource": "*"}  # fmt: skip
    for statements in ([ROOT_ONLY, allow], [ROOT_ONLY], [ROOT_ONLY, allow]):
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        await world.call("kms", "PutKeyPolicy", KeyId=arn, Policy=policy)
        assert await may(world, sns, KeyId=arn) is (allow in statements)


async def test_a_key_sees_the_address_of_the_service_that_asks_for_a_caller(world: World) -> None:
    """IAM's guide, "AWS: Denies access to AWS based on the source IP": hence aws:ViaAWSService."""
    from_here = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    key = await new_key(world, {
        "Effect": "Allow", "Principal": {"AWS": ANN.arn}, "Action": "kms:*", "Resource": "*",
        "Condition": from_here,
    })  # fmt: skip
    ann = world.caller(ANN).but(context={"aws:SourceIp": "192.0.2.1"})
    assert await may(world, ann, KeyId=key)
    assert not await may(world, ann.via("s3"), KeyId=key)
    elsewhere = {
        "NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:ViaAWSService": "false"},
    }  # fmt: skip
    common = {"Principal": {"AWS": ANN.arn}, "Action": "kms:*", "Resource": "*"}
    key = await new_key(
        world, {"Effect": "Allow", **common}, {"Effect": "Deny", **common, "Condition": elsewhere}
    )
    assert await may(world, ann, KeyId=key) and await may(world, ann.via("s3"), KeyId=key)
    abroad = ann.but(context={"aws:SourceIp": "198.51.100.1"})
    assert not await may(world, abroad, KeyId=key)


async def test_the_encryption_context_can_be_a_condition(world: World) -> None:
    arn = await new_key(world, {
        "Effect": "Allow", "Principal": {"AWS": ANN.arn}, "Action": "kms:Encrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:team": "red"}},
    })  # fmt: skip
    ann = world.caller(ANN)
    asked = {"KeyId": arn, "Plaintext": b"x"}
    assert await may(world, ann, "Encrypt", **asked, EncryptionContext={"team": "red"})
    assert not await may(world, ann, "Encrypt", **asked, EncryptionContext={"team": "blue"})
    assert not await may(world, ann, "Encrypt", **asked)


async def grant(world: World, key: str, call: Call | None = None, **more: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"KeyId": key, "GranteePrincipal": ANN.arn, **more}
    return await world.call_as(call or world.caller(), "kms", "CreateGrant", **asked)


async def test_a_grant_allows_its_operations_until_it_is_revoked(world: World) -> None:
    key = await new_key(world)
    ann = world.caller(ANN)
    assert not await may(world, ann, KeyId=key)
    made = await grant(world, key, Operations=["GenerateDataKey", "DescribeKey"])
    assert await may(world, ann, KeyId=key)
    assert await may(world, ann, "DescribeKey", KeyId=key)
    assert not await may(world, ann, "Encrypt", KeyId=key, Plaintext=b"x")
    assert not await may(world, world.caller(BOB), KeyId=key)
    await world.call("kms", "RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    assert not await may(world, ann, KeyId=key)
    with pytest.raises(AwsError) as caught:
        await world.call("kms", "RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    assert caught.value.shape == "InvalidGrantIdException"


async def test_a_deny_in_the_key_policy_wins_over_a_grant(world: World) -> None:
    key = await new_key(world, {
        "Effect": "Deny", "Principal": {"AWS": ANN.arn}, "Action": "kms:GenerateDataKey",
        "Resource": "*",
    })  # fmt: skip
    await grant(world, key, Operations=["GenerateDataKey"])
    assert not await may(world, world.caller(ANN), KeyId=key)


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        ("EncryptionContextSubset", [{"a": "1"}, {"a": "1", "b": "2"}]),
        ("EncryptionContextEquals", [{"a": "1"}]),
    ],
)
async def test_constraints_limit_a_grant(
    world: World, constraint: str, allowed: list[dict[str, str]]
) -> None:
    key = await new_key(world)
    await grant(
        world, key, Operations=["GenerateDataKey", "DescribeKey"],
        Constraints={constraint: {"a": "1"}},
    )  # fmt: skip
    ann = world.caller(ANN)
    for context in (
        {}, {"a": "1"}, {"a": "2"}, {"b": "2"}, {"a": "1", "b": "2"}, {"A": "1"},
        {"a": "2", "A": "1"}, {"a": "1 ", "A": "1"},
    ):  # fmt: skip
        assert await may(world, ann, KeyId=key, EncryptionContext=context) is (context in allowed)
    assert await may(world, ann, "DescribeKey", KeyId=key)


async def test_a_grant_to_create_grants_and_nothing_else_is_refused(world: World) -> None:
    """AWS's answer: github.com/ansible/ansible/pull/31960."""
    key = (await world.call("kms", "CreateKey"))["KeyMetadata"]
    with pytest.raises(AwsError) as refused:
        await world.call(
            "kms", "CreateGrant", KeyId=key["KeyId"], Operations=["CreateGrant"],
            GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root",
        )  # fmt: skip
    assert refused.value.shape == "ValidationException"
    assert refused.value.message == "Grants must not contain only the CreateGrant operation."


async def test_who_may_create_grants_by_a_grant_passes_on_no_more_than_it_has(
    world: World,
) -> None:
    key = await new_key(world)
    ann = world.caller(ANN)
    await grant(
        world, key, Operations=["CreateGrant", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )  # fmt: skip
    same = {"EncryptionContextSubset": {"a": "1", "b": "2"}}
    for wrong in (
        {"Operations": ["Encrypt"], "Constraints": same},
        {"Operations": ["Decrypt"]},
        {"Operations": ["Decrypt"], "Constraints": {"EncryptionContextSubset": {"b": "2"}}},
    ):
        with pytest.raises(AwsError) as caught:
            await grant(world, key, ann, **wrong)
        assert caught.value.shape == "AccessDeniedException"
    await grant(world, key, ann, GranteePrincipal=BOB.arn, Operations=["Decrypt"], Constraints=same)
    listed = await world.call("kms", "ListGrants", KeyId=key)
    assert len(listed["Grants"]) == 2


async def test_a_grant_is_retired_by_whom_it_names_by_token_or_id(world: World) -> None:
    key = await new_key(world)
    made = await grant(world, key, Operations=["Decrypt"], RetiringPrincipal=BOB.arn)
    asked = {"KeyId": key, "GrantId": made["GrantId"]}
    assert not await may(world, world.caller(ANN), "RetireGrant", **asked)
    assert await may(world, world.caller(BOB), "RetireGrant", GrantToken=made["GrantToken"])
    made = await grant(world, key, Operations=["Decrypt", "RetireGrant"])
    assert await may(world, world.caller(ANN), "RetireGrant", KeyId=key, GrantId=made["GrantId"])
    with pytest.raises(AwsError) as caught:
        await world.call("kms", "RetireGrant", GrantToken="bm9uc2Vuc2U=")
    assert caught.value.shape == "InvalidGrantTokenException"
    assert (await world.call("kms", "ListGrants", KeyId=key))["Grants"] == []


async def test_a_grant_that_names_nobody_to_retire_it_is_retired_by_nobody_else(
    world: World,
) -> None:
    key = await new_key(world)
    made = await grant(world, key, Operations=["Decrypt"])
    asked = {"KeyId": key, "GrantId": made["GrantId"]}
    for who in (ANN, BOB):
        assert not await may(world, world.caller(who), "RetireGrant", **asked)
    assert await may(world, world.caller(), "RetireGrant", **asked)


async def test_who_is_made_anew_under_a_name_has_no_grant_and_no_part_in_a_policy(
    world: World,
) -> None:
    by_policy = await new_key(world, {
        "Effect": "Allow", "Principal": {"AWS": ANN.arn}, "Action": "kms:*", "Resource": "*",
    })  # fmt: skip
    by_grant = await new_key(world)
    await grant(world, by_grant, Operations=["GenerateDataKey"], RetiringPrincipal=ANN.arn)
    for key in (by_policy, by_grant):
        assert await may(world, world.caller(ANN), KeyId=key)

    def anew(tx: Transaction) -> None:
        gone = identities.find(tx, identities.USERS, ACCOUNT, "ann")
        assert gone is not None
        identities.delete(tx, identities.USERS, gone)
        identities.put(tx, identities.USERS, replace(gone, id="AIDANOTHERANNANNANN"))

    await world.store.transact(anew, CONTROL)
    other = replace(ANN, id="AIDANOTHERANNANNANN")
    for key in (by_policy, by_grant):
        assert not await may(world, world.caller(other), KeyId=key)
    (shown,) = (await world.call("kms", "ListGrants", KeyId=by_grant))["Grants"]
    assert shown["GranteePrincipal"] == shown["RetiringPrincipal"] == ANN.id
    policy = json.loads((await world.call("kms", "GetKeyPolicy", KeyId=by_policy))["Policy"])
    assert policy["Statement"][1]["Principal"] == {"AWS": ANN.id}
    asked = {"KeyId": by_grant, "GrantId": shown["GrantId"]}
    assert not await may(world, world.caller(other), "RetireGrant", **asked)


async def test_a_grant_token_that_is_none_is_refused_wherever_it_is_given(world: World) -> None:
    key = await new_key(world)
    made = await grant(world, key, Operations=["Encrypt", "DescribeKey"])
    ann = world.caller(ANN)
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Encrypt", {"KeyId": key, "Plaintext": b"x"}),
        ("DescribeKey", {"KeyId": key}),
    )
    for operation, request in asked:
        assert await may(world, ann, operation, GrantTokens=[made["GrantToken"]], **request)
        with pytest.raises(AwsError) as caught:
            await world.call_as(ann, "kms", operation, GrantTokens=["none"], **request)
        assert caught.value.shape == "InvalidGrantTokenException"
    with pytest.raises(AwsError) as caught:
        await world.call("kms", "ReEncrypt", CiphertextBlob=b"x", SourceKeyId=key,
                         DestinationKeyId=key, GrantTokens=["none"])  # fmt: skip
    assert caught.value.shape == "InvalidGrantTokenException"


async def test_a_named_grant_is_made_once(world: World) -> None:
    key = await new_key(world)
    asked: dict[str, Any] = {"Operations": ["Decrypt"], "Name": "n", "RetiringPrincipal": BOB.arn}
    first, second = await grant(world, key, **asked), await grant(world, key, **asked)
    assert first["GrantId"] == second["GrantId"]
    assert first["GrantToken"] != second["GrantToken"]
    third = await grant(world, key, **{**asked, "Operations": ["Encrypt"]})
    assert third["GrantId"] != first["GrantId"]
    listed = await world.call("kms", "ListRetirableGrants", RetiringPrincipal=BOB.arn, Limit=1)
    assert listed["Truncated"]
    rest = await world.call(
        "kms", "ListRetirableGrants", RetiringPrincipal=BOB.arn, Marker=listed["NextMarker"]
    )
    found = [g["GrantId"] for g in (*listed["Grants"], *rest["Grants"])]
    assert sorted(found) == sorted([first["GrantId"], third["GrantId"]])


async def test_a_grant_for_what_a_key_cannot_do_is_refused(world: World) -> None:
    key = await new_key(world)
    for wrong, shape in (
        ({"Operations": ["Sign"]}, "ValidationException"),
        ({"Operations": ["Decrypt"], "GranteePrincipal": "ann"}, "InvalidArnException"),
        # As users see it who grant to a role that was made a moment ago.
        ({"Operations": ["Decrypt"], "GranteePrincipal": f"{ANN.arn}2"}, "InvalidArnException"),
        ({"Operations": ["Decrypt"], "GrantTokens": ["none"]}, "InvalidGrantTokenException"),
        ({"Operations": ["Decrypt"],
          "Constraints": {"EncryptionContextSubset": {str(n): "x" for n in range(9)}}},
         "ValidationException"),
    ):  # fmt: skip
        with pytest.raises(AwsError) as caught:
            await grant(world, key, **wrong)
        assert caught.value.shape == shape


async def test_a_service_uses_a_key_by_a_grant_for_the_resource_that_it_names(
    world: World,
) -> None:
    key = await new_key(world)
    asked: dict[str, Any] = {
        "KeyId": key, "GranteeServicePrincipal": "sns.amazonaws.com",
        "Operations": ["GenerateDataKey"], "Constraints": {"SourceArn": TOPIC},
        "RetiringServicePrincipal": "sns.amazonaws.com",
    }  # fmt: skip
    for wrong in (
        {**asked, "GranteePrincipal": ANN.arn},
        {**asked, "RetiringPrincipal": ANN.arn},
        {**asked, "Constraints": {}},
        {name: value for name, value in asked.items() if name != "RetiringServicePrincipal"},
        {name: value for name, value in asked.items() if name != "GranteeServicePrincipal"},
    ):
        with pytest.raises(AwsError) as caught:
            await world.call("kms", "CreateGrant", **wrong)
        assert caught.value.shape == "ValidationException"
    service = world.caller().as_service("sns.amazonaws.com", TOPIC, ACCOUNT)
    assert not await may(world, service, KeyId=key)
    await world.call("kms", "CreateGrant", **asked)
    assert await may(world, service, KeyId=key)
    other = world.caller().as_service("sns.amazonaws.com", TOPIC + "2", ACCOUNT)
    assert not await may(world, other, KeyId=key)
    assert not await may(world, world.caller(ANN), KeyId=key)
    (shown,) = (await world.call("kms", "ListGrants", KeyId=key))["Grants"]
    assert shown["GranteeServicePrincipal"] == shown["RetiringServicePrincipal"]
    assert "GranteePrincipal" not in shown and "RetiringPrincipal" not in shown
    await grant(world, key, Operations=["Decrypt"])
    asked = {"KeyId": key, "GranteeServicePrincipal": "sns.amazonaws.com"}
    assert (await world.call("kms", "ListGrants", **asked))["Grants"] == [shown]
    asked = {"RetiringServicePrincipal": "sns.amazonaws.com"}
    assert (await world.call("kms", "ListRetirableGrants", **asked))["Grants"] == [shown]
    with pytest.raises(AwsError) as caught:
        await grant(world, key, GranteePrincipal="sns.amazonaws.com", Operations=["Decrypt"])
    assert caught.value.shape == "InvalidArnException"
