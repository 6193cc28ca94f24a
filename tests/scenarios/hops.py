"""What a hop needs, made right or with one thing wrong, and what becomes of it, in one line.

A `Way` is a bucket, a topic, queues, a function and a role, all of one name; a story makes those
that it is about. What it sees it says as the table in `test_hops` does: `arrives`, `refused at
once: CODE`, `lost: CODE`, `dead letter: CODE`, `waits: WHY`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, eventually
from tests.scenarios.ways import Hop, all_ways, only

ACCOUNT = "000000000000"
ADMINISTERED = {
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
    "Resource": "*",
}  # fmt: skip
CODE = "def handler(event, context):\n    return None\n"
ARRIVES = "arrives"
USES = ("kms:Decrypt", "kms:GenerateDataKey*")


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def service_may(
    service: str, actions: str | Sequence[str], resource: str, condition: Any = None
) -> dict[str, Any]:
    said = {
        "Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": actions, "Resource": resource,
    }  # fmt: skip
    return {**said, "Condition": condition} if condition else said


def refused(ask: Callable[[], Any]) -> str:
    """`CODE: sentence` of the refusal, '' if it is allowed."""
    try:
        ask()
    except ClientError as error:
        said = error.response["Error"]
        return f"{said['Code']}: {said['Message']}"
    return ""


class Way:
    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.bucket = f"arn:aws:s3:::{name}"
        self.topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        self.queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.dead = f"{self.queue}-dead"
        self.function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self.role = f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def client(self, service: str) -> Any:
        return self.server.client(service)

    def as_user(self, service: str, *statements: Any) -> Any:
        """A client as a user who may do just that."""
        iam = self.client("iam")
        iam.create_user(UserName=self.name)
        iam.put_user_policy(
            UserName=self.name, PolicyName="p", PolicyDocument=document(*statements)
        )
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        return self.server.client(
            service, REGION, aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )  # fmt: skip

    # -- making ---------------------------------------------------------------------------------

    def key(self, *services: str, condition: Any = None) -> str:
        """A key that its account administers and these services use; its ARN."""
        may = [service_may(service, USES, "*", condition) for service in services]
        made: str = self.client("kms").create_key(Policy=document(ADMINISTERED, *may))[
            "KeyMetadata"
        ]["Arn"]
        return made

    def close_key(self, key: str) -> None:
        """Nobody but the account may use it any more."""
        self.client("kms").put_key_policy(
            KeyId=key, PolicyName="default", Policy=document(ADMINISTERED)
        )

    def make_topic(self, key: str = "", policy: str = "") -> None:
        attributes = {"KmsMasterKeyId": key, "Policy": policy}
        self.client("sns").create_topic(
            Name=self.name, Attributes={k: v for k, v in attributes.items() if v}
        )

    def make_queue(self, arn: str = "", key: str = "", policy: str = "", **more: str) -> str:
        attributes = {"KmsMasterKeyId": key, "Policy": policy, **more}
        url: str = self.client("sqs").create_queue(
            QueueName=(arn or self.queue).rsplit(":", 1)[1],
            Attributes={k: v for k, v in attributes.items() if v},
        )["QueueUrl"]
        return url

    def make_bucket(self) -> None:
        self.client("s3").create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def make_role(self, *statements: Any, trusts: str = "lambda") -> None:
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": f"{trusts}.amazonaws.com"},
                 "Action": "sts:AssumeRole"}  # fmt: skip
        iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=document(trust))
        self.let_role(*statements)

    def let_role(self, *statements: Any) -> None:
        nothing = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
        self.client("iam").put_role_policy(
            RoleName=self.name, PolicyName="p", PolicyDocument=document(nothing, *statements)
        )

    def function_request(self, **more: Any) -> dict[str, Any]:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", CODE)
        return {
            "FunctionName": self.name, "Runtime": "python3.12", "Handler": "index.handler",
            "Role": self.role, "Code": {"ZipFile": packed.getvalue()}, "Timeout": 1, **more,
        }  # fmt: skip

    def make_function(self, **more: Any) -> None:
        self.make_role()
        self.client("lambda").create_function(**self.function_request(**more))

    def let_in(self, service: str, source: str) -> None:
        """The function's policy lets a service invoke it for a source."""
        self.client("lambda").add_permission(
            FunctionName=self.name, StatementId=service, Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com", SourceArn=source, SourceAccount=ACCOUNT,
        )  # fmt: skip

    def shut_out(self, service: str) -> None:
        self.client("lambda").remove_permission(FunctionName=self.name, StatementId=service)

    def subscribe(self, protocol: str, endpoint: str, *, dead: bool = False) -> None:
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": self.dead})}
        self.client("sns").subscribe(
            TopicArn=self.topic, Protocol=protocol, Endpoint=endpoint,
            Attributes=attributes if dead else {},
        )  # fmt: skip

    def announce(self, kind: str, destination: str) -> str:
        """Let the bucket tell a destination; what it says to that."""
        names = {"Topic": "TopicArn", "Queue": "QueueArn", "LambdaFunction": "LambdaFunctionArn"}
        rule = {names[kind]: destination, "Events": ["s3:ObjectCreated:*"]}
        said = refused(
            lambda: self.client("s3").put_bucket_notification_configuration(
                Bucket=self.name, NotificationConfiguration={f"{kind}Configurations": [rule]}
            )
        )
        return f"refused at once: {said}" if said else "configured"

    def drop(self) -> None:
        self.client("s3").put_object(Bucket=self.name, Key="a.txt", Body=b"hello")

    # -- seeing ---------------------------------------------------------------------------------

    def received(self, arn: str = "", wait_s: int = 10) -> str:
        """The next message of a queue, which is deleted; '' if none comes."""
        sqs = self.client("sqs")
        name = (arn or self.queue).rsplit(":", 1)[1]
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait_s).get("Messages", ())
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body: str = message["Body"]
            return body
        return ""

    def hops(self, kind: str, **fields: Any) -> list[Hop]:
        """Hops of that kind that name something of this way."""
        return [
            hop
            for hops in all_ways(self.server)
            for hop in only(hops, kind, **fields)
            if any(self.name in json.dumps(other) for other in hops)
        ]

    def lost(self, kind: str = "refused") -> str:
        """Once a hop was refused: `lost: CODE of SERVICE`."""
        [hop, *_] = eventually(lambda: self.hops(kind))
        return f"lost: {hop['code']}"

    def ran(self) -> str:
        eventually(lambda: [h for h in self.hops("lambda.start") if self.name in h["function"]])
        return ARRIVES

    def dead_letter(self) -> str:
        """What the dead-letter queue says of the message that it got."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=self.dead.rsplit(":", 1)[1])["QueueUrl"]
        found = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"]
        )["Messages"]  # fmt: skip
        return f"dead letter: {found[0]['MessageAttributes']['ErrorCode']['StringValue']}"
