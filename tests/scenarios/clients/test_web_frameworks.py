"""Flask and Django: published libraries that verify what comes, as their users run them."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.clients.conftest import Lookalike
from tests.scenarios.clients.environments import HERE, python_with
from tests.scenarios.conftest import eventually

SAID_S_MAX = 30.0


class Hook:
    """A web application as a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
        self.port = int(self.next())

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._lines.put(line)

    def next(self) -> Any:
        """What it says next."""
        return json.loads(self._lines.get(timeout=SAID_S_MAX))

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def running(python: Path, script: str, environment: dict[str, str], log: Path) -> Iterator[Hook]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            [python, HERE / script], env=environment, stdout=subprocess.PIPE, stderr=errors,
            text=True,
        )  # fmt: skip
    try:
        yield Hook(process)
    except queue.Empty:
        pytest.fail(log.read_text())
    finally:
        process.kill()
        with process:
            process.wait()


@pytest.mark.slow
def test_a_flask_endpoint_verifies_joins_hears_and_leaves(
    lookalike: Lookalike, name: str, tmp_path: Path
) -> None:
    python = python_with("flask", "aws-sns-message-validator")
    sns = lookalike.server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    with running(python, "flask_hook.py", lookalike.environment, tmp_path / "log") as hook:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url("/hook"))
        joined = hook.next()
        assert (joined["kind"], joined["host"]) == (
            "SubscriptionConfirmation", "sns.eu-west-1.amazonaws.com",
        )  # fmt: skip
        eventually(lambda: _confirmed(sns, topic))
        sns.publish(TopicArn=topic, Message="Grüße", Subject="Greeting")
        heard = hook.next()
        assert (heard["kind"], heard["text"], heard["subject"]) == (
            "Notification", "Grüße", "Greeting",
        )  # fmt: skip
        asked = urllib.request.Request(
            hook.url("/leave"), heard["leave"].encode(), {"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(asked) as answer:
            assert answer.read() == b"200"
        left = hook.next()
        assert left["kind"] == "UnsubscribeConfirmation"
        assert left["text"].startswith("You have chosen to deactivate subscription arn:aws:sns:")
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


@pytest.mark.slow
def test_django_ses_hears_of_a_bounce_and_joins_by_aws_name_alone(
    lookalike: Lookalike, name: str, tmp_path: Path
) -> None:
    python = python_with("django-ses[events]")
    sns = lookalike.server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    bounce = {
        "eventType": "Bounce",
        "mail": {"messageId": "m-1", "timestamp": "2026-01-01T00:00:00.000Z"},
        "bounce": {"bounceType": "Permanent",
                   "bouncedRecipients": [{"emailAddress": "gone@example.com"}]},
    }  # fmt: skip
    with running(python, "django_hook.py", lookalike.environment, tmp_path / "log") as hook:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url("/hook/"))
        eventually(lambda: _confirmed(sns, topic))
        sns.publish(TopicArn=topic, Message=json.dumps(bounce))
        assert hook.next() == {"bounced": ["gone@example.com"], "of": "m-1"}


def _confirmed(sns: Any, topic: str) -> bool:
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    return bool(attributes["SubscriptionsConfirmed"] == "1")
