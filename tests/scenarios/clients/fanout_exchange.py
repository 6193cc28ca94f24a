"""kombu: a fanout exchange over SQS, a topic of SNS. Prints what each queue got as JSON."""

import json
import os

from kombu import Connection, Consumer, Exchange, Queue

name = os.environ["NAME"]
options = {
    "region": os.environ["AWS_DEFAULT_REGION"], "is_secure": False, "supports_fanout": True,
    "wait_time_seconds": 1, "polling_interval": 0.05,
}  # fmt: skip
address = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
keys = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
exchange = Exchange(name, type="fanout", durable=True)
queues = [Queue(f"{name}-{n}", exchange) for n in range(3)]
got = {queue.name: [] for queue in queues}


def heard(body, message):
    got[message.delivery_info["sqs_queue"].rpartition("/")[2]].append(
        [body["n"], message.headers.get("kind")]
    )
    message.ack()


with (
    Connection(f"sqs://{keys}@{address}", transport_options=options) as line,
    # A queue is subscribed to the topic when it is first consumed from.
    Consumer(line.channel(), queues=queues, callbacks=[heard]),
):
    producer = line.Producer(line.channel(), exchange=exchange)
    for n in range(5):
        producer.publish({"n": n}, headers={"kind": "news"})
    try:
        while sum(map(len, got.values())) < 15:
            line.drain_events(timeout=15)
    except TimeoutError:
        pass  # What has come says the rest.
print(json.dumps([sorted(got[queue.name]) for queue in queues]))
