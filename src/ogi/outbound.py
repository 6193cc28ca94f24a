"""Requests to the world outside, guarded against reaching where they must not.

A host's address is looked up once and the connection goes to that very address, so that a name
cannot be one thing when it is judged and another when it is used. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import socket
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httptools

from ogi.settings import Settings

HEAD_BYTES_MAX = 64 * 1024
URL_CHARS_MAX = 2048
PIECE_BYTES = 16 * 1024
PORTS = {"http": 80, "https": 443}
METADATA = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
"""Where clouds tell machines their secrets."""
ALWAYS_KNOWN = "example.com"
"""A name that every resolver knows which knows any (RFC 2606, 3)."""

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")

Address = IPv4Address | IPv6Address


class Unreachable(Exception):
    """The other side could not be reached, did not answer in time, or answered no HTTP."""


class CutOff(Unreachable):
    """This machine sees nothing of the world outside, so that it cannot say who is there."""


class NotAllowed(Exception):
    """The address must not be reached."""


class WrongCertificate(Unreachable):
    """The certificate is neither of an authority that is trusted nor one that is expected."""


@dataclass(frozen=True)
class Bounds:
    """What a request may take."""

    seconds: float
    networks: str = ""
    """Networks that may be reached, `10.0.0.0/8,...`; '': all but link-local and metadata."""
    body_bytes_max: int = 0
    """Of the answer; 0: the answer's body is not read."""
    thumbprints: Collection[str] = ()
    """SHA-1 of certificates that are good although no trusted authority signed them, in hex."""
    authorities: Path | None = None
    """PEM file of authorities that are trusted beside the public ones."""


class Answer(NamedTuple):
    status: int
    body: bytes
    challenges: tuple[str, ...] = ()
    """What it asks for to let the client in: values of WWW-Authenticate."""


def split(url: str, scheme: str) -> SplitResult | None:
    """The parts of a URL; None if it is none of this scheme."""
    if len(url) > URL_CHARS_MAX or any(c <= " " or c > "~" for c in url):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme == scheme and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def refused_literal(settings: Settings, networks: str, parts: SplitResult) -> bool:
    """Whether a URL names by number what must not be reached."""
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return False
    return not _allowed(settings, networks, address, _port(parts))


async def request(
    settings: Settings,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    bounds: Bounds,
) -> Answer:
    """One request. Raises Unreachable, NotAllowed. `url` was looked at with `split`."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(bounds.seconds):
            return await _exchange(settings, method, parts, headers, body, bounds)
    except TimeoutError:
        raise Unreachable("did not answer in time") from None
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, httptools.HttpParserError) as error:
        raise Unreachable(f"failed: {type(error).__name__}") from error


async def reach(settings: Settings, url: str, bounds: Bounds) -> None:
    """Connect, and hang up. Raises Unreachable, NotAllowed. `url` was looked at with `split`."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(bounds.seconds):
            try:
                _, writer = await _guarded(settings, parts, bounds)
            except OSError as error:
                if await _is_cut_off(error):
                    raise CutOff("is not seen from here") from error
                raise
            writer.close()
    except TimeoutError:
        raise Unreachable("did not answer in time") from None
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(f"failed: {type(error).__name__}") from error


async def _is_cut_off(error: OSError) -> bool:
    """Whether it is this machine's own lack that it did not reach somebody."""
    if not isinstance(error, socket.gaierror):
        return error.errno in (errno.ENETDOWN, errno.ENETUNREACH)
    if error.errno == socket.EAI_AGAIN:
        return True
    try:
        await asyncio.get_running_loop().getaddrinfo(ALWAYS_KNOWN, None)
    except socket.gaierror:
        return True
    return False


async def _exchange(
    settings: Settings,
    method: str,
    parts: SplitResult,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    bounds: Bounds,
) -> Answer:
    host = parts.hostname or ""
    reader, writer = await _guarded(settings, parts, bounds)
    try:
        target = target_of(parts)
        named = f"[{host}]" if ":" in host else host
        authority = f"{named}:{parts.port}" if parts.port else named
        lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}", "Connection: close",
                 *([f"Content-Length: {len(body)}"] if body or method == "POST" else []),
                 *(f"{k}: {v}" for k, v in headers)]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return await _answer(reader, bounds.body_bytes_max)
    finally:
        writer.transport.abort()


def target_of(parts: SplitResult) -> str:
    """What a request line names of a URL."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def _guarded(
    settings: Settings, parts: SplitResult, bounds: Bounds
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to where one may be made."""
    address = await _address(settings, bounds.networks, parts.hostname or "", _port(parts))
    reader, writer = await _connect(parts, address, bounds)
    here, there = (writer.get_extra_info(name) for name in ("sockname", "peername"))
    if here[0] == there[0] and there[1] in _own_ports(settings):
        # One of this machine's other addresses: who calls himself comes from where he goes.
        writer.transport.abort()
        raise NotAllowed("The endpoint's address is not allowed")
    return reader, writer


async def _connect(
    parts: SplitResult, address: str, bounds: Bounds
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if parts.scheme == "http":
        return await asyncio.open_connection(address, _port(parts))
    name, thumbprints = parts.hostname, bounds.thumbprints
    try:
        return await asyncio.open_connection(
            address, _port(parts), ssl=trusting(bounds.authorities), server_hostname=name
        )
    except ssl.SSLCertVerificationError as error:
        if not thumbprints:
            reason = error.verify_message
            raise WrongCertificate(f"has a certificate that is not taken: {reason}") from error
    connected = await asyncio.open_connection(
        address, _port(parts), ssl=_unverified(), server_hostname=name
    )
    certificate = connected[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
    if hashlib.sha1(certificate or b"", usedforsecurity=False).hexdigest() not in thumbprints:
        connected[1].transport.abort()
        raise WrongCertificate("its certificate has none of the expected thumbprints")
    return connected


# -- where a request may go -----------------------------------------------------------------------


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


async def _address(settings: Settings, networks: str, host: str, port: int) -> str:
    """The first address of a host that may be reached."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    for *_, place in found:
        address = ip_address(str(place[0]).partition("%")[0])
        if _allowed(settings, networks, address, port):
            return str(place[0])
    raise NotAllowed("The endpoint's address is not allowed")


def _allowed(settings: Settings, networks: str, address: Address, port: int) -> bool:
    address = _plain(address)
    if networks:
        if not any(address in network for network in networks_of(networks)):
            return False
    elif (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
    ):
        return False
    return not (_is_here(settings, address) and port in _own_ports(settings))


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one is another form of: mapped, 6to4, Teredo, or translated
    (RFC 6052, RFC 8215, and the compatible form of RFC 4291)."""
    if isinstance(address, IPv4Address):
        return address
    if address.teredo is not None:
        return address.teredo[1]
    plain = address.ipv4_mapped or address.sixtofour
    compatible = address in _COMPATIBLE and int(address) > 1
    if plain is None and (compatible or any(address in network for network in _TRANSLATED)):
        plain = IPv4Address(int(address) & 0xFFFF_FFFF)
    return plain or address


@lru_cache(maxsize=8)
def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of a list with commas; raises ValueError if it is none."""
    if not text:
        return ()
    return tuple(ip_network(one.strip()) for one in text.split(","))


def _is_here(settings: Settings, address: Address) -> bool:
    return address.is_loopback or str(address) in (
        settings.host,
        urlsplit(settings.endpoint).hostname,
    )


def _own_ports(settings: Settings) -> tuple[int, ...]:
    """Ours: what is asked from inside is trusted more than what comes from outside."""
    endpoint = urlsplit(settings.endpoint)
    return settings.port, endpoint.port or PORTS.get(endpoint.scheme, 0)


# -- what comes back ------------------------------------------------------------------------------


class _Arriving:
    """What httptools tells of an answer as it arrives."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headed = False
        self.complete = False
        self.measured = False
        """Whether the head says where the body ends; else the end of the connection does."""
        self.body = bytearray()
        self.challenges: list[str] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"www-authenticate":
            self.challenges.append(value.decode("latin-1"))
        self.measured |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        # 1xx says only that the answer is yet to come.
        self.headed = self.parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = self.headed


async def _answer(reader: asyncio.StreamReader, body_bytes_max: int) -> Answer:
    arriving = _Arriving()
    parser = arriving.parser
    size = 0
    while not arriving.complete:
        if arriving.headed and not body_bytes_max:
            break
        piece = await reader.read(PIECE_BYTES)
        size += len(piece)
        if not piece and arriving.headed and not arriving.measured:
            break
        if not piece or size > HEAD_BYTES_MAX + body_bytes_max:
            raise ConnectionResetError("no whole answer")
        parser.feed_data(piece)
    if len(arriving.body) > body_bytes_max > 0:
        raise ConnectionResetError("a longer answer than is taken")
    status, body = int(parser.get_status_code()), bytes(arriving.body[:body_bytes_max])
    return Answer(status, body, tuple(arriving.challenges))


@lru_cache(maxsize=4)
def trusting(authorities: Path | None) -> ssl.SSLContext:
    """The public authorities, and those of a PEM file; raises OSError if that cannot be read."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


@lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    """For a certificate that is then compared with a thumbprint, before anything is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
