"""Signature Version 4, verified: who claims to ask, and whether the secret's holder signed it.

Sans I/O. Two phases, since the secret must be looked up between them: `read` finds the claim,
`Claim.verify` proves it, and `Claim.body` proves the body as it is read. Nothing of a request may
be believed before `verify` has returned.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ogi.access import canonical, presigned, scopes
from ogi.access.payloads import CHUNKED, Mode, decoded_length, mode_of, proved
from ogi.access.scopes import ALGORITHM, CACHED_MAX, Scope
from ogi.access.signature_errors import (
    MISMATCH,
    S3,
    AccessDenied,
    AuthorizationHeaderMalformed,
    Family,
    InvalidRequest,
    RequestTimeTooSkewed,
)  # fmt: skip
from ogi.access.signing_keys import SigningKey
from ogi.http import Body, Request

SKEW_S_MAX: Final = 15 * 60
"""How far the client's clock may be from ours, either way."""
CONTENT_SHA256: Final = "x-amz-content-sha256"


class Claim:
    """What a signed request says of itself; true once `verify` has returned."""

    __slots__ = (
        "_canonical", "_default_region", "_payload", "_request", "_scope", "_signature", "amz_date",
        "decoded_length", "mode", "token", "trailers",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        scope: Scope,
        default_region: str,
        amz_date: str,
        token: str,
        signature: str,
        canonical_request: str,
        payload: str | None,
    ) -> None:
        self._request = request
        self._scope = scope
        self._default_region = default_region
        self._signature = signature
        self._canonical = canonical_request
        self._payload = payload
        self.amz_date = amz_date
        """When it was signed: `20150830T123600Z`."""
        self.token = token
        """The session token, or ''."""
        self.mode = Mode.WHOLE if payload is None else mode_of(payload, scope.s3)
        self.decoded_length = decoded_length(request) if self.mode in CHUNKED else None
        """The length of an aws-chunked body without its framing; None if it is not framed."""
        self.trailers: list[tuple[str, str]] = []
        """Headers that came after an aws-chunked body; complete once the body was read."""

    @property
    def access_key(self) -> str:
        return self._scope.access_key

    @property
    def region(self) -> str:
        """An empty region in the scope stands for the default one."""
        return self._scope.region or self._default_region

    @property
    def service(self) -> str:
        """The signing name: `sqs`, `monitoring`..."""
        return self._scope.service

    @property
    def date(self) -> str:
        return self._scope.date

    @property
    def signed_headers(self) -> frozenset[str]:
        """Their names, lower case."""
        return self._scope.names

    @property
    def family(self) -> Family:
        """In whose words to refuse it."""
        return scopes.family(self._request, self._scope.service)

    @property
    def covers_body(self) -> bool:
        """The signature is over the body itself: its bytes must be there before `verify`."""
        return self._payload is None

    def verify(self, secret: str) -> None:
        """Raise unless the holder of `secret` signed this request."""
        payload = self._payload
        if payload is None:
            body = self._request.body
            if not isinstance(body, bytes):
                raise TypeError("the signature covers the body: collect it before verifying")
            payload = sha256(body).hexdigest()
        text = f"{self._canonical}\n{payload}"
        digest = sha256(text.encode("latin-1")).hexdigest()
        to_sign = f"{ALGORITHM}\n{self.amz_date}\n{self._scope.text}\n{digest}"
        computed = self._key(secret).sign(to_sign)
        if not hmac.compare_digest(computed.encode(), self._signature.encode()):
            raise self._mismatch(text, to_sign)

    def body(self, secret: str, body: Body) -> Body:
        """The proved body. A stream is proved as it is read, and raises where it proves false.

        Bytes that a stream has yielded are believed only once it ended without raising. Trailing
        headers are in `trailers` (and in the stream's own `trailers`) from then on; a body that has
        any is a stream even if it was bytes.
        """
        if self._payload is None or self.mode is Mode.UNSIGNED:
            return body
        return proved(
            body,
            mode=self.mode,
            expected=self._payload,
            key=self._key(secret),
            amz_date=self.amz_date,
            scope=self._scope.text,
            seed=self._signature,
            length=self.decoded_length,
            declared=self._request.header("x-amz-trailer"),
            trailers=self.trailers,
            family=self.family,
        )

    def expect(self, services: Collection[str]) -> None:
        """Raise unless it was signed for one of these signing names."""
        if self.service in services:
            return
        right = min(services)
        words = self.family
        if words is S3:
            raise AuthorizationHeaderMalformed(
                "The authorization header is malformed; incorrect service "
                f'"{self.service}". This endpoint belongs to "{right}".'
            )
        raise words.mismatch(f"Credential should be scoped to correct service: '{right}'. ")

    def _key(self, secret: str) -> SigningKey:
        scope = self._scope
        return _signing_key(secret, scope.date, scope.region, scope.service)

    def _mismatch(self, canonical_request: str, to_sign: str) -> Exception:
        if self._scope.s3:
            return S3.mismatch(
                AWSAccessKeyId=self.access_key,
                StringToSign=to_sign,
                SignatureProvided=self._signature,
                StringToSignBytes=_spaced(to_sign),
                CanonicalRequest=canonical_request,
                CanonicalRequestBytes=_spaced(canonical_request),
            )
        return self.family.mismatch(
            f"{MISMATCH}\n\nThe Canonical String for this request should have been\n"
            f"'{canonical_request}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
        )


def read(request: Request, now: float, default_region: str) -> Claim | None:
    """The claim of a signed request, None of an anonymous one; raises if it is malformed.

    The clock, the scope's form and what must be signed are checked here; the signature is not.
    """
    authorization: str | None = None
    for name, value in request.headers:
        if name == "authorization":
            if authorization is not None:
                raise scopes.only_one(request, value)
            authorization = value
    if request.query and (parameters := presigned.parameters(request)) is not None:
        if authorization is not None:
            raise scopes.only_one(request, authorization)
        return _presigned(request, parameters, now, default_region)
    if authorization is None:
        return None
    scope, signature = scopes.header(request, authorization)
    headers, signed = _signed_headers(request, scope, authorization)
    amz_date = _date(request, scope, signed, authorization)
    _check_clock(request, scope, amz_date, now)
    payload = signed.get(CONTENT_SHA256)
    if payload is None and scope.s3:
        raise InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    return Claim(
        request, scope, default_region, amz_date, signed.get("x-amz-security-token", ""), signature,
        _canonical_request(request, scope, headers, canonical.query(request.query)), payload,
    )  # fmt: skip


def _presigned(
    request: Request, parameters: list[tuple[str, str]], now: float, default_region: str
) -> Claim:
    found = presigned.parse(request, parameters, now, SKEW_S_MAX)
    scope = found.scope
    headers, signed = _signed_headers(request, scope, "")
    payload = signed.get(CONTENT_SHA256) or found.payload
    if payload is None and scope.s3:
        payload = Mode.UNSIGNED.value
    query = canonical.query(request.query, without="X-Amz-Signature")
    text = _canonical_request(request, scope, headers, query)
    if scope.s3:
        given = [pair for pair in parameters if pair[0] not in presigned.OWN]
        request.headers = [*request.headers, *presigned.headers(request, given).items()]
    return Claim(
        request, scope, default_region, found.amz_date, found.token, found.signature, text, payload
    )


def _canonical_request(request: Request, scope: Scope, headers: str, query: str) -> str:
    path = canonical.s3_path(request.path) if scope.s3 else canonical.path(request.path)
    return f"{request.method}\n{path}\n{query}\n{headers}\n{scope.signed_text}"


def _signed_headers(
    request: Request, scope: Scope, authorization: str
) -> tuple[str, dict[str, str]]:
    """The canonical headers, and the values of those and of x-amz-content-sha256, by name.

    `host` and every x-amz- header must be signed: they decide what the request means. The payload's
    hash need not be, for it is in the canonical request anyway.
    """
    names = scope.names
    found: dict[str, str] = {}
    unsigned: list[str] | None = None
    for name, value in request.headers:
        if name in names or name == CONTENT_SHA256:
            if "  " in value or value != value.strip(" \t"):
                value = canonical.value(value)
            found[name] = f"{found[name]},{value}" if name in found else value
        elif name[:6] == "x-amz-":
            unsigned = [name] if unsigned is None else [*unsigned, name]
    if "host" not in names:
        unsigned = ["host", *(unsigned or [])]
    if unsigned:
        raise _not_signed(request, scope, unsigned)
    lines = [f"{name}:{found.get(name, '')}\n" for name in scope.signed]
    return "".join(lines), found


def _not_signed(request: Request, scope: Scope, unsigned: list[str]) -> Exception:
    words = scopes.family(request, scope.service)
    if words is S3:
        return AccessDenied(
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(unsigned),
        )
    first = unsigned[0]
    name = "'Host' or ':authority'" if first == "host" else f"'{first.title()}'"
    return words.mismatch(f"{name} must be a 'SignedHeader' in the AWS Authorization.")


def _date(request: Request, scope: Scope, signed: dict[str, str], authorization: str) -> str:
    """When the request says that it was signed; x-amz-date goes before Date."""
    given = signed.get("x-amz-date")
    if given is not None and canonical.is_amz_date(given):
        return given
    words = scopes.family(request, scope.service)
    date = request.header("date") if given is None else ""
    if not date and given is None:
        if words is S3:
            raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
        raise words.incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"Authorization={authorization}"
        )
    short = 0 < len(date) <= canonical.DATE_CHARS_MAX
    parsed = canonical.from_http_date(date) if short else None
    if parsed is None:
        if words is S3:
            raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
        raise words.incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{given or date}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601"
        )
    return parsed


def _check_clock(request: Request, scope: Scope, amz_date: str, now: float) -> None:
    at = canonical.seconds(amz_date)
    assert at is not None
    if amz_date[:8] == scope.date and -SKEW_S_MAX <= at - now <= SKEW_S_MAX:
        return
    words = scopes.family(request, scope.service)
    if words is S3:
        if amz_date[:8] != scope.date:
            raise AuthorizationHeaderMalformed(
                f'The authorization header is malformed; Invalid credential date "{scope.date}". '
                f'This date is not the same as X-Amz-Date: "{amz_date[:8]}".'
            )
        raise RequestTimeTooSkewed(
            RequestTime=amz_date,
            ServerTime=canonical.iso_date(now),
            MaxAllowedSkewMilliseconds=str(SKEW_S_MAX * 1000),
        )
    raise presigned.clock_error(words, scope.date, amz_date, now, SKEW_S_MAX)


@lru_cache(maxsize=CACHED_MAX)
def _signing_key(secret: str, date: str, region: str, service: str) -> SigningKey:
    return SigningKey.derive(secret, date, region, service)


def _spaced(text: str) -> str:
    return text.encode("latin-1").hex(" ")
