"""Run with AWS's extended client: bodies lie in a bucket, the queue carries pointers to them."""
# mypy: ignore-errors
# (It runs in an environment of its own, with packages that are not here.)

import json
import sys

import boto3
import sqs_extended_client  # noqa: F401  (it extends every client of SQS that is made from now on)

name = sys.argv[1]
s3, sqs = boto3.client("s3"), boto3.client("sqs")
where = {"LocationConstraint": s3.meta.region_name}
s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
url = sqs.create_queue(QueueName=name)["QueueUrl"]
sqs.large_payload_support = name
sqs.use_legacy_attribute = False
sqs.delete_payload_from_s3 = True
sqs.message_size_threshold = 1_000


def keys():
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=name).get("Contents", [])]


small, large = "a-small-one", "x" * 2_000_000
sqs.send_message(QueueUrl=url, MessageBody=small)
sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "large", "MessageBody": large}])
stored = len(keys())
found = []
while len(found) < 2:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
    found += answer["Messages"]
pointers = sum("-..s3BucketName..-" in message["ReceiptHandle"] for message in found)
for message in found:
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60
    )
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
print(
    json.dumps(
        {
            "bodies": sorted(message["Body"] for message in found) == sorted([small, large]),
            "stored": stored,
            "pointers": pointers,
            "left": [*left.values(), len(keys())],
        }
    )
)
