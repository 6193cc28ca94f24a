"""The page behind `ogi outbox`: what is in the outbox, and the reply of a phone's holder.

Unlike Ogi's other pages it tells contents (passwords for one use, links), so a request is signed,
and who signed it needs the action ogi:ReadOutbox, or ogi:ReplyToMessage, which are Ogi's own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.access import authenticate
from ogi.errors import AwsError
from ogi.http import Request, Response
from ogi.service import Call, Ports
from ogi.services.sns import outbox, phones
from ogi.services.sns.errors import AuthorizationErrorException, InvalidParameterException
from ogi.services.sns.outbox import Letter
from ogi.services.sns.service import SERVICE
from ogi.storage import Reader, Transaction

PATH = "/_ogi/outbox"
SHOWN_MAX = 1_000


@SERVICE.page(PATH)
async def page(ports: Ports, request: Request) -> Response:
    """GET ?limit=N&after=NUMBER: the latest messages, the oldest of them first.
    POST ?from=NUMBER&text=STOP: a reply."""
    try:
        call = await _caller(ports, request)
        query = dict(request.parameters())
        if request.method == "POST":
            return _json(200, await _reply(call, query))
        if request.method != "GET":
            raise InvalidParameterException.of("Method")
        return _json(200, await _shown(call, query))
    except AwsError as error:
        return _json(error.status or 403, {"message": error.message})


async def _caller(ports: Ports, request: Request) -> Call:
    """Who signed the request; raises if nobody did."""
    now = ports.clock.now()
    claim = authenticate.read(request, now, ports.settings.region, lambda r: r.path)
    if claim is None:
        raise AuthorizationErrorException("The outbox shows contents: sign the request.")
    # There is no body: what is signed is the empty one.
    proved = authenticate.prove(ports, claim, b"", now)
    return authenticate.call(ports, request, claim, proved, now).begin()


def _check(tx: Reader, call: Call, action: str) -> None:
    call.ports.authorise(tx, call, SERVICE, (action,), ("*",), call.context)


async def _shown(call: Call, query: dict[str, str]) -> dict[str, Any]:
    limit = query.get("limit", str(SHOWN_MAX))
    if not limit.isdecimal() or not 1 <= int(limit) <= SHOWN_MAX:
        raise InvalidParameterException.of("limit")
    after = query.get("after", "0")
    if not after.isdecimal():
        raise InvalidParameterException.of("after")

    def body(tx: Reader) -> list[tuple[int, float, Letter]]:
        _check(tx, call, "ogi:ReadOutbox")
        return outbox.latest(tx, call, int(limit), int(after))

    found = await call.ports.store.read(body)
    return {
        "messages": [
            {"number": number, "at": at, **msgspec.structs.asdict(letter)}
            for number, at, letter in reversed(found)
        ]
    }


async def _reply(call: Call, query: dict[str, str]) -> dict[str, Any]:
    number, text = query.get("from", ""), query.get("text", "")

    def body(tx: Transaction, running: Call) -> bool:
        _check(tx, running, "ogi:ReplyToMessage")
        return phones.reply(tx, running, number, text)

    return {"opted_out": await call.transact(body, call.home)}


def _json(status: int, body: Any) -> Response:
    return Response(
        status, [("content-type", "application/json")], msgspec.json.encode(body) + b"\n"
    )
