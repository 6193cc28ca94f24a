"""Run by an older boto3, whose SQS speaks Query: uses a queue and says what it saw as JSON."""
# mypy: ignore-errors
# (It runs in an environment of its own, with packages that are not here.)

import json
import sys

import boto3
from botocore.exceptions import ClientError

name = sys.argv[1]
sqs = boto3.client("sqs")
url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})["QueueUrl"]
sqs.send_message(
    QueueUrl=url,
    MessageBody="eins & <zwei>",
    MessageAttributes={
        "Number": {"DataType": "Number.int", "StringValue": "7"},
        "Bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    },
)
batch = sqs.send_message_batch(
    QueueUrl=url,
    Entries=[
        {"Id": "good", "MessageBody": "second"},
        {"Id": "bad", "MessageBody": "forbidden \x01"},
    ],
)
received = []
while len(received) < 2:
    received += sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=5,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )["Messages"]
received.sort(key=lambda message: message["Body"])
sqs.change_message_visibility(
    QueueUrl=url, ReceiptHandle=received[1]["ReceiptHandle"], VisibilityTimeout=0
)
again = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
sqs.delete_message_batch(
    QueueUrl=url,
    Entries=[
        {"Id": "a", "ReceiptHandle": received[0]["ReceiptHandle"]},
        {"Id": "b", "ReceiptHandle": again[0]["ReceiptHandle"]},
    ],
)
sqs.tag_queue(QueueUrl=url, Tags={"team": "blue"})


empty = "Messages" not in sqs.receive_message(QueueUrl=url)
found = sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]

dead = sqs.create_queue(QueueName=name + "-dead", tags={"kind": "dead"})["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 1}
sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
sqs.add_permission(
    QueueUrl=url, Label="l", AWSAccountIds=["111122223333", "444455556666"], Actions=["SendMessage"]
)
told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
sqs.remove_permission(QueueUrl=url, Label="l")
sqs.send_message_batch(
    QueueUrl=dead, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(5)]
)
target = arn.removesuffix("-dead")
running = sqs.start_message_move_task(
    SourceArn=arn, DestinationArn=target, MaxNumberOfMessagesPerSecond=1
)["TaskHandle"]
listed = sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]
cancelled = sqs.cancel_message_move_task(TaskHandle=running)
hidden = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
changed = sqs.change_message_visibility_batch(
    QueueUrl=dead,
    Entries=[{"Id": "a", "ReceiptHandle": hidden[0]["ReceiptHandle"], "VisibilityTimeout": 0}],
)
sources = sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
page = sqs.list_queues(QueueNamePrefix=name, MaxResults=1)
sqs.untag_queue(QueueUrl=dead, TagKeys=["kind"])
sqs.purge_queue(QueueUrl=dead)


def refusal(operation, **request):
    try:
        operation(**request)
    except ClientError as error:
        return [
            error.response["Error"]["Code"],
            error.response["ResponseMetadata"]["HTTPStatusCode"],
        ]


print(
    json.dumps(
        {
            "protocol": sqs.meta.service_model.metadata["protocol"],
            "bodies": [message["Body"] for message in received],
            "number": received[0]["MessageAttributes"]["Number"],
            "bytes": received[0]["MessageAttributes"]["Bytes"]["BinaryValue"].hex(),
            "failed": [entry["Id"] + " " + entry["Code"] for entry in batch["Failed"]],
            "count": again[0]["Attributes"]["ApproximateReceiveCount"],
            "empty": empty,
            "tags": sqs.list_queue_tags(QueueUrl=url)["Tags"],
            "found": found,
            "refusals": [
                refusal(sqs.get_queue_url, QueueName=name + "-missing"),
                refusal(sqs.send_message, QueueUrl=url, MessageBody="\x02"),
                refusal(sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "1"}),
                refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense"),
                refusal(sqs.purge_queue, QueueUrl=dead),
                refusal(sqs.send_message_batch, QueueUrl=url, Entries=[]),
                refusal(sqs.cancel_message_move_task, TaskHandle=running),
            ],
            "redrive": told["RedrivePolicy"] == json.dumps(policy, separators=(",", ":")),
            "shared": json.loads(told["Policy"])["Statement"][0]["Action"],
            "task": [listed["Status"], listed["SourceArn"] == arn, listed["TaskHandle"] == running],
            "rate": listed["MaxNumberOfMessagesPerSecond"],
            "moved": cancelled["ApproximateNumberOfMessagesMoved"] >= 0,
            "changed": [entry["Id"] for entry in changed["Successful"]],
            "sources": sources == [url],
            "page": [len(page["QueueUrls"]), "NextToken" in page],
            "untagged": sqs.list_queue_tags(QueueUrl=dead).get("Tags", {}),
            "deleted": sqs.delete_queue(QueueUrl=dead)["ResponseMetadata"]["HTTPStatusCode"],
        }
    )
)
