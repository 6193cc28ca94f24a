"""Mailboxes, phones and devices as users and operators meet them: a real SMTP server, or none."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import Server, eventually, start
from tests.smtp import Mailbox, serving

pytestmark = pytest.mark.slow


@contextmanager
def _mailbox() -> Iterator[Mailbox]:
    """An SMTP server in a thread of its own."""
    found: list[Any] = []
    ready = threading.Event()

    async def serve() -> None:
        end = asyncio.Event()
        async with serving() as mailbox:
            found.extend((mailbox, end, asyncio.get_running_loop()))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    mailbox, end, loop = found
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def _follow(text: str) -> dict[str, str]:
    """What the page behind the link of a mail shows, by the ids of its elements, once its script
    has run. A link that is fetched only does nothing, so a browser's part is Node's."""
    if shutil.which("node") is None:
        pytest.skip("node is not on this machine")
    link = next(line for line in text.splitlines() if line.startswith("http"))
    with urllib.request.urlopen(link) as answer:
        page = answer.read().decode()
        allowed = answer.headers["content-security-policy"]
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in allowed
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", _BROWSER + script + _SHOWN, link],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    shown: dict[str, str] = json.loads(ran.stdout)
    return shown


_BROWSER = """
const location = new URL(process.argv[1]), elements = {};
const document = { getElementById: (id) => (elements[id] ??= {}) };
const request = fetch.bind(globalThis);
globalThis.fetch = (url) => request(new URL(url, location));
"""
_SHOWN = """
await done;
const texts = Object.entries(elements).map(([id, element]) => [id, element.textContent]);
console.log(JSON.stringify(Object.fromEntries(texts)));
"""


def test_a_mailbox_confirms_gets_its_mail_also_after_a_crash_and_unsubscribes(
    tmp_path: Path,
) -> None:
    with _mailbox() as mailbox:
        options = [
            "--data", str(tmp_path / "data"), "--credentials", "test:test",
            "--smtp-host", "127.0.0.1", "--smtp-port", str(mailbox.port),
            "--smtp-security", "none", "--smtp-from", "no-reply@ogi.test",
        ]  # fmt: skip
        server = start(tmp_path, *options)
        sns = server.client("sns")
        topic = sns.create_topic(Name="news")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="jane@example.com")
        (asked,) = eventually(mailbox.texts)
        shown = _follow(asked)
        assert shown["title"] == "Subscription confirmed!"
        assert shown["what"] == "You have subscribed jane@example.com to the topic:news."
        assert shown["more"].startswith(f"Your subscription's id is: {topic}:")
        sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
        eventually(lambda: len(mailbox.mails) == 2)
        assert mailbox.mails[1]["Subject"] == "greeting"
        # A crash while the mail server does not answer: the mail is made again after the start.
        mailbox.answers = ["hang"]
        attempts = mailbox.attempts
        sns.publish(TopicArn=topic, Message="still here")
        eventually(lambda: mailbox.attempts > attempts)
        os.kill(server.process.pid, signal.SIGKILL)
        server.stop()
        mailbox.answers = ["250 OK"]
        server = start(tmp_path, *options, "--port", server.endpoint.rpartition(":")[2])
        eventually(lambda: len(mailbox.mails) == 3)
        last = mailbox.texts()[2]
        assert last.startswith("still here\n\n--\n")
        link = next(line for line in last.splitlines() if line.startswith("http"))
        with urllib.request.urlopen(link) as answer:  # As a scanner does.
            assert answer.status == 200
        assert len(server.client("sns").list_subscriptions()["Subscriptions"]) == 1
        removed = _follow(last)
        assert removed["title"] == "Subscription removed!"
        # Unsubscribe says nothing of a subscription that is no more.
        assert _follow(last) == removed
        assert server.client("sns").list_subscriptions()["Subscriptions"] == []
        assert server.stop() == 0, server.log.read_text()


def _outbox(server: Server, recipient: str, *options: str) -> list[dict[str, Any]]:
    """What `ogi outbox` prints for a recipient."""
    told = subprocess.run(
        [sys.executable, "-m", "ogi", "outbox", "--json", *options],
        env=server.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in told.stdout.splitlines()]
    return [message for message in found if message["to"] == recipient]


def test_without_a_mail_server_the_outbox_has_mails_and_links(server: Server, name: str) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    address = f"{name}@example.com"
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    (asked,) = eventually(lambda: _outbox(server, address))
    _follow(asked["text"])
    sns.publish(TopicArn=topic, Message="hello")
    _, got = eventually(lambda: (m := _outbox(server, address))[1:] and m)
    assert got["text"].startswith("hello") and got["subject"] == "AWS Notification Message"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.endpoint}/_ogi/outbox")
    with refused.value as answer:
        assert answer.code == 403 and b"sign the request" in answer.read()


def test_phones_and_devices_have_their_messages_in_the_outbox(server: Server, name: str) -> None:
    sns = server.client("sns")
    number = f"+1{int(name[-6:], 16):010}"
    sent = sns.publish(PhoneNumber=number, Message="your code is 42")
    (got,) = _outbox(server, number)
    assert (got["message_id"], got["text"]) == (sent["MessageId"], "your code is 42")
    subprocess.run(
        [sys.executable, "-m", "ogi", "outbox", "reply", number, "STOP"],
        env=server.environment, check=True, capture_output=True,
    )  # fmt: skip
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=number)["isOptedOut"]
    sns.opt_in_phone_number(phoneNumber=number)
    sns.create_sms_sandbox_phone_number(PhoneNumber=number)
    password = _outbox(server, number)[-1]["text"].rpartition(" ")[2]
    with pytest.raises(sns.exceptions.VerificationException):
        sns.verify_sms_sandbox_phone_number(PhoneNumber=number, OneTimePassword="12345678")
    sns.verify_sms_sandbox_phone_number(PhoneNumber=number, OneTimePassword=password)
    application = sns.create_platform_application(
        Name=name, Platform="GCM", Attributes={"PlatformCredential": "key"}
    )["PlatformApplicationArn"]
    device = sns.create_platform_endpoint(PlatformApplicationArn=application, Token=name)
    sns.publish(TargetArn=device["EndpointArn"], Message="ping")
    assert [m["text"] for m in _outbox(server, device["EndpointArn"])] == ["ping"]
    sns.set_endpoint_attributes(EndpointArn=device["EndpointArn"], Attributes={"Enabled": "false"})
    with pytest.raises(sns.exceptions.EndpointDisabledException):
        sns.publish(TargetArn=device["EndpointArn"], Message="ping")


def test_who_may_publish_to_a_topic_only_sends_no_sms(server: Server, name: str) -> None:
    iam = server.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "sns:*", "Resource": "arn:aws:sns:*:*:*"}
    iam.put_user_policy(
        UserName=name, PolicyName="topics",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )  # fmt: skip
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sns = server.client(
        "sns", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    sns.create_topic(Name=name)
    with pytest.raises(ClientError) as refused:
        sns.publish(PhoneNumber="+15555550199", Message="hello")
    assert refused.value.response["Error"]["Code"] == "AuthorizationError"
    told = subprocess.run(
        [sys.executable, "-m", "ogi", "outbox"], capture_output=True, text=True,
        env={**server.environment, "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
             "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]},
    )  # fmt: skip
    assert told.returncode == 1 and "not authorized" in told.stderr
