"""Mails: what a mailbox gets of a topic, laid out as SNS lays it out, and sent by SMTP.

Without an SMTP server they are kept in the outbox, links and all.
Subjects, texts and where they stand: docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html
and the mails that SNS sends.
"""

from __future__ import annotations

import logging
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from ogi import mail
from ogi.errors import AwsError
from ogi.mail import Mail
from ogi.service import Call, Fields
from ogi.services.sns import contents, envelopes, gates, link_pages, outbox, postings, topics
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.outbox import Letter
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction

SENDER = "AWS Notifications"
"""Who it is from, where the topic has no display name. "Subscription confirmation and unsubscribe
confirmation emails always use" it "as the sender name" (the page of CreateTopic)."""
SUBJECT = "AWS Notification Message"
REPLY = "Please do not reply directly to this email."
LINE_MAX = 56
"""Mails that wait in memory while others are being sent; all go by one server."""


class _Saying(NamedTuple):
    subject: str
    what: str
    how: str
    link: str


_SAID = {
    envelopes.JOINING: _Saying(
        "AWS Notification - Subscription Confirmation",
        "You have chosen to subscribe to the topic:",
        "To confirm this subscription, click or visit the link below (If this was in error no"
        " action is necessary):",
        "Confirm subscription",
    ),
    envelopes.LEAVING: _Saying(
        "AWS Notification - Unsubscribe Confirmation",
        "Your subscription to the topic below has been deactivated:",
        "If this was in error or you wish to resubscribe, click or visit the link below to"
        " resubscribe:",
        "Resubscribe",
    ),
}

log = logging.getLogger("ogi.mail")


class MailFailure(AwsError):
    """The SMTP server could not be reached, or asked to be tried again."""

    status = 500


class MailRefusal(AwsError):
    """The SMTP server refused the mail or its recipient for good."""

    status = 400


@SERVICE.duty(home=topics.home_of_messages)
async def send_mail(call: Call, request: Fields) -> Fields:
    """One attempt; raises what came of it."""

    def prepare(tx: Reader) -> tuple[Topic, Subscription, Mail] | None:
        known = postings.found(tx, request)
        if known is None:
            return None
        topic, subscription = known
        if "Sealed" not in request:
            return topic, subscription, _confirmation(tx, call, topic, subscription, request)
        content = contents.open_(tx, call, topic, request["Sealed"])
        return topic, subscription, _notification(tx, call, topic, subscription, content)

    gate = gates.of(call.ports.store)
    async with gate.enter("smtp", call.now, None, line_max=LINE_MAX, steady=True):
        ready = await call.ports.store.read(prepare)
        if ready is None:
            return {}  # Unsubscribed meanwhile.
        topic, subscription, made = ready
        if call.ports.settings.smtp_host:
            await _send(call, request, made)
            call.note("sns.mailed", subscription=subscription.arn, endpoint=subscription.endpoint)
        else:
            await _keep(call, request, topic, made)
    return {}


async def _send(call: Call, request: Fields, made: Mail) -> None:
    try:
        await mail.send(call.ports.settings, made)
    except mail.Refused as error:
        raise MailRefusal(str(error)) from error
    except mail.Unsent as error:
        if not request.get("Attempt"):
            # Once per mail: whoever runs the server can mend it while the mail is tried again.
            log.warning("mail not sent, tried again later", extra={"reason": str(error)})
        raise MailFailure(str(error)) from error


async def _keep(call: Call, request: Fields, topic: Topic, made: Mail) -> None:
    letter = Letter(
        kind="email", to=made.to, sender=made.sender, subject=made.subject, text=made.text,
        message_id=made.id, topic_arn=topic.arn,
    )  # fmt: skip

    def body(tx: Transaction, running: Call) -> None:
        outbox.keep(tx, running.in_place(topic.account, topic.region), letter)

    await call.transact(body, outbox.home_of(topic.account, topic.region))
    if "Sealed" not in request:
        # Once per subscription: somebody waits for a link.
        log.warning("no SMTP server is set: mails are kept in the outbox",
                    extra={"topic": topic.arn})  # fmt: skip


# -- what they say --------------------------------------------------------------------------------


def _notification(
    tx: Reader, call: Call, topic: Topic, subscription: Subscription, content: Content
) -> Mail:
    if subscription.protocol == "email-json":
        text = Envelopes(tx, call, topic, content).for_queue(subscription)
    else:
        link = _link(
            call,
            subscription,
            f"{link_pages.LEAVE}?SubscriptionArn={quote(subscription.arn, safe=':')}",
        )
        text = (
            f"{content.text_for(subscription.protocol)}\n\n--\n"
            "If you wish to stop receiving notifications from this topic, please click or visit the"
            f" link below to unsubscribe:\n{link}\n\n"
            f"{REPLY}\n"
        )
    subject = content.subject or SUBJECT
    sender = topic.display_name or SENDER
    return _mail(sender, subscription, subject, text, content.id, content.published)


def _confirmation(
    tx: Reader, call: Call, topic: Topic, subscription: Subscription, request: Fields
) -> Mail:
    """Asks a mailbox to confirm, or tells it that it was taken off and how to come back."""
    id, asked = request["MessageId"], request["Asked"]
    kind = envelopes.LEAVING if "Departed" in request else envelopes.JOINING
    said = _SAID[kind]
    page = ""
    if subscription.protocol == "email-json":
        text = envelopes.confirmation(tx, call, topic, subscription, id, asked, kind)
    else:
        link = _link(
            call, subscription,
            f"{link_pages.CONFIRM}?TopicArn={quote(topic.arn, safe=':')}"
            f"&Token={subscription.token}",
        )  # fmt: skip
        text = f"{said.what}\n{topic.arn}\n\n{said.how}\n{link}\n\n{REPLY}\n"
        page = (
            f"<p>{said.what}<br><b>{escape(topic.arn)}</b></p>\n<p>{said.how}<br>\n"
            f'<a href="{escape(link)}">{said.link}</a></p>\n<p>{REPLY}</p>\n'
        )
    return _mail(SENDER, subscription, said.subject, text, id, asked, page)


def _mail(
    sender: str,
    subscription: Subscription,
    subject: str,
    text: str,
    id: str,
    at: float,
    page: str = "",
) -> Mail:
    return Mail(
        to=subscription.endpoint, sender=sender, subject=subject, text=text,
        id=f"{id}.{subscription.id}", sent=at, page=page,
    )  # fmt: skip


def _link(call: Call, subscription: Subscription, page: str) -> str:
    """Unsigned: whoever has it may follow it. It ends with the address, as SNS's links do."""
    settings = call.ports.settings
    base = (settings.links or settings.endpoint).rstrip("/")
    return f"{base}{page}&Endpoint={quote(subscription.endpoint)}"
