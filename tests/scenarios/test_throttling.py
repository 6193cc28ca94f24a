"""A FIFO queue that is throttled as on AWS: a client that tries again gets everything through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, start

RATE = 8
HIGH = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


def test_a_throttled_client_tries_again_and_groups_are_the_way_out(tmp_path: Path) -> None:
    server = start(
        tmp_path,
        "--ephemeral",
        "--credentials",
        "test:test",
        "--sqs-quotas",
        f"fifo-rate={RATE},fifo-group-rate={RATE}",
    )
    patient = boto3.client(
        "sqs", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        config=Config(retries={"mode": "standard", "max_attempts": 10}),
    )  # fmt: skip
    try:
        hasty = server.client("sqs")

        def queue(name: str, **attributes: str) -> str:
            given = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
            url: str = hasty.create_queue(QueueName=name, Attributes=given)["QueueUrl"]
            return url

        def send(client: Any, url: str, count: int, groups: int) -> int:
            """How many attempts it took."""
            attempts = 0
            for n in range(count):
                sent = client.send_message(
                    QueueUrl=url, MessageBody=str(n), MessageGroupId=str(n % groups)
                )
                attempts += 1 + int(sent["ResponseMetadata"]["RetryAttempts"])
            return attempts

        url = queue("slow.fifo")
        with pytest.raises(ClientError) as refused:
            send(hasty, url, 10 * RATE, 10)
        assert refused.value.response["Error"]["Code"] == "RequestThrottled"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        hasty.purge_queue(QueueUrl=url)
        send(patient, queue("again.fifo"), 2 * RATE, 10)
        counted = patient.get_queue_attributes(
            QueueUrl=queue("again.fifo"), AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert counted["Attributes"] == {"ApproximateNumberOfMessages": str(2 * RATE)}
        many = 3 * RATE
        assert send(hasty, queue("fast.fifo", **HIGH), many, many) == many
    finally:
        patient.close()
        assert server.stop() == 0
