"""Requests that are signed in their query: presigned URLs.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ogi.access import canonical, scopes
from ogi.access.scopes import ALGORITHM, ASYMMETRIC, Malformed, Scope
from ogi.access.signature_errors import (
    S3,
    AccessDenied,
    AuthorizationQueryParametersError,
    Family,
)
from ogi.errors import AwsError, unsupported
from ogi.http import Request

EXPIRES_S_MAX = 604_800
MARKS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature")
REQUIRED = (*MARKS, "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires")
OPTIONAL = ("X-Amz-Security-Token", "X-Amz-Content-Sha256")
OWN = frozenset({*REQUIRED, *OPTIONAL})
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


class Presigned(NamedTuple):
    scope: Scope
    amz_date: str
    token: str
    signature: str
    payload: str | None


def parameters(request: Request) -> list[tuple[str, str]] | None:
    """The query's parameters if they carry a signature."""
    query = request.query
    if "X-Amz" not in query and "%" not in query:
        return None
    found = request.parameters()
    return None if {name for name, _ in found}.isdisjoint(MARKS) else found


def headers(request: Request, parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Headers that stand in the query: presigning moves x-amz- headers there, and S3 reads them.

    A real header goes before one in the query.
    """
    sent = {name for name, _ in request.headers}
    found: dict[str, str] = {}
    for name, value in parameters:
        name = name.lower()
        if not name.startswith("x-amz-"):
            continue
        value = value.strip(" \t")
        if CONTROLS(name + value):
            # A line feed in a value would sign as another header does.
            raise S3.mismatch()
        if name not in sent:
            found[name] = f"{found[name]},{value}" if name in found else value
    return {name: value.encode().decode("latin-1") for name, value in found.items()}


def parse(
    request: Request, parameters: list[tuple[str, str]], now: float, skew_s_max: int
) -> Presigned:
    """What the parameters say; the clock is checked here, the signature is not."""
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in OWN:
            continue
        if name in given:
            raise _error(request, given, f"{name} is given more than once.")
        given[name] = value
    _check_form(request, given)
    try:
        scope = scopes.credential(given["X-Amz-Credential"], given["X-Amz-SignedHeaders"])
    except Malformed as malformed:
        raise _malformed(request, given, malformed) from None
    _check_clock(request, scope, given, now, skew_s_max)
    return Presigned(
        scope, given["X-Amz-Date"], given.get("X-Amz-Security-Token", ""),
        given["X-Amz-Signature"], given.get("X-Amz-Content-Sha256"),
    )  # fmt: skip


def _check_form(request: Request, given: dict[str, str]) -> None:
    algorithm = given.get("X-Amz-Algorithm", "")
    if algorithm == ASYMMETRIC:
        raise unsupported(f"Signature Version 4A ({ASYMMETRIC})")
    s3 = _family(request, given) is S3
    lacking = [name for name in REQUIRED if name not in given]
    if not s3 and lacking == ["X-Amz-Expires"]:
        lacking = []
    if lacking:
        raise _error(
            request, given,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            " ".join(f"AWS query-string parameters must include '{name}'." for name in lacking),
        )  # fmt: skip
    if algorithm != ALGORITHM:
        raise _error(request, given, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    if not canonical.is_amz_date(given["X-Amz-Date"]):
        raise _error(
            request, given,
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            f"Date must be in ISO-8601 'basic format'. Got '{given['X-Amz-Date']}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601",
        )  # fmt: skip
    if "X-Amz-Expires" not in given:
        return
    expires = given["X-Amz-Expires"]
    digits = expires.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise _error(request, given, "X-Amz-Expires should be a number")
    if int(expires) < 1:
        raise _error(request, given, "X-Amz-Expires must be non-negative")
    if int(expires) > EXPIRES_S_MAX:
        raise _error(
            request, given,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {EXPIRES_S_MAX} seconds",
        )  # fmt: skip


def _check_clock(
    request: Request, scope: Scope, given: dict[str, str], now: float, skew_s_max: int
) -> None:
    amz_date = given["X-Amz-Date"]
    at = canonical.seconds(amz_date)
    assert at is not None
    expires_s = int(given.get("X-Amz-Expires", "0"))
    words = scopes.family(request, scope.service)
    if words is not S3:
        # STS and its neighbours take a request for 15 minutes however short its X-Amz-Expires is;
        # tokens of EKS live on that.
        window_s = max(expires_s, skew_s_max)
        if amz_date[:8] != scope.date or at + window_s < now or at - skew_s_max > now:
            raise clock_error(words, scope.date, amz_date, now, skew_s_max, window_s)
        return
    if amz_date[:8] != scope.date:
        raise AuthorizationQueryParametersError(
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: '
            f'"{amz_date[:8]}".'
        )
    times = {
        "Expires": canonical.iso_date(at + expires_s),
        "ServerTime": canonical.iso_date(now),
    }
    if at - skew_s_max > now:
        raise AccessDenied("Request is not yet valid", **{"X-Amz-Date": f"{at * 1000}"}, **times)
    if at + expires_s < now:
        raise AccessDenied("Request has expired", **{"X-Amz-Expires": f"{expires_s}"}, **times)


def clock_error(
    words: Family,
    scope_date: str,
    amz_date: str,
    now: float,
    skew_s_max: int,
    window_s: int | None = None,
) -> AwsError:
    """Why a request of any service but S3 is too old, too new, or of another day."""
    if amz_date[:8] != scope_date:
        return words.mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{scope_date}' != '{amz_date[:8]}', from '{amz_date}'."
        )
    at = canonical.seconds(amz_date)
    today = canonical.amz_date(now)
    if at is not None and at > now:
        limit = canonical.amz_date(now + skew_s_max)
        return words.mismatch(
            f"Signature not yet current: {amz_date} is still later than {limit} "
            f"({today} + {skew_s_max // 60} min.)"
        )
    window_s = skew_s_max if window_s is None else window_s
    limit = canonical.amz_date(now - window_s)
    return words.mismatch(
        f"Signature expired: {amz_date} is now earlier than {limit} "
        f"({today} - {window_s // 60} min.)"
    )


def _family(request: Request, given: dict[str, str]) -> Family:
    parts = given.get("X-Amz-Credential", "").split("/")
    return scopes.family(request, parts[-2] if len(parts) >= 3 else "")


def _error(request: Request, given: dict[str, str], s3: str, other: str = "") -> AwsError:
    words = _family(request, given)
    return AuthorizationQueryParametersError(s3) if words is S3 else words.incomplete(other or s3)


def _malformed(request: Request, given: dict[str, str], malformed: Malformed) -> AwsError:
    words = _family(request, given)
    if words is S3:
        return AuthorizationQueryParametersError(
            f"Error parsing the X-Amz-Credential parameter; {malformed.s3}"
        )
    return (words.mismatch if malformed.mismatch else words.incomplete)(malformed.other)
