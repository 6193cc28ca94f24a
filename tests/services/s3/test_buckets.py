"""Buckets: names are global, settings have effect, the rules are S3's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.errors import AccessDenied, AwsError
from ogi.service import Principal, service_principal
from ogi.services.s3 import errors, policies
from tests.services.s3.conftest import S3
from tests.world import ACCOUNT, World

STRANGER = Principal("user", "999999999999", "arn:aws:iam::999999999999:user/eve", "AIDAEVE")


async def create(world: World, name: str, region: str, constraint: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"Bucket": name}
    if constraint is not None:
        request["CreateBucketConfiguration"] = {"LocationConstraint": constraint}
    return await world.call_as(world.caller(region=region), "s3", "CreateBucket", **request)


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Upper", "under_score", "-start", "end-", "a..b", "192.168.5.4", "xn--a",
     "sthree-a", "a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3"],
)  # fmt: skip
async def test_an_impossible_name_is_refused(world: World, name: str) -> None:
    with pytest.raises(errors.InvalidBucketName):
        await create(world, name, "us-east-1", None)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket-1", "1.2.3", "192.168.5.4a"])
async def test_a_possible_name_is_taken(world: World, name: str) -> None:
    assert (await create(world, name, "us-east-1", None))["Location"] == f"/{name}"


@pytest.mark.parametrize(
    ("region", "constraint", "outcome"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "eu-west-1", "eu-west-1"),
        ("us-east-1", "us-east-1", errors.InvalidLocationConstraint),
        ("eu-west-1", "eu-west-1", "eu-west-1"),
        ("eu-west-1", "EU", "eu-west-1"),
        ("eu-west-1", None, errors.IllegalLocationConstraintException),
        ("eu-west-1", "eu-central-1", errors.IllegalLocationConstraintException),
    ],
)
async def test_the_region_is_where_the_request_went(
    world: World, region: str, constraint: str | None, outcome: Any
) -> None:
    if not isinstance(outcome, str):
        with pytest.raises(outcome):
            await create(world, "abc", region, constraint)
        return
    await create(world, "abc", region, constraint)
    assert (await world.call("s3", "HeadBucket", Bucket="abc"))["BucketRegion"] == outcome
    location = await world.call("s3", "GetBucketLocation", Bucket="abc")
    assert location.get("LocationConstraint", "us-east-1") == outcome


async def test_a_name_is_taken_once_in_the_world(world: World) -> None:
    await create(world, "abc", "eu-west-1", "eu-west-1")
    with pytest.raises(errors.BucketAlreadyOwnedByYou):
        await create(world, "abc", "eu-west-1", "eu-west-1")
    other = world.caller(STRANGER, STRANGER.account, "us-east-1")
    with pytest.raises(errors.BucketAlreadyExists):
        await world.call_as(other, "s3", "CreateBucket", Bucket="abc")


async def test_in_us_east_1_the_owner_may_create_again(world: World) -> None:
    await create(world, "abc", "us-east-1", None)
    await create(world, "abc", "us-east-1", None)


async def test_only_an_empty_bucket_is_deleted(s3: S3) -> None:
    await s3("PutObject", Key="k")
    with pytest.raises(errors.BucketNotEmpty):
        await s3("DeleteBucket")
    await s3("DeleteObject", Key="k")
    await s3("DeleteBucket")
    with pytest.raises(errors.NoSuchBucket):
        await s3("HeadBucket")
    assert (await s3.world.call("s3", "ListBuckets"))["Buckets"] == []


async def test_buckets_are_listed_by_prefix_region_and_page(world: World) -> None:
    for name in ("b-1", "a-00", "b-2", "c-0", "b-3"):
        region = "eu-west-1" if name != "b-2" else "us-west-2"
        await create(world, name + "x", "us-east-1", region)
    listed = await world.call("s3", "ListBuckets", Prefix="b-", MaxBuckets=2)
    assert [bucket["Name"] for bucket in listed["Buckets"]] == ["b-1x", "b-2x"]
    rest = await world.call(
        "s3", "ListBuckets", Prefix="b-", ContinuationToken=listed["ContinuationToken"]
    )
    assert [bucket["Name"] for bucket in rest["Buckets"]] == ["b-3x"]
    assert "ContinuationToken" not in rest
    west = await world.call("s3", "ListBuckets", BucketRegion="us-west-2")
    assert [bucket["Name"] for bucket in west["Buckets"]] == ["b-2x"]
    other = world.caller(STRANGER, STRANGER.account)
    assert (await world.call_as(other, "s3", "ListBuckets"))["Buckets"] == []


async def test_the_expected_owner_must_be_the_owner(s3: S3) -> None:
    await s3("HeadBucket", ExpectedBucketOwner=ACCOUNT)
    with pytest.raises(AccessDenied):
        await s3("PutObject", Key="k", ExpectedBucketOwner="999999999999")


# -- policies and public access -----------------------------------------------------------------


def policy(**changes: Any) -> str:
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bucket/*", **changes,
    }  # fmt: skip
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NO_RESOURCE = "Action does not apply to any resource(s) in statement"
PRIVATE = policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})


async def test_a_policy_is_kept_and_found_for_bucket_and_objects(s3: S3) -> None:
    with pytest.raises(errors.NoSuchBucketPolicy):
        await s3("GetBucketPolicy")
    await s3("PutBucketPolicy", Policy=PRIVATE)
    assert (await s3("GetBucketPolicy"))["Policy"] == PRIVATE
    service = s3.world.ports.services["s3"]
    assert service.policy_of is not None
    for arn in ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket/a/b"):
        found = await s3.world.store.read(lambda tx, arn=arn: service.policy_of(tx, arn))  # type: ignore[misc]
        assert found == PRIVATE
    await s3("DeleteBucketPolicy")
    with pytest.raises(errors.NoSuchBucketPolicy):
        await s3("GetBucketPolicyStatus")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nothing", "Policies must be valid JSON and the first byte must be '{'"),
        ("{", "This policy contains invalid Json"),
        ("{}", "Missing required field Statement"),
        (policy(Effect="Maybe"), "Missing required field Effect"),
        (policy(Action="sqs:SendMessage"), "Policy has invalid action"),
        (policy(Resource="arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (policy(Action="s3:ListBucket"), NO_RESOURCE),
        (policy(Action=["s3:GetObject", "s3:ListBucket*"]), NO_RESOURCE),
        (policy(Resource="arn:aws:s3:::bucket"), NO_RESOURCE),
        (policy(Principal="eve"), "Invalid principal in policy"),
        (policy(Colour="red"), "Syntax errors in policy."),
        (policy(Principal={"Nobody": "x"}), "Syntax errors in policy."),
        (policy(Condition={"NoSuch": {"a": "b"}}), "Invalid Condition type : NoSuch."),
        (
            policy(Condition={"IpAddress": {"aws:SourceIp": "1.2.3.4/x"}}),
            "Invalid IP address or range: 1.2.3.4/x.",
        ),
        (policy(Condition=[]), "Syntax errors in policy."),
        ("{" * 15_000, "This policy contains invalid Json"),
    ],
)
async def test_a_malformed_policy_is_refused(s3: S3, text: str, sentence: str) -> None:
    with pytest.raises(errors.MalformedPolicy) as refused:
        await s3("PutBucketPolicy", Policy=text)
    assert refused.value.message == sentence


@pytest.mark.parametrize(
    ("actions", "resources"),
    [
        ("s3:*", ["bucket/*"]),
        ("*", ["bucket"]),
        (["s3:GetObject", "S3:listbucket"], ["bucket", "bucket/*"]),
        (["s3:GetObject", "s3:ListBucket"], ["bucket*"]),
        ("s3:Get*", ["bucket"]),
        ("s3:SomethingNew", ["bucket"]),
    ],
)
async def test_an_action_needs_one_resource_that_it_is_on(
    s3: S3, actions: Any, resources: list[str]
) -> None:
    arns = [f"arn:aws:s3:::{resource}" for resource in resources]
    owner = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    await s3("PutBucketPolicy", Policy=policy(Principal=owner, Action=actions, Resource=arns))


def _public(**changes: Any) -> bool:
    return policies.is_public(json.loads(policy(**changes)))


def test_public_is_what_s3_calls_public() -> None:
    def when(operator: str, key: str, value: Any) -> dict[str, Any]:
        return {"Condition": {operator: {key: value}}}

    assert _public()
    assert _public(Principal={"AWS": "*"})
    assert _public(**when("StringLike", "aws:PrincipalOrgID", "o-*"))
    assert _public(**when("IpAddress", "aws:SourceIp", "0.0.0.0/1"))
    assert _public(**when("StringNotEquals", "aws:SourceAccount", ACCOUNT))
    assert _public(**when("StringEquals", "aws:UserAgent", "me"))
    assert not _public(Effect="Deny")
    assert not _public(Principal={"AWS": ACCOUNT})
    assert not _public(Principal={"Service": "s3.amazonaws.com"})
    assert not _public(**when("StringEquals", "aws:SourceAccount", ACCOUNT))
    assert not _public(**when("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "192.0.2.1"]))
    assert not _public(**when("ArnLike", "aws:SourceArn", "arn:aws:s3:::bucket"))
    assert _public(**when("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"))


async def test_a_new_bucket_blocks_public_policies(s3: S3) -> None:
    with pytest.raises(AccessDenied, match="BlockPublicPolicy"):
        await s3("PutBucketPolicy", Policy=policy())
    await s3("PutPublicAccessBlock", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    await s3("PutBucketPolicy", Policy=policy())
    assert (await s3("GetBucketPolicyStatus"))["PolicyStatus"] == {"IsPublic": True}


async def test_a_restricted_bucket_lets_only_its_account_and_services_in(s3: S3) -> None:
    await s3("DeletePublicAccessBlock")
    await s3("PutBucketPolicy", Policy=policy())
    await s3("PutObject", Key="k", Body=b"x")
    stranger = s3.world.caller(STRANGER, STRANGER.account)
    await s3.world.call_as(stranger, "s3", "GetObject", Bucket="bucket", Key="k")
    await s3("PutPublicAccessBlock", PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    with pytest.raises(AccessDenied):
        await s3.world.call_as(stranger, "s3", "GetObject", Bucket="bucket", Key="k")
    await s3("GetObject", Key="k")
    service = s3.world.caller(service_principal("logs.amazonaws.com"))
    await s3.world.call_as(service, "s3", "GetObject", Bucket="bucket", Key="k")


async def test_the_public_access_block_can_be_seen_and_removed(s3: S3) -> None:
    seen = await s3("GetPublicAccessBlock")
    assert set(seen["PublicAccessBlockConfiguration"].values()) == {True}
    await s3("DeletePublicAccessBlock")
    with pytest.raises(errors.NoSuchPublicAccessBlockConfiguration):
        await s3("GetPublicAccessBlock")


# -- encryption ---------------------------------------------------------------------------------


async def configure(s3: S3, default: dict[str, Any], **rule: Any) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": default, **rule}]
    await s3("PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": rules})


async def test_every_bucket_is_encrypted_by_default(s3: S3) -> None:
    found = await s3("GetBucketEncryption")
    assert found["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": False,
        }
    ]
    assert (await s3("PutObject", Key="k"))["ServerSideEncryption"] == "AES256"
    with pytest.raises(errors.InvalidArgument, match="KMSMasterKeyID is not applicable"):
        await configure(s3, {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "k"})
    with pytest.raises(AwsError, match="dsse"):
        await configure(s3, {"SSEAlgorithm": "aws:kms:dsse"})


@pytest.mark.parametrize("size", [10, 2_000_000])
@pytest.mark.parametrize("bucket_key", [False, True])
async def test_the_buckets_kms_key_encrypts_what_is_put(
    s3: S3, size: int, bucket_key: bool
) -> None:
    key = (await s3.world.call("kms", "CreateKey"))["KeyMetadata"]["Arn"]
    await configure(
        s3, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}, BucketKeyEnabled=bucket_key
    )
    body = b"x" * size
    put = await s3("PutObject", Key="k", Body=body)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key)
    assert put.get("BucketKeyEnabled", False) is bucket_key
    assert await s3.body("k") == body
    hops = s3.world.ports.traces.get("1-test")
    contexts = [hop for hop in hops if hop["kind"].startswith("kms.")]
    assert {hop["via"] for hop in contexts if "via" in hop} == {"s3.eu-west-1.amazonaws.com"}
    assert "kms.GenerateDataKey" in {hop["kind"] for hop in contexts}
    assert "kms.Decrypt" in {hop["kind"] for hop in contexts}
    await s3.world.call("kms", "DisableKey", KeyId=key)
    with pytest.raises(AwsError) as refused:
        await s3("GetObject", Key="k")
    assert refused.value.code == "KMS.DisabledException"
    await s3("HeadObject", Key="k")
    with pytest.raises(AwsError):
        await s3("PutObject", Key="k2", Body=body)


async def test_with_kms_the_etag_is_not_the_md5(s3: S3) -> None:
    one = await s3("PutObject", Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    two = await s3("PutObject", Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    assert len(one["ETag"]) == 34 and one["ETag"] != two["ETag"]
    assert one["SSEKMSKeyId"].startswith("arn:aws:kms:eu-west-1:")
    plain = await s3("PutObject", Key="k", Body=b"x", ServerSideEncryption="AES256")
    assert plain["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'


async def test_a_key_without_kms_is_refused(s3: S3) -> None:
    with pytest.raises(errors.InvalidArgument, match="x-amz-server-side-encryption : aws:kms"):
        await s3("PutObject", Key="k", SSEKMSKeyId="k")
    with pytest.raises(AwsError) as refused:
        await s3("PutObject", Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/none")
    with pytest.raises(errors.InvalidEncryptionAlgorithmError):
        await s3("PutObject", Key="k", ServerSideEncryption="rot13")
    assert refused.value.code == "KMS.NotFoundException"


async def test_parts_are_encrypted_under_the_uploads_key(s3: S3) -> None:
    created = await s3("CreateMultipartUpload", Key="k", ServerSideEncryption="aws:kms")
    part = await s3(
        "UploadPart", Key="k", UploadId=created["UploadId"], PartNumber=1, Body=b"x" * 100
    )
    assert part["ServerSideEncryption"] == "aws:kms"
    await s3(
        "CompleteMultipartUpload", Key="k", UploadId=created["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )  # fmt: skip
    assert await s3.body("k") == b"x" * 100


# -- other settings -----------------------------------------------------------------------------


async def test_bucket_tags_are_kept(s3: S3) -> None:
    with pytest.raises(errors.NoSuchTagSet):
        await s3("GetBucketTagging")
    tags = [{"Key": "team", "Value": "ogi"}]
    await s3("PutBucketTagging", Tagging={"TagSet": tags})
    assert (await s3("GetBucketTagging"))["TagSet"] == tags
    await s3("DeleteBucketTagging")
    with pytest.raises(errors.NoSuchTagSet):
        await s3("GetBucketTagging")


async def test_ownership_decides_about_access_lists(s3: S3) -> None:
    with pytest.raises(errors.AccessControlListNotSupported):
        await s3("PutBucketAcl", ACL="private")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    await s3("PutBucketOwnershipControls", OwnershipControls=controls)
    assert (await s3("GetBucketOwnershipControls"))["OwnershipControls"] == controls
    await s3("PutBucketAcl", ACL="private")
    with pytest.raises(AwsError, match="public-read"):
        await s3("PutBucketAcl", ACL="public-read")
    assert len((await s3("GetBucketAcl"))["Grants"]) == 1
    await s3("DeleteBucketOwnershipControls")
    with pytest.raises(errors.OwnershipControlsNotFoundError):
        await s3("GetBucketOwnershipControls")


async def test_what_a_bucket_does_not_have_is_answered_as_s3_does(s3: S3) -> None:
    assert await s3("GetBucketVersioning") == {}
    assert await s3("GetBucketLogging") == {}
    for operation, refusal in {
        "GetBucketLifecycleConfiguration": errors.NoSuchLifecycleConfiguration,
        "GetBucketCors": errors.NoSuchCORSConfiguration,
        "GetBucketWebsite": errors.NoSuchWebsiteConfiguration,
        "GetBucketReplication": errors.ReplicationConfigurationNotFoundError,
        "GetObjectLockConfiguration": errors.ObjectLockConfigurationNotFoundError,
    }.items():
        with pytest.raises(refusal):
            await s3(operation)


@pytest.mark.parametrize(
    "operation", ["PutBucketVersioning", "PutBucketLifecycleConfiguration", "PutBucketCors"]
)
async def test_what_is_not_supported_is_refused_by_name(s3: S3, operation: str) -> None:
    with pytest.raises(AwsError, match=operation) as refused:
        await s3(operation)
    assert refused.value.code == "NotImplemented"
