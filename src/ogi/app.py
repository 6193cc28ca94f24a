"""The composition root: the only place where the parts are joined. A server starts and stops here.

Order of starting: data folder, store, identities, workers, listeners; a request is answered only
when all that it may need is there. Stopping goes the other way: listeners drain, workers let go,
the store closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import logging
import os
import re
import shutil
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from ogi import connection_file, keyring, mail, outbound, roots, services, storage, wire
from ogi.access import seeds
from ogi.access.authorise import authorise
from ogi.audit import KINDS, Trail
from ogi.clock import SystemClock
from ogi.courier import Courier
from ogi.entropy import entropy
from ogi.gateway import authority
from ogi.gateway.http import Server
from ogi.gateway.operators import Operators
from ogi.gateway.pipeline import Pipeline
from ogi.gateway.tunnels import Tunnels
from ogi.gateway.turns import Turns
from ogi.http import Request, Response
from ogi.roots import RootError
from ogi.sandbox import IsolationUnavailable, relay
from ogi.sandbox.local import LocalSandbox
from ogi.service import Ports
from ogi.services.lambda_.uploads import UNPACKED
from ogi.services.sns import quotas
from ogi.services.sqs import rates
from ogi.settings import Settings
from ogi.signing import Signing
from ogi.storage import CONTROL, Store, Transaction
from ogi.storage.files import FileBlobs
from ogi.storage.keys import after
from ogi.traces import Traces
from ogi.vault import Vault
from ogi.workers import Worker, supervise

log = logging.getLogger("ogi")

_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class StartError(Exception):
    """Ogi cannot start; the message says what to do."""


class Ogi:
    """One running server. `await Ogi.start(settings)`, then `await ogi.stop()`."""

    def __init__(
        self,
        ports: Ports,
        server: Server,
        tunnels: Tunnels | None,
        audit: Trail,
        operators: Operators,
    ) -> None:
        self.ports = ports
        self._operators = operators
        self._audit = audit
        self.settings = ports.settings
        self._server = server
        self._tunnels = tunnels
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def endpoint(self) -> str:
        return self.settings.endpoint

    @property
    def proxy_port(self) -> int | None:
        return None if self._tunnels is None else self._tunnels.port

    @classmethod
    async def start(cls, settings: Settings) -> Ogi:
        """Open the data, listen, and begin to work. Raises StartError, DataFolderError."""
        _check(settings)
        settings = dataclasses.replace(settings, data=_folder(settings))
        # On one processor alone, the scribe's process would only take turns with the loop.
        alone = (os.cpu_count() or 1) == 1
        store = storage.open("sqlite" if alone else "sqlite-process", settings.data)
        server = Server(_starting, settings)
        tunnels: Tunnels | None = None

        async def reset() -> None:
            await ogi._reset()

        try:
            ring = await _keyring(settings, store)
            own = _own_tls(settings, ring.vault)
            await server.listen(
                settings.host, settings.port, own if settings.tls_generated else _tls(settings)
            )
            if own is not None and settings.proxy_port is not None:
                tunnels = Tunnels(server, own)
                await tunnels.listen(settings.host, settings.proxy_port)
            socket = settings.data / "ogi.sock"
            await server.listen_unix(socket)
            settings = dataclasses.replace(
                settings, endpoint=settings.endpoint or _endpoint(settings, server.port)
            )
            clock, known = SystemClock(), services.load()
            audit = Trail(settings, clock, known, entropy)
            ports = Ports(
                settings=settings,
                clock=clock,
                store=store,
                blobs=FileBlobs(settings.data / "blobs"),
                vault=ring.vault,
                traces=Traces(),
                authorise=authorise,
                services=known,
                random=entropy,
                validate=wire.validate,
                sandbox=LocalSandbox(
                    settings.data / "sandbox",
                    endpoint=settings.endpoint,
                    serve=relay.to(socket),
                    network=settings.function_network == "host",
                    require_isolation=settings.require_isolation,
                ),
                audit=audit,
                signing=None if alone else Signing(),
                reset=reset if settings.ephemeral else None,
            )
            audit.attach(ports)
            await _empty_functions(settings)
            await _prepare(ports)
            operators = Operators(ports, ring)
            await operators.settle()
            await operators.listen(settings.data)
        except BaseException as error:
            if tunnels is not None:
                tunnels.close()
            server.close()
            await store.close()
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                option, port = ("--port", settings.port)
                if tunnels is not None:
                    option, port = ("--proxy-port", settings.proxy_port or 0)
                raise StartError(
                    f"Something listens on {settings.host}:{port} already. Stop it, or name another"
                    f" port with {option}; 0 picks a free one."
                ) from error
            if isinstance(error, IsolationUnavailable | OSError | RootError):
                raise StartError(str(error)) from error
            if isinstance(error, InvalidTag):
                raise StartError(
                    f"{settings.data} was not sealed under this keyring and root key. Put back"
                    f" those that belong to it: {keyring.NAME}, and {roots.FILE} if it is a file."
                ) from error
            raise
        ogi = cls(ports, server, tunnels, audit, operators)
        ogi._work()
        server.handler = Pipeline(ports)
        return ogi

    async def stop(self, drain_s: float | None = None) -> None:
        """Let requests in progress end (for `drain_s` seconds, or as the settings say), then let go
        of everything."""
        if self._tunnels is not None:
            self._tunnels.close()
        await self._operators.close()
        await self._server.drain(self.settings.drain_s_max if drain_s is None else drain_s)
        await self._rest()
        sandbox = self.ports.sandbox
        if sandbox is not None:
            await sandbox.close()
            await _empty_functions(self.settings)
        await self._audit.close()
        if self.ports.signing is not None:
            await self.ports.signing.close()
        await self.ports.store.close()
        if self.settings.ephemeral:
            shutil.rmtree(self.settings.data, ignore_errors=True)

    def _work(self) -> None:
        self._tasks = [
            asyncio.create_task(supervise(worker), name=worker.name)
            for worker in [*_workers(self.ports), self._audit]
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
        self._audit.clear()
        await ports.store.reset()
        await ports.blobs.reset()
        ports.traces.clear()
        ports.data_keys.clear()
        ports.uses.clear()
        ports.key_uses.clear()
        if ports.sandbox is not None:
            await ports.sandbox.reset()
        await _prepare(ports)
        self._work()


async def _empty_functions(settings: Settings) -> None:
    """Unpacked packages are plain and last as long as the process that unpacked them."""
    await asyncio.to_thread(shutil.rmtree, settings.data / UNPACKED, True)


async def _keyring(settings: Settings, store: Store) -> keyring.Keyring:
    """Opened by the root key from where the settings say, or made for a new folder."""
    source = roots.parse(settings.root_key, settings.root_kms_endpoint, settings.root_kms_region)
    first = await store.read(lambda tx: tx.scan(CONTROL.encode(), after(CONTROL.encode()), 1))
    # Stretching a passphrase and asking another KMS take their time.
    found = await asyncio.to_thread(
        keyring.open, settings.data, source, os.environ, fresh=not first
    )
    for name in (source.where if source.kind == "env" else "", *roots.VARIABLES):
        # Functions without a sandbox would inherit them.
        os.environ.pop(name, None)
    return found


def _memory(settings: Settings) -> Path | None:
    """Where the administrator's secret lies if not in the data folder, which is the place only
    where the root key lies there, too."""
    source = roots.parse(settings.root_key)
    place = roots.path(source, settings.data).resolve()
    if source.kind == "file" and place.is_relative_to(settings.data.resolve()):
        return None
    folder = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    return folder if folder.is_absolute() and folder.is_dir() else None


async def _prepare(ports: Ports) -> None:
    """What must be there before the first request: identities, and what services ask for."""
    settings = ports.settings
    seed = _read_seed(settings.seed)

    def body(tx: Transaction) -> None:
        now = ports.clock.now()
        seeds.bootstrap(tx, ports.vault, settings, ports.random, now)
        if seed is not None:
            seeds.seed(tx, ports.vault, seed, ports.random, now)

    try:
        await ports.store.transact(body, CONTROL)
    except seeds.BadSeed as error:
        raise StartError(f"{settings.seed}: {error}") from error
    # Read back rather than kept from above: an earlier start may have ended between the two.
    key = await ports.store.read(lambda tx: seeds.admin_key(tx, ports.vault, settings.account))
    if key is not None:
        bundle = str(settings.data / authority.CERTIFICATE) if settings.tls_generated else ""
        connection = connection_file.Connection(settings.endpoint, settings.region, *key, bundle)
        connection_file.write(settings.data, connection, _memory(settings))
    for service in ports.services.values():
        if service.prepare is not None:
            await service.prepare(ports)


def _read_seed(path: Path | None) -> Any:
    if path is None:
        return None
    import yaml

    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise StartError(f"The seed file {path} cannot be read: {error}") from error


def _workers(ports: Ports) -> list[Worker]:
    made: list[Worker] = [Courier(ports)]
    for service in ports.services.values():
        made.extend(worker(ports) for worker in service.workers)
    return made


def _starting(request: Request, turns: Turns) -> None:
    turns.answer(
        Response(503, [("content-type", "text/plain"), ("retry-after", "1")], b"starting\n")
    )


def _folder(settings: Settings) -> Path:
    """The data folder as an absolute path, made if need be."""
    if settings.ephemeral:
        return Path(tempfile.mkdtemp(prefix="ogi-")).resolve()
    folder = settings.data.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _check(settings: Settings) -> None:
    weak = settings.credentials and not _is_loopback(settings.host)
    if weak and not settings.force_weak_credentials:
        raise StartError(
            f"Known credentials on {settings.host} would let the network in. Listen on"
            " 127.0.0.1, leave --credentials out (strong ones are generated), or insist with"
            " --force-weak-credentials."
        )
    if settings.audit not in KINDS:
        raise StartError(f"--audit is one of {', '.join(KINDS)}, not {settings.audit!r}.")
    try:
        mail.check(settings)
    except mail.BadMailSettings as error:
        raise StartError(str(error)) from error
    if not (settings.account.isdigit() and len(settings.account) == 12):
        raise StartError(f"An account is twelve digits, not {settings.account!r}.")
    if settings.tls_generated and settings.tls_certificate is not None:
        raise StartError("--tls-generated and --tls-certificate exclude each other.")
    if settings.sns_url not in ("", "aws") and not _URL.fullmatch(settings.sns_url):
        raise StartError(f"--sns-url is `aws` or a URL without a path, not {settings.sns_url!r}.")
    try:
        outbound.networks_of(settings.sns_networks)
    except ValueError as error:
        raise StartError(f"--sns-networks: {error}") from error
    try:
        quotas.parse(settings.sns_quotas)
    except ValueError as error:
        raise StartError(f"--sns-quotas: {error}") from error
    try:
        rates.parse(settings.sqs_quotas)
    except ValueError as error:
        raise StartError(f"--sqs-quotas: {error}") from error
    if settings.sns_authorities is not None:
        try:
            outbound.trusting(settings.sns_authorities)
        except OSError as error:
            raise StartError(f"--sns-authorities cannot be read: {error}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(settings: Settings, port: int) -> str:
    secure = settings.tls_generated or settings.tls_certificate is not None
    scheme = "https" if secure else "http"
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _own_tls(settings: Settings, sealed: Vault) -> ssl.SSLContext | None:
    """TLS under the authority of our own, where it is asked for."""
    if not settings.tls_generated and settings.proxy_port is None:
        return None
    try:
        return authority.context(settings, sealed)
    except authority.Uncovered as error:
        raise StartError(str(error)) from error


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
