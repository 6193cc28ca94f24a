"""Mails, sent by an SMTP server that the operator names, and never less safely than he asked.

aiosmtplib speaks the protocol; it is imported at the first mail.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from ogi.settings import Settings

SECURITIES = ("starttls", "tls", "none")
PASSWORD_BYTES_MAX = 4096
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_BASE = re.compile(r"https?://[^\s?#]+")
TLS_S = 3600
"""How long the authorities' certificates are kept in memory."""


class Unsent(Exception):
    """The mail could not be handed over now, which may pass."""


class Refused(Exception):
    """The server refuses this mail, or its recipient, for good."""


class BadMailSettings(ValueError):
    """The settings do not fit together; the message says what to do."""


@dataclass(frozen=True)
class Mail:
    """One mail to one recipient. Headers may have any characters, and addresses are checked."""

    to: str
    sender: str
    """The name that is shown beside the address it comes from."""
    subject: str
    text: str
    id: str
    """The same again when the mail is sent again, so that a mailbox may tell."""
    sent: float
    """Seconds since the epoch."""
    page: str = ""
    """HTML, the alternative to the text."""


def check(settings: Settings) -> None:
    """Raise BadMailSettings if mails could not be sent, or a password would go in the clear."""
    if settings.links and not _BASE.fullmatch(settings.links):
        raise BadMailSettings("--links is the beginning of a URL, https://ogi.example.com.")
    if not settings.smtp_host:
        return
    if settings.smtp_security not in SECURITIES:
        raise BadMailSettings("--smtp-security is " + ", ".join(SECURITIES) + ".")
    if not _ADDRESS.fullmatch(settings.smtp_from):
        raise BadMailSettings("--smtp-host needs --smtp-from, the address that mails come from.")
    given = settings.smtp_password or settings.smtp_password_file
    if bool(settings.smtp_user) != bool(given):
        raise BadMailSettings(
            "A login at the SMTP server needs --smtp-user, and OGI_SMTP_PASSWORD in the environment"
            " or --smtp-password-file."
        )
    if settings.smtp_user and settings.smtp_security == "none" and not _is_here(settings.smtp_host):
        raise BadMailSettings(
            f"The password would go to {settings.smtp_host} in the clear: use --smtp-security"
            " starttls or tls."
        )


async def send(settings: Settings, mail: Mail) -> None:
    """Hand a mail over to the SMTP server. Raises Unsent, Refused."""
    import aiosmtplib

    try:
        async with asyncio.timeout(settings.smtp_s_max):
            await aiosmtplib.send(
                message(settings, mail),
                sender=settings.smtp_from,
                recipients=[mail.to],
                hostname=settings.smtp_host,
                local_hostname=_domain(settings),
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=_password(settings),
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                tls_context=_tls(settings, int(mail.sent) // TLS_S),
                timeout=settings.smtp_s_max,
            )
    except aiosmtplib.SMTPRecipientsRefused as error:
        first = error.recipients[0]
        raise (Refused if first.code >= 500 else Unsent)(_said(first.code, first.message)) from None
    except aiosmtplib.SMTPDataError as error:
        raise (Refused if error.code >= 500 else Unsent)(_said(error.code, error.message)) from None
    except aiosmtplib.SMTPResponseException as error:
        # Of the greeting, the login and the sender: what the operator can mend.
        raise Unsent(_said(error.code, error.message)) from None
    except TimeoutError:
        raise Unsent("The mail server did not answer in time") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Unsent(f"The mail server failed: {error or type(error).__name__}") from error


def _said(code: int, message: str) -> str:
    return f"The mail server answered {code} {message}"


def message(settings: Settings, mail: Mail) -> bytes:
    """The mail as it is handed to the server: ASCII, in lines that any server passes on.

    The library lays out the body. Of the headers it loses spaces beside what is not ASCII, so they
    are encoded whole (RFC 2047).
    """
    from email import policy
    from email.message import EmailMessage
    from email.utils import format_datetime, quote

    name = line(mail.sender)
    shown = f'"{quote(name)}"' if name.isascii() else _encoded("From", name)
    headers = {
        "From": f"{shown} <{settings.smtp_from}>",
        "To": mail.to,
        "Subject": _encoded("Subject", line(mail.subject)),
        "Date": format_datetime(datetime.fromtimestamp(mail.sent, UTC)),
        "Message-ID": f"<{mail.id}@{_domain(settings)}>",
        "Auto-Submitted": "auto-generated",
    }
    body = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
    body.set_content(mail.text)
    if mail.page:
        body.add_alternative(mail.page, subtype="html")
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return head.encode("ascii") + body.as_bytes()


def _encoded(name: str, text: str) -> str:
    """A header's text: as it is if it is ASCII, else in encoded words."""
    from email.header import Header

    return Header(text, header_name=name).encode(linesep="\r\n")


def _domain(settings: Settings) -> str:
    """As what we greet the server: to look our own name up may take long, and tell an inner one."""
    return settings.smtp_from.rpartition("@")[2]


def line(text: str) -> str:
    """A header's text: what would end its line, or hide in it, becomes a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def _password(settings: Settings) -> str | None:
    if settings.smtp_password_file is None:
        return settings.smtp_password or None
    with Path(settings.smtp_password_file).open("rb") as file:
        return file.read(PASSWORD_BYTES_MAX).decode().strip()


@lru_cache(maxsize=2)
def _tls(settings: Settings, age: int) -> ssl.SSLContext | None:
    """Made anew from time to time, since authorities are renewed; that takes some 10 ms."""
    if settings.smtp_security == "none":
        return None
    return ssl.create_default_context(cafile=settings.smtp_ca)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
