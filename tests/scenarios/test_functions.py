"""A function that uses boto3 as on AWS: with its role's credentials, allowed what the role may."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from tests.scenarios.conftest import REGION, Server

CODE = """
import os
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    told = {"who": boto3.client("sts").get_caller_identity()["Arn"],
            "region": os.environ["AWS_REGION"]}
    sqs = boto3.client("sqs")
    told["sent"] = sqs.send_message(QueueUrl=event["url"], MessageBody="from inside")["MessageId"]
    try:
        sqs.delete_queue(QueueUrl=event["url"])
    except ClientError as error:
        told["refused"] = [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    body = boto3.client("s3").get_object(Bucket=event["bucket"], Key="big")["Body"]
    told["read"] = sum(len(chunk) for chunk in body.iter_chunks())
    return told
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
BIG_BYTES = 3_000_000


def archive(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("index.py", code)
    return buffer.getvalue()


def test_boto3_inside_a_function_may_what_the_role_may_and_no_more(
    server: Server, name: str
) -> None:
    iam, sqs, s3, lambda_ = (server.client(s) for s in ("iam", "sqs", "s3", "lambda"))
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=name, Key="big", Body=b"x" * BIG_BYTES)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    allowed = [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:*:*:{name}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"},
    ]
    iam.put_role_policy(
        RoleName=name, PolicyName="few",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )  # fmt: skip
    lambda_.create_function(
        FunctionName=name, Role=role["Arn"], Runtime="python3.11", Handler="index.handler",
        Timeout=30, MemorySize=512, Code={"ZipFile": archive(CODE)},
    )  # fmt: skip
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    ran = lambda_.invoke(
        FunctionName=name, Payload=json.dumps({"url": url, "bucket": name}).encode()
    )
    told: dict[str, Any] = json.load(ran["Payload"])
    assert "FunctionError" not in ran, told
    session = f"arn:aws:sts::000000000000:assumed-role/{name}/{name}"
    assert told["who"] == session
    assert told["read"] == BIG_BYTES
    code, message = told["refused"]
    assert code == "AccessDenied"
    assert f"User: {session} is not authorized to perform: sqs:deletequeue" in message
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert (message["MessageId"], message["Body"]) == (told["sent"], "from inside")
