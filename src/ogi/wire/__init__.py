"""AWS's protocols, without I/O: requests to members, results and errors to answers.

Driven by botocore's service models, which are loaded at the first use of each service.
`route` says which service a request is for, `codec` gives that service's codec.
"""

from typing import Any

from ogi.wire.codecs import Codec, codec
from ogi.wire.protocols import Parsed
from ogi.wire.routing import UNKNOWN, Route, path_style, route


def validate(service: str, operation: str, params: dict[str, Any]) -> None:
    """Refuse what the model of a service refuses; params by the model's names."""
    codec(service).validate(operation, params)


__all__ = ["UNKNOWN", "Codec", "Parsed", "Route", "codec", "path_style", "route", "validate"]
