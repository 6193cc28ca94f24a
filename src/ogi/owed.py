"""What is owed: a delivery as a record, and its seal."""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.errors import InternalFailure
from ogi.service import Fields, Ports, Principal

DAY_S = 86_400


class Delivery(msgspec.Struct, frozen=True, array_like=True):
    """A request that is owed: an operation or a duty of a service, and as whom."""

    service: str
    operation: str
    request: Fields
    account: str
    region: str
    principal: Principal
    context: dict[str, Any]
    trace: str
    posted: float
    attempt: int = 0
    refused: tuple[str, str] | None = None
    """(service, duty) that hears of the target's refusal: it is given `request`, `code`, `message`,
    `status`, `attempt`, `posted`, `reference`; None: nobody, it is noted in the trace."""
    reference: Fields = {}
    """What the sender wants to know again when it hears of a refusal."""
    trace_header: str = ""


class Unmade(InternalFailure):
    """The request processing has failed because of an unknown error, exception or failure."""

    # It could not be made where it was tried, by no fault of whoever asked.
    code = "InternalFailure"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Delivery)


def seal(ports: Ports, delivery: Delivery, nonce: bytes) -> bytes:
    """A delivery as it lies on disk: what it carries (a message, an event) is nobody's to read.

    A key serves one day of postings, since random nonces allow 2**32 sealings under one key.
    """
    day = int(delivery.posted) // DAY_S
    plain = _encoder.encode(delivery)
    return day.to_bytes(4, "big") + ports.vault.seal(f"deliveries/{day}", plain, nonce)


def open_(ports: Ports, raw: bytes) -> Delivery:
    day = int.from_bytes(raw[:4], "big")
    return _decoder.decode(ports.vault.open(f"deliveries/{day}", raw[4:]))
