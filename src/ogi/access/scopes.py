"""What an Authorization header or a presigned query says: key, scope, signed headers, signature."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from ogi.access.signature_errors import (
    JSON,
    QUERY,
    REST_JSON,
    S3,
    Family,
    InvalidArgument,
    InvalidRequest,
)
from ogi.errors import AwsError, unsupported
from ogi.http import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
ASYMMETRIC: Final = "AWS4-ECDSA-P256-SHA256"
TERMINATOR: Final = "aws4_request"
REST_JSON_SERVICES: Final = frozenset({"lambda"})
S3_SERVICES: Final = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
CREDENTIAL_BYTES_MAX: Final = 2_048
CACHED_MAX: Final = 4_096
PREFIX_CHARS_MAX: Final = 2_048
"""Of headers that are kept taken apart: anybody may send one that is longer."""


class Scope(NamedTuple):
    """What stays the same from request to request of one client on one day."""

    access_key: str
    date: str
    region: str
    service: str
    text: str
    """`20150830/us-east-1/sqs/aws4_request`"""
    signed: tuple[str, ...]
    """Names of the signed headers, lower case, sorted, each once."""
    names: frozenset[str]
    signed_text: str
    s3: bool


class Malformed(Exception):
    """A credential that cannot be read; `s3` and `other` are AWS's sentences."""

    def __init__(self, s3: str, other: str, mismatch: bool = False) -> None:
        super().__init__(other)
        self.s3 = s3
        self.other = other
        self.mismatch = mismatch


def family(request: Request, service: str = "") -> Family:
    """In whose words `request` is refused; `service` is its signing name, if known."""
    if service in S3_SERVICES:
        return S3
    form = False
    for name, value in request.headers:
        if name in ("x-amz-target", "smithy-protocol"):
            return JSON
        if name == "content-type" and value.startswith("application/x-www-form-urlencoded"):
            form = True
    if service in REST_JSON_SERVICES:
        return REST_JSON
    return QUERY if service or form or "Action=" in request.query else S3


def header(request: Request, authorization: str) -> tuple[Scope, str]:
    """The scope and the signature of an Authorization header."""
    prefix, found, signature = authorization.rpartition("Signature=")
    if not found or len(signature) != 64 or not prefix.startswith(ALGORITHM):
        prefix, signature = _taken_apart(request, authorization)
    try:
        if len(prefix) > PREFIX_CHARS_MAX:
            return _parsed.__wrapped__(prefix), signature
        return _parsed(prefix), signature
    except Malformed as malformed:
        raise header_error(request, authorization, malformed) from None


def header_error(request: Request, authorization: str, malformed: Malformed) -> AwsError:
    _, found, rest = authorization.partition("Credential=")
    words = family(request, _service_in(rest.split(",", 1)[0]) if found else "")
    if words is S3:
        return words.incomplete(f"The authorization header is malformed; {malformed.s3}")
    return (words.mismatch if malformed.mismatch else words.incomplete)(malformed.other)


def credential(text: str, signed: str) -> Scope:
    """`KEY/DATE/REGION/SERVICE/aws4_request` and `host;x-amz-date`."""
    parts = text.split("/")
    if len(parts) != 5 or not parts[0] or len(text) > CREDENTIAL_BYTES_MAX:
        raise Malformed(
            "the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text}'",
        )
    access_key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise Malformed(
            f'incorrect terminal "{terminator}". This endpoint uses "{TERMINATOR}".',
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{terminator}'.",
            mismatch=True,
        )
    if len(date) != 8 or not date.isascii() or not date.isdigit():
        raise Malformed(
            f'incorrect date format "{date}". This date in the credential must be in the format '
            '"yyyyMMdd".',
            f"Credential should be scoped to a valid date: 'yyyyMMdd', not '{date}'.",
            mismatch=True,
        )
    names = tuple(sorted({name.strip().lower() for name in signed.split(";") if name.strip()}))
    return Scope(
        access_key, date, region, service, "/".join(parts[1:]), names, frozenset(names),
        ";".join(names), service in S3_SERVICES,
    )  # fmt: skip


@lru_cache(maxsize=CACHED_MAX)
def _parsed(prefix: str) -> Scope:
    """`AWS4-HMAC-SHA256 Credential=..., SignedHeaders=...,`"""
    parts = _components(prefix)
    if "Credential" not in parts or "SignedHeaders" not in parts:
        raise _missing(parts | {"Signature": ""}, prefix)
    return credential(parts["Credential"], parts["SignedHeaders"])


def _taken_apart(request: Request, authorization: str) -> tuple[str, str]:
    """A header that is not in the usual order, or not Signature Version 4, or malformed."""
    scheme = authorization.partition(" ")[0]
    if scheme != ALGORITHM:
        raise other_scheme(request, authorization, scheme)
    try:
        parts = _components(authorization)
        if not {"Credential", "SignedHeaders", "Signature"} <= parts.keys():
            raise _missing(parts, authorization)
    except Malformed as malformed:
        raise header_error(request, authorization, malformed) from None
    ordered = f"Credential={parts['Credential']},SignedHeaders={parts['SignedHeaders']}"
    return f"{ALGORITHM} {ordered}", parts["Signature"]


def _components(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text[len(ALGORITHM) :].split(","):
        part = part.strip()
        if not part:
            continue
        name, equals, value = part.partition("=")
        if not equals:
            raise Malformed(
                _THREE,
                f"'{part}' not a valid key=value pair (missing equal-sign) in Authorization "
                f"header: '{text}'.",
            )
        if name in parts:
            raise Malformed(_THREE, f"Authorization header has '{name}' more than once.")
        parts[name] = value
    return parts


_THREE: Final = (
    "the authorization header requires three components: Credential, SignedHeaders, and Signature."
)


def _missing(parts: dict[str, str], text: str) -> Malformed:
    lacking = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if name not in parts
    ]
    return Malformed(_THREE, f"{' '.join(lacking)} Authorization={text}")


def other_scheme(request: Request, authorization: str, scheme: str) -> AwsError:
    """Signature Version 4A and 2, or another kind of authorization altogether."""
    if scheme == ASYMMETRIC:
        return unsupported(f"Signature Version 4A ({ASYMMETRIC})")
    words = family(request)
    if words is not S3:
        malformed = _missing({}, authorization)
        return words.incomplete(malformed.other)
    if scheme == "AWS":
        return InvalidRequest()
    return InvalidArgument(
        "Unsupported Authorization Type", ArgumentName="Authorization", ArgumentValue=authorization
    )


def only_one(request: Request, authorization: str) -> AwsError:
    """Signed in more than one way at once: nobody could say which one counts."""
    words = family(request)
    sentence = (
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
        "query string parameter or the Authorization header should be specified"
    )
    if words is not S3:
        return words.incomplete(sentence)
    return InvalidArgument(sentence, ArgumentName="Authorization", ArgumentValue=authorization)


def claimed_service(request: Request) -> str | None:
    """The signing name that a request gives, however malformed the rest of its signature is.

    Only good for choosing in whose protocol to refuse it.
    """
    _, found, rest = request.header("authorization").partition("Credential=")
    if not found and "X-Amz-Credential" in request.query:
        rest = dict(request.parameters()).get("X-Amz-Credential", "")
    return _service_in(rest.partition(",")[0]) or None


def _service_in(text: str) -> str:
    parts = text.split("/")
    return parts[-2] if len(parts) >= 3 else ""
