"""A real SMTP server for tests, with STARTTLS, TLS and login as asked, which does with each mail
what a test says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Mailbox:
    """`answers` says what the server says to each mail, the last one for ever.

    `250 ...`: taken; another reply of SMTP: to the text, or with `RCPT ` before it, to the
    recipient; `drop`: the connection ends in the midst of the mail; `hang`: nothing is said.
    """

    def __init__(self) -> None:
        self.port = 0
        self.answers = ["250 OK"]
        self.attempts = 0
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[str, str]] = []
        self.secure: list[bool] = []
        self.released = asyncio.Event()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.attempts += 1
        if self.answers[0].startswith("RCPT "):
            return self._next().removeprefix("RCPT ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._next()
        if answer == "drop":
            assert server.transport is not None
            server.transport.abort()
            return "421 gone"
        if answer == "hang":
            await self.released.wait()
            return "421 gone"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            assert server.transport is not None
            self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        return answer

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> Any:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"letmein")

    def _next(self) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def texts(self) -> list[str]:
        return [text_of(mail) for mail in self.mails]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


@asynccontextmanager
async def serving(
    tls: ssl.SSLContext | None = None, starttls: bool = True, login: bool = False
) -> AsyncIterator[Mailbox]:
    """tls: the server's certificate; without starttls it speaks TLS from the first byte."""
    made = Mailbox()

    def protocol() -> SMTP:
        return SMTP(
            made, hostname="mail.test", loop=asyncio.get_running_loop(),
            tls_context=tls if starttls else None, auth_required=login,
            auth_require_tls=False, authenticator=made.login,
        )  # fmt: skip

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=None if starttls else tls
    )
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made
        made.released.set()
        await asyncio.sleep(0)
