"""Mailboxes: confirmation, layout, retries, dead letters, and how safely mails are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi import mail
from ogi.errors import AwsError
from ogi.service import ANONYMOUS
from ogi.settings import Settings
from tests.certificates import Authority
from tests.services.sns.conftest import Client
from tests.smtp import Mailbox, serving, text_of
from tests.world import ACCOUNT, REGION, World

pytestmark = [
    pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]
"""What aiosmtpd says of itself, and of a server that speaks TLS from the first byte."""
ADDRESS = "jane.doe+news@example.com"
Sending = Callable[..., Client]


@pytest.fixture
def sending(world_of: Callable[..., World]) -> Sending:
    """A client of SNS whose mails go to a mailbox."""

    def make(mailbox: Mailbox, **settings: Any) -> Client:
        given = {
            "smtp_host": "localhost", "smtp_port": mailbox.port, "smtp_security": "none",
            "smtp_from": "no-reply@ogi.test", "smtp_s_max": 0.5,
            "endpoint": "http://ogi.test:4566", **settings,
        }  # fmt: skip
        return Client(world_of("sns", "sqs", "kms", settings=given))

    return make


async def _subscribed(
    sns: Client, mailbox: Mailbox, protocol: str = "email", **attributes: Any
) -> tuple[str, str]:
    """(topic, subscription), confirmed by the link in the mail that came."""
    topic = await sns.topic()
    texts = {k: json.dumps(v) for k, v in attributes.items()}
    made = await sns.subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=ADDRESS, Attributes=texts
    )
    assert made["SubscriptionArn"] == "pending confirmation"
    await sns.world.deliver()
    text = text_of(mailbox.mails.pop())
    link = json.loads(text)["SubscribeURL"] if protocol == "email-json" else _link(text)
    return topic, (await _visit(sns, link))["SubscriptionArn"]


def _link(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("http"))


_ACTIONS = {"confirmation.html": "ConfirmSubscription", "unsubscribe.html": "Unsubscribe"}
"""What the pages' script asks for (tests/scenarios/test_mails.py has it do so)."""


async def _visit(sns: Client, link: str) -> Any:
    """Follow a link of a mail, as nobody in particular."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    page = urlsplit(link).path.rpartition("/")[2]
    operation = query.pop("Action", None) or _ACTIONS[page]
    query.pop("Endpoint", None)
    return await sns.world.call_as(sns.world.caller(ANONYMOUS), "sns", operation, **query)


async def test_a_mailbox_is_served_after_its_confirmation_until_it_unsubscribes(
    sending: Sending,
) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic = await sns.topic(DisplayName="Weather office")
        await sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=ADDRESS)
        await sns.publish(TopicArn=topic, Message="too early")
        await sns.world.deliver()
        (asked,) = mailbox.mails
        assert asked["Subject"] == "AWS Notification - Subscription Confirmation"
        text = text_of(asked)
        assert text.startswith(f"You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm")
        page = asked.get_body(("html",))
        assert page is not None and "Confirm subscription</a>" in page.get_content()
        link = _link(text)
        assert link.startswith(f"http://ogi.test:4566/_ogi/confirmation.html?TopicArn={topic}&")
        assert asked["From"] == "AWS Notifications <no-reply@ogi.test>"
        assert link.endswith("&Endpoint=jane.doe%2Bnews%40example.com")
        await _visit(sns, link)
        await sns.publish(TopicArn=topic, Message="Sun, später Regen ☂", Subject="Tomorrow")
        await sns.publish(TopicArn=topic, Message="no subject")
        await sns.world.deliver()
        mails = {str(one["Subject"]): one for one in mailbox.mails[1:]}
        assert set(mails) == {"Tomorrow", "AWS Notification Message"}
        got = mails["Tomorrow"]
        assert (got["From"], got["To"]) == ("Weather office <no-reply@ogi.test>", ADDRESS)
        text = text_of(got)
        assert text.startswith(
            "Sun, später Regen ☂\n\n--\nIf you wish to stop receiving notifications from this"
            " topic, please click or visit the link below to unsubscribe:\n"
            f"http://ogi.test:4566/_ogi/unsubscribe.html?SubscriptionArn={topic}:"
        )
        await _visit(sns, _link(text))
        assert (await sns.list_subscriptions())["Subscriptions"] == []
        await sns.world.deliver()
        gone = mailbox.mails[-1]
        assert gone["Subject"] == "AWS Notification - Unsubscribe Confirmation"
        assert gone["From"] == asked["From"]
        await _visit(sns, _link(text_of(gone)))
        (back,) = (await sns.list_subscriptions())["Subscriptions"]
        assert back["Endpoint"] == ADDRESS and back["SubscriptionArn"].startswith(topic)


async def test_links_lead_where_people_reach_ogi(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox, links="https://news.example.com/sns/")
        topic, _ = await _subscribed(sns, mailbox)
        await sns.publish(TopicArn=topic, Message="hello")
        await sns.world.deliver()
        link = _link(mailbox.texts()[0])
        assert link.startswith("https://news.example.com/sns/_ogi/unsubscribe.html?")


async def test_a_json_mailbox_gets_the_envelope(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic, arn = await _subscribed(sns, mailbox, "email-json")
        texts = {"default": "long", "email-json": "ü" * 3_000}
        await sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
        await sns.world.deliver()
        envelope = json.loads(mailbox.texts()[0])
        assert envelope["Type"] == "Notification" and envelope["Message"] == "ü" * 3_000
        assert arn in envelope["UnsubscribeURL"] and envelope["Signature"]


async def test_headers_hold_whatever_a_publisher_writes(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic, _ = await _subscribed(sns, mailbox)
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="DisplayName", AttributeValue='a"b\r\nBcc: x@y.z <'
        )
        await sns.publish(TopicArn=topic, Message="hi", Subject='"one two\u200bthree" <')
        await sns.world.deliver()
        (got,) = mailbox.mails
        assert got["Subject"] == '"one two three" <' and got["Bcc"] is None
        assert got["From"].addresses[0].addr_spec == "no-reply@ogi.test"


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    subject=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
    sender=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
)
def test_any_text_arrives_as_it_was_written(text: str, subject: str, sender: str) -> None:
    settings = Settings(smtp_host="mail.test", smtp_from="no-reply@ogi.test")
    raw = mail.message(settings, mail.Mail("jane@example.com", sender, subject, text, "1", 0.0))
    assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= 998
    got = message_from_bytes(raw, policy=policy.default)
    assert isinstance(got, EmailMessage)
    assert set(got.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert text_of(got).rstrip("\n") == lines.rstrip("\n")
    assert " ".join(str(got["Subject"]).split()) == " ".join(mail.line(subject).split())
    (address,) = got["From"].addresses
    assert address.addr_spec == "no-reply@ogi.test"
    # The parser puts a space between the encoded words of a long name, which others do not.
    assert "".join(address.display_name.split()) == "".join(mail.line(sender).split())


@pytest.mark.parametrize(
    "address",
    ["", "jane", "jane@", "@example.com", "a@b.c;d@e.f", "Jane <jane@example.com>", "a b@c.d",
     "jane@exa mple.com", "jane@example.com\r\nRCPT TO:<x@y.z>", "j" * 250 + "@example.com",
     "jané@example.com", "jane@-example.com"],
)  # fmt: skip
async def test_addresses_that_are_refused(world_of: Callable[..., World], address: str) -> None:
    sns = Client(world_of("sns", "sqs", "kms"))
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    assert refused.value.shape == "InvalidParameterException"


@pytest.mark.parametrize(
    "answer",
    ["RCPT 450 4.2.0 Greylisted, see you later", "451 4.3.0 Not now", "421 Too busy", "drop",
     "hang"],
)  # fmt: skip
async def test_a_mail_that_is_put_off_comes_later(sending: Sending, answer: str) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic, _ = await _subscribed(sns, mailbox)
        mailbox.answers = [answer, answer, "250 OK"]
        mailbox.attempts = 0
        await sns.publish(TopicArn=topic, Message="hello")
        for attempts in (1, 2, 3, 3):
            await sns.world.deliver()
            assert mailbox.attempts == attempts
            sns.world.clock.advance(9)
            await sns.world.deliver()
            assert mailbox.attempts == attempts
            sns.world.clock.advance(1)
        (got,) = mailbox.mails
        assert text_of(got).startswith("hello")


async def test_a_server_that_stays_away_costs_50_attempts_in_6_hours_and_then_the_dead_letter_queue(
    sending: Sending,
) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        dead = await sns.queue("dead")
        topic, _ = await _subscribed(sns, mailbox, RedrivePolicy={"deadLetterTargetArn": dead})
        mailbox.answers = ["451 4.3.0 Never"]
        mailbox.attempts = 0
        began = sns.world.clock.now()
        await sns.publish(TopicArn=topic, Message="hello")
        while not (found := await sns.messages("dead")):
            sns.world.clock.advance(60)
            assert sns.world.clock.now() - began < 9 * 3600
        assert mailbox.attempts == 51 and sns.world.clock.now() - began > 6 * 3600
        assert json.loads(found[0]["Body"])["Message"] == "hello"
        told = found[0]["MessageAttributes"]
        assert "451 4.3.0 Never" in told["ErrorMessage"]["StringValue"]


@pytest.mark.parametrize("answer", ["RCPT 550 5.1.1 No such user", "554 5.7.1 Spam"])
async def test_what_is_refused_for_good_is_buried_at_once(sending: Sending, answer: str) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        dead = await sns.queue("dead")
        topic, _ = await _subscribed(sns, mailbox, RedrivePolicy={"deadLetterTargetArn": dead})
        mailbox.answers = [answer]
        mailbox.attempts = 0
        await sns.publish(TopicArn=topic, Message="hello")
        (message,) = await sns.messages("dead")
        assert mailbox.attempts == 1
        told = message["MessageAttributes"]
        assert told["ErrorCode"]["StringValue"] == "MailRefusal"


async def test_a_server_that_hangs_holds_nobody_else_up(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox, smtp_s_max=60.0)
        topic, _ = await _subscribed(sns, mailbox)
        await sns.subscribed(topic)
        mailbox.answers = ["hang"]
        mailbox.attempts = 0
        for n in range(100):
            await sns.publish(TopicArn=topic, Message=str(n))
        assert len(await _while_hanging(sns, mailbox)) == 10
        assert mailbox.attempts == 8
        mailbox.answers = ["250 OK"]
        mailbox.released.set()
        for _ in range(4):
            await sns.world.deliver()
            sns.world.clock.advance(11)
        assert {text.partition("\n")[0] for text in mailbox.texts()} == {str(n) for n in range(100)}


async def _while_hanging(sns: Client, mailbox: Mailbox) -> list[Any]:
    """What a queue got while mails hang: the courier is not waited for."""
    while mailbox.attempts < 8:
        await sns.world.courier.work()
        await asyncio.sleep(0)
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/inbox"
    found = await sns.world.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    messages: list[Any] = found["Messages"]
    return messages


async def test_what_waits_for_a_mailbox_is_ciphertext(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic, _ = await _subscribed(sns, mailbox)
        mailbox.answers = ["451 No", "250 OK"]
        await sns.publish(TopicArn=topic, Message="classified")
        await sns.world.deliver()
        rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
        assert not any(b"classified" in value for _, value in rows)


async def test_a_mail_that_waits_needs_the_topics_key_still(sending: Sending) -> None:
    async with serving() as mailbox:
        sns = sending(mailbox)
        topic, _ = await _subscribed(sns, mailbox)
        key = (await sns.world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"]
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key
        )
        mailbox.answers = ["250 OK", "451 Later", "250 OK"]
        await sns.publish(TopicArn=topic, Message="in time")
        await sns.world.deliver()
        await sns.publish(TopicArn=topic, Message="too late")
        await sns.world.deliver()
        await sns.world.call("kms", "DisableKey", KeyId=key)
        sns.world.clock.advance(10)
        await sns.world.deliver()
        assert [text.partition("\n")[0] for text in mailbox.texts()] == ["in time"]
        assert sns.hops("sns.unreadable")


# -- how safely -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mails_go_over_tls_with_a_login(
    sending: Sending, authority: Authority, tmp_path: Path, security: str
) -> None:
    password = tmp_path / "password"
    password.write_text("letmein\n")
    async with serving(authority.context("localhost"), security == "starttls", True) as mailbox:
        sns = sending(
            mailbox, smtp_security=security, smtp_ca=authority.certificate, smtp_user="ogi",
            smtp_password_file=password,
        )  # fmt: skip
        topic, _ = await _subscribed(sns, mailbox)
        await sns.publish(TopicArn=topic, Message="hello")
        await sns.world.deliver()
        assert len(mailbox.mails) == 1 and mailbox.secure == [True, True]
        assert set(mailbox.logins) == {("ogi", "letmein")}
        # The password is read anew: a wrong one puts the mail off, and the right one brings it.
        password.write_text("wrong")
        await sns.publish(TopicArn=topic, Message="again")
        await sns.world.deliver()
        assert len(mailbox.mails) == 1
        password.write_text("letmein")
        sns.world.clock.advance(10)
        await sns.world.deliver()
        assert len(mailbox.mails) == 2


@pytest.mark.parametrize(
    ("name", "security", "trusted"),
    [("other.test", "starttls", True), ("localhost", "starttls", False),
     ("localhost", "tls", False), ("", "starttls", True)],
)  # fmt: skip
async def test_no_mail_goes_to_a_server_that_is_not_who_it_should_be(
    sending: Sending, authority: Authority, name: str, security: str, trusted: bool
) -> None:
    tls = authority.context(name) if name else None
    async with serving(tls, security == "starttls") as mailbox:
        ca = authority.certificate if trusted else None
        sns = sending(mailbox, smtp_security=security, smtp_ca=ca)
        topic = await sns.topic()
        await sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=ADDRESS)
        await sns.world.deliver()
        assert mailbox.attempts == 0
        (refusal,) = [h for h in sns.hops("refused") if h["operation"] == "send_mail"]
        assert refusal["code"] == "MailFailure"


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"smtp_from": "nobody"}, {"smtp_from": "a@b.c", "links": "ogi.example.com"},
        {"smtp_from": "a@b.c", "smtp_user": "x"},
        {"smtp_from": "a@b.c", "smtp_password": "x"},
        {"smtp_from": "a@b.c", "smtp_security": "maybe"},
        {"smtp_from": "a@b.c", "smtp_security": "none", "smtp_user": "x", "smtp_password": "y"},
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(mail.BadMailSettings):
        mail.check(Settings(**{"smtp_host": "mail.example.com", **settings}))  # type: ignore[arg-type]
    assert "secret" not in repr(Settings(smtp_password="secret"))


# -- without a server -----------------------------------------------------------------------------


async def test_without_a_server_mails_are_kept_with_their_links(
    world_of: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    sns = Client(world_of("sns", "sqs", "kms", settings={"endpoint": "http://ogi.test"}))
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=ADDRESS)
    await sns.world.deliver()
    assert "no SMTP server is set" in caplog.text
    (asked,) = await sns.outbox()
    await _visit(sns, _link(asked.text))
    await sns.publish(TopicArn=topic, Message="classified", Subject="psst")
    await sns.world.deliver()
    asked, got = await sns.outbox()
    assert (got.kind, got.to, got.subject) == ("email", ADDRESS, "psst")
    assert got.text.startswith("classified\n\n--\n") and got.topic_arn == topic
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"classified" in value for _, value in rows)
