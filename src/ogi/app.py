"""The composition root: the only place where the parts are joined. A server starts and stops here.

Order of starting: data folder, store, identities, workers, listeners; a request is answered only
when all that it may need is there. Stopping goes the other way: listeners drain, workers let go,
the store closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import shutil
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path

from ogi import services, storage, vault
from ogi.access import bootstrap
from ogi.access.authorise import authorise
from ogi.clock import SystemClock
from ogi.deliveries import Courier
from ogi.gateway.http import Server
from ogi.gateway.pipeline import Pipeline
from ogi.http import Request, Response
from ogi.sandbox import open_sandbox
from ogi.service import Ports
from ogi.settings import Settings
from ogi.storage.files import FileBlobs
from ogi.traces import Traces
from ogi.workers import Worker, supervise

log = logging.getLogger("ogi")


class StartError(Exception):
    """Ogi cannot start; the message says what to do."""


class Ogi:
    """One running server. `await Ogi.start(settings)`, then `await ogi.stop()`."""

    def __init__(self, ports: Ports, server: Server) -> None:
        self.ports = ports
        self.settings = ports.settings
        self._server = server
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def endpoint(self) -> str:
        return self.settings.endpoint

    @classmethod
    async def start(cls, settings: Settings) -> Ogi:
        """Open the data, listen, and begin to work. Raises StartError, DataFolderError."""
        _check(settings)
        if settings.ephemeral:
            settings = dataclasses.replace(
                settings, data=Path(tempfile.mkdtemp(prefix="ogi-")).resolve()
            )
        else:
            settings = dataclasses.replace(settings, data=settings.data.resolve())
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = storage.open("sqlite", settings.data)
        server = Server(_starting, settings)

        async def reset() -> None:
            await ogi._reset()

        try:
            await server.listen(settings.host, settings.port, _tls(settings))
            socket = settings.data / "ogi.sock"
            await server.listen_unix(socket)
            settings = dataclasses.replace(
                settings, endpoint=settings.endpoint or _endpoint(settings, server.port)
            )
            sealed = vault.load(settings.data / "root.key")
            ports = Ports(
                settings=settings,
                clock=SystemClock(),
                store=store,
                blobs=FileBlobs(settings.data / "blobs"),
                vault=sealed,
                traces=Traces(),
                authorise=authorise,
                services=services.load(),
                random=os.urandom,
                sandbox=open_sandbox(settings, socket),
                reset=reset if settings.ephemeral else None,
            )
            await bootstrap.prepare(ports)
        except BaseException:
            server.close()
            await store.close()
            raise
        ogi = cls(ports, server)
        ogi._work()
        server.handler = Pipeline(ports)
        return ogi

    async def stop(self) -> None:
        """Let requests in progress end, then let go of everything."""
        await self._server.drain(self.settings.drain_s_max)
        await self._rest()
        sandbox = self.ports.sandbox
        if sandbox is not None:
            await sandbox.close()
        await self.ports.store.close()
        if self.settings.ephemeral:
            shutil.rmtree(self.settings.data, ignore_errors=True)

    def _work(self) -> None:
        self._tasks = [
            asyncio.create_task(supervise(worker), name=worker.name)
            for worker in _workers(self.ports)
        ]

    async def _rest(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _reset(self) -> None:
        """Empty everything: the workers let go, the data goes, the identities are made anew."""
        await self._rest()
        ports = self.ports
        await ports.store.reset()
        await ports.blobs.reset()
        ports.traces.clear()
        ports.data_keys.clear()
        if ports.sandbox is not None:
            await ports.sandbox.reset()
        await bootstrap.prepare(ports)
        self._work()


def _workers(ports: Ports) -> list[Worker]:
    made: list[Worker] = [Courier(ports)]
    for service in ports.services.values():
        made.extend(worker(ports) for worker in service.workers)
    return made


async def _starting(request: Request) -> Response:
    return Response(503, [("content-type", "text/plain"), ("retry-after", "1")], b"starting\n")


def _check(settings: Settings) -> None:
    if settings.credentials and not _is_loopback(settings.host):
        if not settings.force_weak_credentials:
            raise StartError(
                f"Known credentials on {settings.host} would let the network in. Listen on"
                " 127.0.0.1, leave --credentials out (strong ones are generated), or insist with"
                " --force-weak-credentials."
            )
    if not (settings.account.isdigit() and len(settings.account) == 12):
        raise StartError(f"An account is twelve digits, not {settings.account!r}.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(settings: Settings, port: int) -> str:
    scheme = "https" if settings.tls_certificate is not None else "http"
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise StartError("--tls-key needs --tls-certificate.")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"The TLS certificate or key cannot be read: {error}") from error
    return context
