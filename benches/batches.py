"""SendMessageBatch of ten messages of 1 KiB, durable, signed and authorised.

Run: python -m benches.batches [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from benches.places import Effort, Place, Row, main, text

BODY_BYTES = 1024
DIFFERENT = 100
CONNECTIONS = 16
GOAL = 40_000


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    url = place.queue()
    requests = [
        place.sqs(
            "SendMessageBatch", QueueUrl=url,
            Entries=[{"Id": str(i), "MessageBody": text(BODY_BYTES)} for i in range(10)],
        )
        for _ in range(DIFFERENT)
    ]  # fmt: skip
    rate, remark = await place.rate(requests, CONNECTIONS, effort)
    promise = f"SendMessageBatch of ten (1 KiB), {CONNECTIONS} connections"
    yield Row(promise, rate * 10, "messages/s", GOAL, remark=remark)


if __name__ == "__main__":
    main(measure, __doc__)
