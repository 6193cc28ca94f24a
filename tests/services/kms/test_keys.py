"""Keys, aliases, policies, tags: their life and their rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AccessDenied, AwsError
from ogi.service import Principal
from tests.world import ACCOUNT, REGION, World

DAY_S = 86_400


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def new_key(world: World, **more: Any) -> dict[str, Any]:
    made = await world.call("kms", "CreateKey", **more)
    found: dict[str, Any] = made["KeyMetadata"]
    return found


async def refusal(world: World, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await world.call("kms", operation, **request)
    return caught.value


async def everything(world: World, operation: str, member: str, **request: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await world.call("kms", operation, **request)
        found += page[member]
        if not page["Truncated"]:
            return found
        request["Marker"] = page["NextMarker"]


async def test_a_new_key_is_described_as_aws_does(world: World) -> None:
    made = await new_key(world, Description="d")
    assert made == (await world.call("kms", "DescribeKey", KeyId=made["KeyId"]))["KeyMetadata"]
    assert made["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{made['KeyId']}"
    assert (made["KeyState"], made["Enabled"], made["KeyManager"]) == ("Enabled", True, "CUSTOMER")
    assert made["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]
    assert made["CreationDate"] == world.clock.now()


async def test_key_material_is_not_in_the_store(world: World) -> None:
    """What the vault sealed is not the material: the same records under another vault are void."""
    from ogi.services.kms import materials
    from ogi.services.kms.records import KEYS
    from ogi.storage import control

    made = await new_key(world)
    home = control(ACCOUNT, REGION)
    raw = await world.store.read(lambda tx: tx.get(KEYS.key(home, made["KeyId"])))
    assert raw is not None
    secret = materials.secret(world.ports.vault, KEYS.decode(raw), 0)
    assert len(secret) == 32 and secret not in raw


async def test_the_default_policy_is_awss(world: World) -> None:
    made = await new_key(world)
    found = await world.call("kms", "GetKeyPolicy", KeyId=made["KeyId"])
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert (statement["Action"], statement["Effect"]) == ("kms:*", "Allow")
    listed = await world.call("kms", "ListKeyPolicies", KeyId=made["KeyId"])
    assert listed["PolicyNames"] == ["default"]


async def test_a_policy_that_locks_its_author_out_is_refused_unless_asked_for(
    world_of: Callable[..., World],
) -> None:
    def authorise(tx: Any, call: Any, service: Any, actions: Any, resources: Any, _: Any) -> None:
        """Stands for the decision: the policy names who may put a policy."""
        for arn in resources:
            policy = service.policy_of(tx, arn) if ":key/" in arn else None
            if policy and "kms:PutKeyPolicy" in actions and "locked" in policy:
                raise AccessDenied

    world = world_of("kms", authorise=authorise)
    locked = json.dumps(
        {
            "Statement": [
                {
                    "Sid": "locked",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ]
        }
    )
    sentence = "The new key policy will not allow you to update the key policy in the future."
    error = await refusal(world, "CreateKey", Policy=locked)
    assert (error.shape, error.message) == ("MalformedPolicyDocumentException", sentence)
    made = await new_key(world)
    error = await refusal(world, "PutKeyPolicy", KeyId=made["KeyId"], Policy=locked)
    assert error.message == sentence
    kept = await world.call("kms", "GetKeyPolicy", KeyId=made["KeyId"])
    assert "locked" not in kept["Policy"]
    await new_key(world, Policy=locked, BypassPolicyLockoutSafetyCheck=True)


@pytest.mark.parametrize("policy", ["{", "[]", "{}", '{"Statement": [{"Effect": "Allow"}]}'])
async def test_what_is_not_a_key_policy_is_malformed(world: World, policy: str) -> None:
    error = await refusal(world, "CreateKey", Policy=policy)
    assert error.shape == "MalformedPolicyDocumentException"


async def test_a_deleted_key_is_gone_after_its_waiting_period_with_its_aliases(
    world: World,
) -> None:
    made = await new_key(world)
    id = made["KeyId"]
    await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=id)
    for days in (6, 31):
        error = await refusal(world, "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=days)
        assert error.shape == "ValidationException"
    planned = await world.call("kms", "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=7)
    assert planned["DeletionDate"] == world.clock.now() + 7 * DAY_S
    world.clock.advance(7 * DAY_S - 1)
    await world.deliver()
    found = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]
    assert (found["KeyState"], found["DeletionDate"]) == (
        "PendingDeletion",
        planned["DeletionDate"],
    )
    world.clock.advance(1)
    await world.deliver()
    assert (await refusal(world, "DescribeKey", KeyId=id)).shape == "NotFoundException"
    assert (await refusal(world, "DescribeKey", KeyId="alias/a")).shape == "NotFoundException"


async def test_a_cancelled_deletion_leaves_the_key_disabled_and_never_happens(
    world: World,
) -> None:
    id = (await new_key(world))["KeyId"]
    await world.call("kms", "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=7)
    world.clock.advance(DAY_S)
    await world.call("kms", "CancelKeyDeletion", KeyId=id)
    error = await refusal(world, "CancelKeyDeletion", KeyId=id)
    assert error.message.endswith("is not pending deletion.")
    await world.call("kms", "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=30)
    world.clock.advance(10 * DAY_S)
    await world.deliver()
    await world.call("kms", "CancelKeyDeletion", KeyId=id)
    world.clock.advance(60 * DAY_S)
    await world.deliver()
    found = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]
    assert (found["KeyState"], found["Enabled"]) == ("Disabled", False)
    await world.call("kms", "EnableKey", KeyId=id)


async def test_a_key_that_is_about_to_be_deleted_is_not_changed(world: World) -> None:
    id = (await new_key(world))["KeyId"]
    await world.call("kms", "ScheduleKeyDeletion", KeyId=id)
    for operation, more in (
        ("EnableKey", {}), ("DisableKey", {}), ("EnableKeyRotation", {}),
        ("ScheduleKeyDeletion", {}), ("UpdateKeyDescription", {"Description": "x"}),
        ("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ):  # fmt: skip
        error = await refusal(world, operation, KeyId=id, **more)
        assert error.shape == "KMSInvalidStateException", operation


async def test_aliases_follow_their_rules(world: World) -> None:
    first, second = (await new_key(world))["KeyId"], (await new_key(world))["KeyId"]
    await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=first)
    error = await refusal(world, "CreateAlias", AliasName="alias/a", TargetKeyId=second)
    assert error.message == (
        f"An alias with the name arn:aws:kms:{REGION}:{ACCOUNT}:alias/a already exists"
    )
    await world.call("kms", "UpdateAlias", AliasName="alias/a", TargetKeyId=second)
    found = await world.call("kms", "DescribeKey", KeyId="alias/a")
    assert found["KeyMetadata"]["KeyId"] == second
    listed = await world.call("kms", "ListAliases", KeyId=first)
    assert listed["Aliases"] == []
    await world.call("kms", "DeleteAlias", AliasName="alias/a")
    assert (await refusal(world, "DescribeKey", KeyId="alias/a")).shape == "NotFoundException"
    assert (await refusal(world, "DeleteAlias", AliasName="alias/a")).shape == "NotFoundException"
    for name, shape in (
        ("a", "ValidationException"), ("alias/a:b", "ValidationException"),
        ("alias/", "InvalidAliasNameException"), ("alias/aws/mine", "InvalidAliasNameException"),
    ):  # fmt: skip
        error = await refusal(world, "CreateAlias", AliasName=name, TargetKeyId=first)
        assert error.shape == shape
    assert error.message == (
        "The alias name for a customer managed CMK cannot begin with alias/aws/."
    )


async def test_an_alias_refers_to_a_key(world: World) -> None:
    first = (await new_key(world))["KeyId"]
    await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=first)
    arn = (await everything(world, "ListAliases", "Aliases", KeyId=first))[0]["AliasArn"]
    for target in ("alias/a", arn):
        for operation, name in (("CreateAlias", "alias/b"), ("UpdateAlias", "alias/a")):
            error = await refusal(world, operation, AliasName=name, TargetKeyId=target)
            assert error.shape == "ValidationException"
            assert error.message == "Aliases must refer to keys. Not aliases"


async def test_a_key_has_at_most_fifty_aliases(world: World) -> None:
    id = (await new_key(world))["KeyId"]
    for number in range(50):
        await world.call("kms", "CreateAlias", AliasName=f"alias/{number}", TargetKeyId=id)
    error = await refusal(world, "CreateAlias", AliasName="alias/one-more", TargetKeyId=id)
    assert error.shape == "LimitExceededException"


async def test_lists_page_through_everything_once(world: World) -> None:
    ids = {(await new_key(world))["KeyId"] for _ in range(7)}
    for number, id in enumerate(sorted(ids)):
        await world.call("kms", "CreateAlias", AliasName=f"alias/x{number}", TargetKeyId=id)
    keys = await everything(world, "ListKeys", "Keys", Limit=3)
    found = [key["KeyId"] for key in keys]
    assert ids < set(found) and len(found) == len(set(found)) and found == sorted(found)
    aliases = [a["AliasName"] for a in await everything(world, "ListAliases", "Aliases", Limit=2)]
    assert aliases == sorted(
        ["alias/aws/lambda", "alias/aws/s3", "alias/aws/sns", "alias/aws/sqs"]
        + [f"alias/x{number}" for number in range(7)]
    )
    error = await refusal(world, "ListKeys", Marker="not a marker")
    assert error.shape == "InvalidMarkerException"


async def test_tags_are_merged_removed_and_limited(world: World) -> None:
    id = (await new_key(world, Tags=[{"TagKey": "a", "TagValue": "1"}]))["KeyId"]
    more = [{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}]
    await world.call("kms", "TagResource", KeyId=id, Tags=more)
    assert await everything(world, "ListResourceTags", "Tags", KeyId=id, Limit=1) == more
    await world.call("kms", "UntagResource", KeyId=id, TagKeys=["a", "none"])
    assert await everything(world, "ListResourceTags", "Tags", KeyId=id) == more[1:]
    for wrong in (
        [{"TagKey": "aws:x", "TagValue": ""}],
        [{"TagKey": "c", "TagValue": "1"}, {"TagKey": "c", "TagValue": "2"}],
        [{"TagKey": str(n), "TagValue": ""} for n in range(51)],
    ):
        assert (await refusal(world, "TagResource", KeyId=id, Tags=wrong)).shape == "TagException"


async def test_a_rotated_key_encrypts_with_new_material_and_decrypts_with_old(
    world: World,
) -> None:
    id = (await new_key(world))["KeyId"]
    old = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"old"))["CiphertextBlob"]
    await world.call("kms", "EnableKeyRotation", KeyId=id, RotationPeriodInDays=90)
    status = await world.call("kms", "GetKeyRotationStatus", KeyId=id)
    assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 90
    assert status["NextRotationDate"] == world.clock.now() + 90 * DAY_S
    world.clock.advance(90 * DAY_S)
    await world.deliver()
    await world.call("kms", "RotateKeyOnDemand", KeyId=id)
    new = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"new"))["CiphertextBlob"]
    for blob, plain in ((old, b"old"), (new, b"new")):
        assert (await world.call("kms", "Decrypt", CiphertextBlob=blob))["Plaintext"] == plain
    rotations = await everything(world, "ListKeyRotations", "Rotations", KeyId=id, Limit=1)
    assert [r["RotationType"] for r in rotations] == ["AUTOMATIC", "ON_DEMAND"]
    world.clock.advance(90 * DAY_S)
    await world.deliver()
    assert len(await everything(world, "ListKeyRotations", "Rotations", KeyId=id)) == 3
    await world.call("kms", "DisableKeyRotation", KeyId=id)
    world.clock.advance(180 * DAY_S)
    await world.deliver()
    assert len(await everything(world, "ListKeyRotations", "Rotations", KeyId=id)) == 3


async def test_changing_the_period_moves_the_next_rotation(world: World) -> None:
    id = (await new_key(world))["KeyId"]
    await world.call("kms", "EnableKeyRotation", KeyId=id, RotationPeriodInDays=90)
    await world.call("kms", "EnableKeyRotation", KeyId=id, RotationPeriodInDays=200)
    world.clock.advance(100 * DAY_S)
    await world.deliver()
    assert await everything(world, "ListKeyRotations", "Rotations", KeyId=id) == []
    world.clock.advance(100 * DAY_S)
    await world.deliver()
    assert len(await everything(world, "ListKeyRotations", "Rotations", KeyId=id)) == 1


async def test_aws_managed_keys_exist_without_a_write_and_are_the_same_every_time(
    world: World,
) -> None:
    made = await world.call("kms", "GenerateDataKey", KeyId="alias/aws/sqs", KeySpec="AES_256")
    found = (await world.call("kms", "DescribeKey", KeyId="alias/aws/sqs"))["KeyMetadata"]
    assert (found["KeyManager"], found["Arn"]) == ("AWS", made["KeyId"])
    opened = await world.call("kms", "Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert opened["Plaintext"] == made["Plaintext"]
    arns = {(await world.call("kms", "DescribeKey", KeyId=f"alias/aws/{s}"))["KeyMetadata"]["Arn"]
            for s in ("s3", "sqs", "sns", "lambda")}  # fmt: skip
    assert len(arns) == 4
    elsewhere = world.caller(region="us-west-2")
    other = await world.call_as(elsewhere, "kms", "DescribeKey", KeyId="alias/aws/sqs")
    assert other["KeyMetadata"]["KeyId"] != found["KeyId"]


async def test_an_aws_managed_key_has_awss_policy_for_principals_of_the_account_only(
    world: World,
) -> None:
    found = (await world.call("kms", "DescribeKey", KeyId="alias/aws/sns"))["KeyMetadata"]
    policy = json.loads((await world.call("kms", "GetKeyPolicy", KeyId=found["Arn"]))["Policy"])
    use, metadata = policy["Statement"]
    assert use["Condition"] == {
        "StringEquals": {
            "kms:CallerAccount": ACCOUNT,
            "kms:ViaService": f"sns.{REGION}.amazonaws.com",
        }
    }
    assert metadata["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    service = world.ports.services["kms"]
    assert service.policy_of is not None
    text = await world.store.read(lambda tx: service.policy_of(tx, found["Arn"]))  # type: ignore[misc]
    assert text is not None and json.loads(text) == policy


async def test_an_aws_managed_key_cannot_be_changed(world: World) -> None:
    id = (await world.call("kms", "DescribeKey", KeyId="alias/aws/s3"))["KeyMetadata"]["KeyId"]
    for operation, more in (
        ("PutKeyPolicy", {"Policy": "{}"}), ("DisableKey", {}), ("ScheduleKeyDeletion", {}),
        ("EnableKeyRotation", {}), ("UpdateKeyDescription", {"Description": ""}),
        ("TagResource", {"Tags": []}),
    ):  # fmt: skip
        error = await refusal(world, operation, KeyId=id, **more)
        assert error.shape == "AccessDeniedException", operation
    error = await refusal(world, "CreateAlias", AliasName="alias/mine", TargetKeyId=id)
    assert error.shape == "AccessDeniedException"


async def test_the_key_of_another_account_cannot_be_administered(world: World) -> None:
    arn = (await new_key(world))["Arn"]
    other = "444455556666"
    caller = world.caller(Principal("user", other, f"arn:aws:iam::{other}:user/u"), other)
    with pytest.raises(AwsError) as caught:
        await world.call_as(caller, "kms", "DisableKey", KeyId=arn)
    assert caught.value.shape == "AccessDeniedException"
    await world.call_as(caller, "kms", "DescribeKey", KeyId=arn)


async def test_policies_can_ask_for_kmss_condition_keys(world_of: Callable[..., World]) -> None:
    asked: list[tuple[Any, Any, Any]] = []

    def authorise(tx: Any, call: Any, service: Any, actions: Any, resources: Any, c: Any) -> None:
        asked.append((actions, resources, dict(c)))

    world = world_of("kms", authorise=authorise)
    made = await new_key(world, Tags=[{"TagKey": "team", "TagValue": "x"}])
    await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=made["KeyId"])
    asked.clear()
    await world.call_as(
        world.caller().via("sqs"), "kms", "Encrypt", KeyId="alias/a", Plaintext=b"x",
        EncryptionContext={"aws:sqs:arn": "q"},
    )  # fmt: skip
    actions, resources, found = asked[-1]
    assert (actions, resources) == (("kms:Encrypt",), (made["Arn"],))
    assert found["kms:ViaService"] == f"sqs.{REGION}.amazonaws.com"
    assert found["kms:CallerAccount"] == ACCOUNT
    assert found["kms:EncryptionContext:aws:sqs:arn"] == "q"
    assert found["kms:EncryptionContextKeys"] == ["aws:sqs:arn"]
    assert found["kms:RequestAlias"] == "alias/a"
    assert found["kms:ResourceAliases"] == ["alias/a"]
    assert found["aws:ResourceTag/team"] == "x"
    service = world.caller().as_service("sns.amazonaws.com", "arn:topic", ACCOUNT).via("sqs")
    await world.call_as(service, "kms", "Encrypt", KeyId="alias/a", Plaintext=b"x")
    assert "kms:CallerAccount" not in asked[-1][2]
