"""AWS's protocols, without I/O: requests to members, results and errors to answers.

Driven by botocore's service models, which are loaded at the first use of each service.
`route` says which service a request is for, `codec` gives that service's codec.
"""

from ogi.wire.codecs import Codec, codec
from ogi.wire.protocols import Parsed
from ogi.wire.routing import UNKNOWN, Route, path_style, route

__all__ = ["UNKNOWN", "Codec", "Parsed", "Route", "codec", "path_style", "route"]
