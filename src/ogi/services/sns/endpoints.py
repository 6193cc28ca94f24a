"""HTTP/S endpoints: a POST to a subscriber, guarded against reaching where it must not.

The address is looked up once and the connection goes to that very address, so that a name cannot
be one thing when it is judged and another when it is used.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import httptools

from ogi.errors import AwsError
from ogi.settings import Settings

HEAD_BYTES_MAX = 64 * 1024
URL_CHARS_MAX = 2048
PORTS = {"http": 80, "https": 443}
METADATA = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
"""Where clouds tell machines their secrets."""
RETRIED = frozenset((429,))
"""With all of 5xx: docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""

Address = IPv4Address | IPv6Address


class EndpointFailure(AwsError):
    """The endpoint could not be reached, or asked to be tried again."""

    status = 500


class EndpointRefusal(AwsError):
    """The endpoint said no for good, or must not be reached."""

    status = 400


def split(url: str, protocol: str) -> SplitResult | None:
    """The parts of an endpoint's URL; None if it is none of this protocol."""
    if len(url) > URL_CHARS_MAX or any(c <= " " or c > "~" for c in url):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme == protocol and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def refused_literal(settings: Settings, parts: SplitResult) -> bool:
    """Whether a URL names by number what must not be reached."""
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return False
    return not _allowed(settings, address, _port(parts))


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _allowed(settings: Settings, address: Address, port: int) -> bool:
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if settings.sns_networks:
        networks = _networks(settings.sns_networks)
        if not any(address in n for n in networks):
            return False
    elif (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
    ):
        return False
    return not (_is_here(settings, address) and port in _own_ports(settings))


@lru_cache(maxsize=8)
def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
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


async def post(settings: Settings, url: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """POST once; returns if the endpoint answers 2xx, else raises what came of it."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(settings.sns_http_s_max):
            status = await _post(settings, parts, headers, body)
    except TimeoutError:
        raise EndpointFailure("The endpoint did not answer in time") from None
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, httptools.HttpParserError) as error:
        raise EndpointFailure(f"The endpoint failed: {type(error).__name__}") from error
    if 200 <= status < 300:
        return
    kind = EndpointFailure if status >= 500 or status in RETRIED else EndpointRefusal
    raise kind(f"The endpoint answered {status}")


async def _post(
    settings: Settings, parts: SplitResult, headers: list[tuple[str, str]], body: bytes
) -> int:
    host = parts.hostname or ""
    secure = _tls() if parts.scheme == "https" else None
    address = await _address(settings, host, _port(parts))
    reader, writer = await asyncio.open_connection(
        address, _port(parts), ssl=secure, server_hostname=host if secure else None
    )
    try:
        here, there = (writer.get_extra_info(name) for name in ("sockname", "peername"))
        if here[0] == there[0] and there[1] in _own_ports(settings):
            # One of this machine's other addresses: who calls himself comes from where he goes.
            raise EndpointRefusal("The endpoint's address is not allowed")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = f"[{host}]" if ":" in host else host
        authority = f"{named}:{parts.port}" if parts.port else named
        lines = [f"POST {target} HTTP/1.1", f"Host: {authority}", "Connection: close",
                 f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers)]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return await _status(reader)
    finally:
        writer.transport.abort()


async def _address(settings: Settings, host: str, port: int) -> str:
    """The first address of a host that may be reached."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    for *_, place in found:
        if _allowed(settings, ip_address(str(place[0]).partition("%")[0]), port):
            return str(place[0])
    raise EndpointRefusal("The endpoint's address is not allowed")


class _Head:
    """What httptools tells of an answer: enough when its headers are complete."""

    complete = False

    def on_headers_complete(self) -> None:
        self.complete = True


async def _status(reader: asyncio.StreamReader) -> int:
    head = _Head()
    parser = httptools.HttpResponseParser(head)
    size = 0
    while not head.complete:
        chunk = await reader.read(4096)
        size += len(chunk)
        if not chunk or size > HEAD_BYTES_MAX:
            raise ConnectionResetError("no answer")
        parser.feed_data(chunk)
    return int(parser.get_status_code())


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
