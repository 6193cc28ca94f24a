"""S3's operations on the settings of buckets, in AWS's words."""

from __future__ import annotations

from ogi.access import trusts
from ogi.errors import AccessDenied, unsupported
from ogi.service import Call, Fields
from ogi.services.s3 import attributes, buckets, errors, notifications, policies, tags
from ogi.services.s3.api_buckets import in_control
from ogi.services.s3.api_objects import full_control
from ogi.services.s3.errors import MalformedPolicy
from ogi.services.s3.layout import Block, Bucket, Encryption, Rule
from ogi.services.s3.service import SERVICE, bucket_arn, look
from ogi.storage import CONTROL, Reader, Transaction

OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")

# -- policy -------------------------------------------------------------------------------------


@SERVICE.operation(on=bucket_arn, home=in_control)
def put_bucket_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    policy = policies.check(request["Policy"], bucket.name)
    if trusts.names_nobody(tx, request["Policy"]):
        raise MalformedPolicy("Invalid principal in policy")
    public = policies.is_public(policy)
    if public and bucket.block is not None and bucket.block.policy:
        # docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html
        raise AccessDenied(
            f"User: {call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on "
            f'resource: "{bucket.arn}" because public policies are prevented by the '
            "BlockPublicPolicy setting in S3 Block Public Access."
        )
    kept = trusts.fastened(tx, request["Policy"])
    buckets.change(tx, bucket, policy=kept, public=public)
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    if bucket.policy is None:
        raise errors.NoSuchBucketPolicy(BucketName=bucket.name)
    return {"Policy": trusts.unfastened(tx, bucket.policy)}


@SERVICE.operation(on=bucket_arn, home=in_control)
def delete_bucket_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    buckets.change(tx, buckets.find(tx, call, request), policy=None, public=False)
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_policy_status(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    if bucket.policy is None:
        raise errors.NoSuchBucketPolicy(BucketName=bucket.name)
    return {"PolicyStatus": {"IsPublic": bucket.public}}


# -- public access block ------------------------------------------------------------------------


@SERVICE.operation(on=bucket_arn, action="PutBucketPublicAccessBlock", home=in_control)
def put_public_access_block(tx: Transaction, call: Call, request: Fields) -> Fields:
    given = request["PublicAccessBlockConfiguration"]
    block = Block(
        acls=given.get("BlockPublicAcls", False),
        ignore_acls=given.get("IgnorePublicAcls", False),
        policy=given.get("BlockPublicPolicy", False),
        restrict=given.get("RestrictPublicBuckets", False),
    )
    buckets.change(tx, buckets.find(tx, call, request), block=block)
    return {}


@SERVICE.operation(on=bucket_arn, action="GetBucketPublicAccessBlock", reads=True)
def get_public_access_block(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    block = bucket.block
    if block is None:
        raise errors.NoSuchPublicAccessBlockConfiguration(BucketName=bucket.name)
    return {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": block.acls,
            "IgnorePublicAcls": block.ignore_acls,
            "BlockPublicPolicy": block.policy,
            "RestrictPublicBuckets": block.restrict,
        }
    }


@SERVICE.operation(on=bucket_arn, action="PutBucketPublicAccessBlock", home=in_control)
def delete_public_access_block(tx: Transaction, call: Call, request: Fields) -> Fields:
    buckets.change(tx, buckets.find(tx, call, request), block=None)
    return {}


# -- encryption ---------------------------------------------------------------------------------


@SERVICE.operation(on=bucket_arn, action="PutEncryptionConfiguration", home=in_control)
def put_bucket_encryption(tx: Transaction, call: Call, request: Fields) -> Fields:
    rules = request["ServerSideEncryptionConfiguration"]["Rules"]
    if len(rules) != 1 or "ApplyServerSideEncryptionByDefault" not in rules[0]:
        raise errors.MalformedXML()
    rule = rules[0]
    for member in rule:
        if member not in ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled"):
            raise unsupported(f"ServerSideEncryptionRule.{member}")
    default = rule["ApplyServerSideEncryptionByDefault"]
    algorithm, key_id = default["SSEAlgorithm"], default.get("KMSMasterKeyID")
    if algorithm == "AES256":
        if key_id is not None:
            raise errors.InvalidArgument(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms "
                "or aws:kms:dsse",
                ArgumentName="KMSMasterKeyID", ArgumentValue=key_id,
            )  # fmt: skip
    elif algorithm != "aws:kms":
        raise unsupported(f"the server-side encryption {algorithm}")
    encryption = Encryption(algorithm, key_id, bool(rule.get("BucketKeyEnabled", False)))
    buckets.change(tx, buckets.find(tx, call, request), encryption=encryption)
    return {}


@SERVICE.operation(on=bucket_arn, action="GetEncryptionConfiguration", reads=True)
def get_bucket_encryption(tx: Reader, call: Call, request: Fields) -> Fields:
    encryption = buckets.find(tx, call, request).encryption
    default: Fields = {"SSEAlgorithm": encryption.algorithm}
    if encryption.key_id is not None:
        default["KMSMasterKeyID"] = encryption.key_id
    rule = {
        "ApplyServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": encryption.bucket_key,
    }
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


@SERVICE.operation(on=bucket_arn, action="PutEncryptionConfiguration", home=in_control)
def delete_bucket_encryption(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Back to AES256: no bucket is without encryption."""
    buckets.change(tx, buckets.find(tx, call, request), encryption=Encryption())
    return {}


# -- tags ---------------------------------------------------------------------------------------


@SERVICE.operation(on=bucket_arn, home=in_control)
def put_bucket_tagging(tx: Transaction, call: Call, request: Fields) -> Fields:
    given = tags.of_set(request["Tagging"], tags.BUCKET_TAGS_MAX, "Bucket")
    buckets.change(tx, buckets.find(tx, call, request), tags=given)
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_tagging(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    if not bucket.tags:
        raise errors.NoSuchTagSet(BucketName=bucket.name)
    return {"TagSet": tags.shown(bucket.tags)}


@SERVICE.operation(on=bucket_arn, action="PutBucketTagging", home=in_control)
def delete_bucket_tagging(tx: Transaction, call: Call, request: Fields) -> Fields:
    buckets.change(tx, buckets.find(tx, call, request), tags=())
    return {}


# -- ownership and access control lists ---------------------------------------------------------


@SERVICE.operation(on=bucket_arn, home=in_control)
def put_bucket_ownership_controls(tx: Transaction, call: Call, request: Fields) -> Fields:
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1 or rules[0]["ObjectOwnership"] not in OWNERSHIPS:
        raise errors.MalformedXML()
    bucket = buckets.find(tx, call, request)
    buckets.change(tx, bucket, ownership=rules[0]["ObjectOwnership"])
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_ownership_controls(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    if bucket.ownership is None:
        raise errors.OwnershipControlsNotFoundError(BucketName=bucket.name)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@SERVICE.operation(on=bucket_arn, action="PutBucketOwnershipControls", home=in_control)
def delete_bucket_ownership_controls(tx: Transaction, call: Call, request: Fields) -> Fields:
    buckets.change(tx, buckets.find(tx, call, request), ownership=None)
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_acl(tx: Reader, call: Call, request: Fields) -> Fields:
    return full_control(buckets.find(tx, call, request))


@SERVICE.operation(on=bucket_arn, home=in_control)
def put_bucket_acl(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Only what changes nothing: the owner has full control."""
    bucket = buckets.find(tx, call, request)
    if "AccessControlPolicy" in request:
        raise errors.AccessControlListNotSupported()
    attributes.check_acl(request, bucket)
    return {}


# -- notifications ------------------------------------------------------------------------------


@SERVICE.operation(on=bucket_arn, action="PutBucketNotification", preauthorised=False)
async def put_bucket_notification_configuration(call: Call, request: Fields) -> Fields:
    given = request["NotificationConfiguration"]

    def read(tx: Reader, call: Call) -> tuple[Bucket, tuple[Rule, ...]]:
        bucket = buckets.find(tx, call, request)
        return bucket, notifications.rules_of(call, given, bucket)

    bucket, rules = await look(call, read)
    if not request.get("SkipDestinationValidation", False):
        await notifications.check_destinations(call, bucket, rules)

    def write(tx: Transaction, call: Call) -> None:
        buckets.change(tx, buckets.find(tx, call, request), rules=rules)

    await call.transact(write, CONTROL)
    return {}


@SERVICE.operation(on=bucket_arn, action="GetBucketNotification", reads=True)
def get_bucket_notification_configuration(tx: Reader, call: Call, request: Fields) -> Fields:
    return notifications.shown(buckets.find(tx, call, request))


# -- what Ogi's buckets do not have: answered as S3 answers for buckets without it --------------


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_versioning(tx: Reader, call: Call, request: Fields) -> Fields:
    """A bucket that was never versioned has no status."""
    buckets.find(tx, call, request)
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_request_payment(tx: Reader, call: Call, request: Fields) -> Fields:
    buckets.find(tx, call, request)
    return {"Payer": "BucketOwner"}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_logging(tx: Reader, call: Call, request: Fields) -> Fields:
    buckets.find(tx, call, request)
    return {}


@SERVICE.operation(on=bucket_arn, action="GetAccelerateConfiguration", reads=True)
def get_bucket_accelerate_configuration(tx: Reader, call: Call, request: Fields) -> Fields:
    buckets.find(tx, call, request)
    return {}


@SERVICE.operation(on=bucket_arn, action="GetLifecycleConfiguration", reads=True)
def get_bucket_lifecycle_configuration(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    raise errors.NoSuchLifecycleConfiguration(BucketName=bucket.name)


@SERVICE.operation(on=bucket_arn, action="GetBucketCORS", reads=True)
def get_bucket_cors(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    raise errors.NoSuchCORSConfiguration(BucketName=bucket.name)


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_website(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    raise errors.NoSuchWebsiteConfiguration(BucketName=bucket.name)


@SERVICE.operation(on=bucket_arn, action="GetReplicationConfiguration", reads=True)
def get_bucket_replication(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    raise errors.ReplicationConfigurationNotFoundError(BucketName=bucket.name)


@SERVICE.operation(on=bucket_arn, action="GetBucketObjectLockConfiguration", reads=True)
def get_object_lock_configuration(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    raise errors.ObjectLockConfigurationNotFoundError(BucketName=bucket.name)
