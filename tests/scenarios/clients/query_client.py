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
            "empty": "Messages" not in sqs.receive_message(QueueUrl=url),
            "tags": sqs.list_queue_tags(QueueUrl=url)["Tags"],
            "found": sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url],
            "refusals": [
                refusal(sqs.get_queue_url, QueueName=name + "-missing"),
                refusal(sqs.send_message, QueueUrl=url, MessageBody="\x02"),
                refusal(sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "1"}),
                refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense"),
            ],
        }
    )
)
