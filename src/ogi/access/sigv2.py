"""Signature Version 2 in the query, for S3 alone: what boto3 and the AWS CLI presign by default.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html, "Query string request
authentication alternative". The version has no scope, so it is taken for the default region; AWS
takes it in regions from before 2014, Ogi in all, for here no region is older than another.

Version 2 signs only some of the query. What it leaves open must not change what a request asks for:
sub-resources that it does not sign are refused, and so is whatever signs the same bytes as another
query would. In Authorization headers the version stays refused.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from ogi.access import canonical, payloads, presigned, scopes
from ogi.access.signature_errors import S3, AccessDenied, Family, InvalidRequest
from ogi.http import Body, Request

MARKS = ("AWSAccessKeyId", "Signature", "Expires")
TOKEN = "x-amz-security-token"
EXPIRES_DIGITS_MAX = 12

SIGNED = frozenset({
    # The page's list.
    "acl", "lifecycle", "location", "logging", "notification", "partNumber", "policy",
    "requestPayment", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
    "website", "delete", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type",
    "response-expires",
    # Younger than the page: what clients sign, and S3 verifies (botocore's HmacV1Auth).
    "accelerate", "analytics", "cors", "defaultObjectAcl", "inventory", "metrics", "object-lock",
    "replication", "restore", "select", "select-type", "storageClass", "tagging",
})  # fmt: skip
UNSIGNED = frozenset({
    "abac", "annotation", "annotationName", "attributes", "encryption", "intelligent-tiering",
    "legal-hold", "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable",
    "metadataJournalTable", "metadataTable", "ownershipControls", "policyStatus",
    "publicAccessBlock", "renameObject", "retention", "session",
})  # fmt: skip
"""Sub-resources that no client of version 2 signs; they would make another request of a URL."""


class Claim:
    """What a presigned URL of version 2 says of itself; true once `verify` has returned."""

    __slots__ = ("_request", "_signature", "_to_sign", "access_key", "region", "token")

    service = "s3"
    family: Family = S3
    covers_body = False

    def __init__(
        self,
        request: Request,
        access_key: str,
        region: str,
        token: str,
        signature: str,
        to_sign: bytes,
    ) -> None:
        self._request = request
        self._signature = signature
        self._to_sign = to_sign
        self.access_key = access_key
        self.region = region
        self.token = token
        """The session token, or ''."""

    def verify(self, secret: str) -> None:
        """Raise unless the holder of `secret` signed this request."""
        digest = hmac.digest(secret.encode(), self._to_sign, "sha1")
        if hmac.compare_digest(b64encode(digest), self._signature.encode("utf-8", "replace")):
            return
        raise S3.mismatch(
            AWSAccessKeyId=self.access_key,
            StringToSign=self._to_sign.decode("utf-8", "replace"),
            SignatureProvided=self._signature,
            StringToSignBytes=self._to_sign.hex(" "),
        )

    def body(self, secret: str, body: Body) -> Body:
        """The body, which version 2 does not sign, without its framing."""
        return payloads.anonymous(self._request)


def is_meant(request: Request) -> bool:
    """The query says that it is signed with version 2."""
    query = request.query
    if "Signature" not in query and "AWSAccessKeyId" not in query and "%" not in query:
        return False
    return any(name in MARKS[:2] for name, _ in request.parameters())


def read(request: Request, now: float, region: str, path_of: Callable[[Request], str]) -> Claim:
    """The claim of a request that is so signed; the clock is checked here, the signature is not.

    path_of: the path with the bucket in it, also where the host names the bucket.
    """
    words = scopes.family(request)
    if words is not S3:
        raise words.missing()
    parameters = request.parameters()
    authorization = request.header("authorization")
    if authorization or any(name in presigned.MARKS for name, _ in parameters):
        raise scopes.only_one(request, authorization)
    given = {name: value for name, value in parameters if name in MARKS}
    if [name for name, _ in parameters if name in MARKS] != list(given) or len(given) < len(MARKS):
        raise AccessDenied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters"
        )
    _check_clock(given["Expires"], now)
    if any(name in UNSIGNED for name, _ in parameters):
        raise InvalidRequest()
    moved = presigned.headers(request, parameters)
    headers = _headers(request) | {name: [value.encode("latin-1")] for name, value in moved.items()}
    to_sign = b"\n".join([
        request.method.encode(),
        _value(headers, "content-md5"),
        _value(headers, "content-type"),
        given["Expires"].encode(),
        *(
            name.encode("latin-1") + b":" + _value(headers, name)
            for name in sorted(headers)
            if name.startswith("x-amz-")
        ),
        path_of(request).encode("latin-1") + _subresources(request.query),
    ])  # fmt: skip
    token = moved.pop(TOKEN, "") or request.header(TOKEN)
    request.headers = [*request.headers, *moved.items()]
    return Claim(request, given["AWSAccessKeyId"], region, token, given["Signature"], to_sign)


def _check_clock(expires: str, now: float) -> None:
    if not (expires.isascii() and expires.isdigit() and len(expires) <= EXPIRES_DIGITS_MAX):
        raise AccessDenied(f"Invalid date (should be seconds since epoch): {expires}")
    if int(expires) < now:
        raise AccessDenied(
            "Request has expired",
            Expires=canonical.iso_date(int(expires)),
            ServerTime=canonical.iso_date(now),
        )


def _headers(request: Request) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for name, value in request.headers:
        if name.startswith("x-amz-") or name in ("content-md5", "content-type"):
            found.setdefault(name, []).append(value.strip(" \t").encode("latin-1"))
    return found


def _value(headers: Mapping[str, list[bytes]], name: str) -> bytes:
    return b",".join(headers.get(name, ()))


def _subresources(query: str) -> bytes:
    """Those that are signed, by name, their values as they are meant and not as they are sent."""
    kept: list[tuple[str, bytes]] = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        name = unquote_plus(name)
        if name in SIGNED:
            kept.append((name, f"{name}{equals}{unquote_plus(value)}".encode()))
    if not kept:
        return b""
    kept.sort(key=lambda pair: pair[0])
    text = b"&".join(pair for _, pair in kept)
    # `partNumber=1%26uploadId=U` signs as `partNumber=1&uploadId=U` does and asks for another
    # thing; nothing that is signed may be read in two ways.
    names = [part.partition(b"=")[0].decode("utf-8", "replace") for part in text.split(b"&")]
    names = [name for name in names if name in SIGNED]
    if len(names) != len(kept) or len(set(names)) != len(names):
        raise S3.mismatch()
    return b"?" + text
