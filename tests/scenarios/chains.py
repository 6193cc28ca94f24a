"""A chain whose keys and policies a story chooses: a bucket announces to an encrypted topic, which
feeds an encrypted queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.scenarios.conftest import REGION, Server, eventually
from tests.scenarios.ways import Hop, only, way_with

ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Chain:
    """A bucket, a topic, a queue, all of one name, and how they are allowed to reach each other."""

    server: Server
    name: str

    @property
    def topic(self) -> str:
        return f"arn:aws:sns:{REGION}:{ACCOUNT}:{self.name}"

    @property
    def queue(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    @property
    def url(self) -> str:
        url: str = self.server.client("sqs").get_queue_url(QueueName=self.name)["QueueUrl"]
        return url

    def key(self, *services: str) -> str:
        """A key that its account administers, and these services use."""
        statements: list[dict[str, Any]] = [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
             "Action": "kms:*", "Resource": "*"}
        ]  # fmt: skip
        if services:
            principals = [f"{service}.amazonaws.com" for service in services]
            statements.append(
                {"Effect": "Allow", "Principal": {"Service": principals},
                 "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
            )  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        made: str = self.server.client("kms").create_key(Policy=policy)["KeyMetadata"]["KeyId"]
        return made

    def make(self, topic_key: str, queue_key: str, *, open_queue: bool = True) -> None:
        sns, sqs = self.server.client("sns"), self.server.client("sqs")
        bucket = f"arn:aws:s3:::{self.name}"
        sns.create_topic(
            Name=self.name,
            Attributes={
                "KmsMasterKeyId": topic_key,
                "Policy": policy("s3.amazonaws.com", "sns:Publish", self.topic, bucket),
            },
        )
        attributes = {"KmsMasterKeyId": queue_key}
        if open_queue:
            attributes["Policy"] = policy(
                "sns.amazonaws.com", "sqs:SendMessage", self.queue, self.topic
            )
        sqs.create_queue(QueueName=self.name, Attributes=attributes)
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.queue)
        self.server.client("s3").create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def announce(self) -> None:
        self.server.client("s3").put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={
                "TopicConfigurations": [{"TopicArn": self.topic, "Events": ["s3:ObjectCreated:*"]}]
            },
        )

    def drop(self) -> None:
        self.server.client("s3").put_object(Bucket=self.name, Key="a.txt", Body=b"hello")

    def way(self, until: str) -> list[Hop]:
        """The way of the object that was dropped, once it has a hop of that kind."""

        def look() -> list[Hop]:
            hops = way_with(self.server, "s3.put", bucket=self.name)
            return hops if only(hops, until) else []

        found: list[Hop] = eventually(look)
        return found

    def bodies(self) -> list[str]:
        sqs = self.server.client("sqs")
        found = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", ())
        return [json.loads(message["Body"])["Message"] for message in found]


def policy(service: str, action: str, resource: str, source: str) -> str:
    statement = {
        "Effect": "Allow", "Principal": {"Service": service}, "Action": action,
        "Resource": resource, "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }  # fmt: skip
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
