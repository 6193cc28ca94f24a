"""Packages as functions refer to them, and where GetFunction says that they can be fetched."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from cryptography.exceptions import InvalidTag

from ogi import deliveries
from ogi.http import Request, Response
from ogi.service import Call, Ports
from ogi.services.lambda_ import archives
from ogi.services.lambda_.errors import ServiceException
from ogi.services.lambda_.records import Version
from ogi.services.lambda_.service import SERVICE
from ogi.services.lambda_.uploads import Upload
from ogi.storage import Blob, Transaction
from ogi.vault import NONCE_BYTES

PATH = "/_ogi/lambda/package"
GOOD_S = 600.0
"""How long a link is good for: ten minutes (GetFunction, API reference)."""
_PURPOSE = "lambda/package-links"


class Link(msgspec.Struct, frozen=True):
    blob: Blob
    until: float
    key: bytes


_LINKS = msgspec.msgpack.Decoder(Link)


def refer(tx: Transaction, upload: Upload) -> None:
    """A version refers to an upload now, so it is not deleted."""
    if not deliveries.cancel(tx, upload.owed):
        raise ServiceException("The package took too long to arrive.")


def location(call: Call, version: Version) -> str:
    """A link to the package that needs no signature."""
    link = Link(version.blob, call.now + GOOD_S, version.package_key)
    sealed = call.ports.vault.seal(
        _PURPOSE, msgspec.msgpack.encode(link), call.entropy(NONCE_BYTES)
    )
    settings = call.ports.settings
    endpoint = settings.endpoint.rstrip("/") or f"http://{settings.host}:{settings.port}"
    return f"{endpoint}{PATH}?token={quote(sealed.hex())}"


async def page(ports: Ports, request: Request) -> Response:
    """What is behind such a link."""
    token = dict(request.parameters()).get("token", "")
    try:
        link = _LINKS.decode(ports.vault.open(_PURPOSE, bytes.fromhex(token)))
    except (ValueError, InvalidTag, msgspec.MsgspecError):
        return Response(403, [("content-type", "text/plain")], b"This link is not valid.\n")
    if link.until < ports.clock.now():
        return Response(403, [("content-type", "text/plain")], b"This link has expired.\n")
    headers = [("content-type", "application/zip"), ("content-length", str(link.blob.size))]
    return Response(200, headers, archives.read(ports, link.blob, link.key))


SERVICE.pages[PATH] = page
