"""A Celery application whose broker is SQS; run by a worker, and by who sends the tasks."""
# mypy: ignore-errors
# (It runs in an environment of its own, with packages that are not here.)

import os
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

from celery import Celery

endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
keys = ":".join(
    quote(os.environ[n], safe="") for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
)
diary = Path(os.environ["DIARY"])

app = Celery("celery_tasks", broker=f"sqs://{keys}@{endpoint.netloc}")
app.conf.update(
    task_default_queue=os.environ["QUEUE"],
    broker_transport_options={
        "region": os.environ["AWS_DEFAULT_REGION"],
        "is_secure": False,
        "visibility_timeout": 30,
        "wait_time_seconds": 2,
    },
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


def write(text):
    with diary.open("a") as file:
        file.write(text + "\n")


@app.task
def add(a, b):
    write(f"{a} + {b} = {a + b}")


@app.task
def later(due):
    write("on time" if time.time() >= due else "too early")


@app.task(bind=True, max_retries=3)
def flaky(self):
    write(f"try {self.request.retries}")
    if self.request.retries < 2:
        raise self.retry(countdown=1)


if __name__ == "__main__":
    for number in range(20):
        add.delay(number, 1)
    moment = time.time() + 2
    later.apply_async((moment,), countdown=2)
    flaky.delay()
