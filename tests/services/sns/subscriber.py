"""A real HTTP server that subscribes, and does with each request what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from ogi.service import ANONYMOUS
from tests.services.sns.conftest import Client

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Subscriber:
    """`answers` says what it does with each request, the last one for ever."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.requests: list[tuple[dict[str, str], str]] = []
        self.connections = 0
        self.answers: list[str | Fault] = ["200 OK"]
        self.released = asyncio.Event()
        self.busy: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.busy.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            self.busy.remove(asyncio.current_task())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # Somebody who asked whether anybody is here.
        lines = head.split("\r\n")[1:-2]
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        body = (await reader.readexactly(int(headers["content-length"]))).decode()
        self.requests.append((headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            with contextlib.suppress(ConnectionError):
                await answer(writer)
        elif answer == "hang":
            await self.released.wait()
        elif answer != "reset":
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

    def bodies(self, kind: str = "Notification") -> list[str]:
        return [b for h, b in self.requests if h["x-amz-sns-message-type"] == kind]

    async def subscribe(self, sns: Client, topic: str, **attributes: str) -> str:
        """The ARN of a subscription that it confirmed by the link in the message that it got."""
        await sns.subscribe(
            TopicArn=topic,
            Protocol=self.url.partition(":")[0],
            Endpoint=self.url,
            Attributes=attributes,
        )
        await sns.world.deliver()
        return await self.visit(sns, "SubscriptionConfirmation")

    async def visit(self, sns: Client, kind: str) -> str:
        """The ARN that the newest message of this kind leads to."""
        link = json.loads(self.bodies(kind)[-1])["SubscribeURL"]
        query = parse_qs(urlsplit(link).query)
        confirmed = await sns.world.call_as(
            sns.world.caller(ANONYMOUS), "sns", "ConfirmSubscription",
            TopicArn=query["TopicArn"][0], Token=query["Token"][0],
        )  # fmt: skip
        arn: str = confirmed["SubscriptionArn"]
        return arn


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Subscriber]:
    made = Subscriber()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
    async with server:
        yield made
        made.released.set()
        while made.busy:
            await asyncio.wait([task for task in made.busy if task is not None])
