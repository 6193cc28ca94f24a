"""What of a message is sealed, as a record."""

from __future__ import annotations

from typing import Any

import msgspec


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed. Attributes are by name, in the API's form."""

    body: str
    md5: str
    """Of the body; '' if it was made by no client who would compare it: see `digest_of`."""
    attributes: dict[str, dict[str, Any]] | None = None
    md5_of_attributes: str = ""
    trace_header: str = ""
    md5_of_system_attributes: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Content)
encode = _encoder.encode
decode = _decoder.decode
