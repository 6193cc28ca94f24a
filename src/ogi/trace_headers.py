"""X-Ray's tracing header as a request brings it: what of it may go on to other services.

docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader: the id of
the trace, the caller's segment, whether the trace is sampled, and fields of others' own, as in
`Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0`.
"""

from __future__ import annotations

import re

NAME = "X-Amzn-Trace-Id"
CHARS_MAX = 500
"""What EventBridge takes as such a header (PutEvents, API reference); SQS and SNS say no limit."""

_FIELD = r"[A-Za-z0-9_-]+=[ -:<>-~]+"
_FIELDS = re.compile(rf"{_FIELD}(; *{_FIELD})*;?")
_ROOT = re.compile(r"(?:^|; *)Root=1-[0-9a-f]{8}-[0-9a-f]{24}(?: *;|$)")


def well_formed(header: str) -> bool:
    """Fields with values, in ASCII, so that it can be sent as a header again."""
    return len(header) <= CHARS_MAX and _FIELDS.fullmatch(header) is not None


def passed_on(header: str) -> str:
    """The header of a request, as it is; '' if it names no trace or is not well formed.

    Such a header ends here and refuses nothing: no page says that a service does.
    """
    return header if well_formed(header) and _ROOT.search(header) else ""
