"""How a request to S3 was signed and came, as the condition keys that bucket policies ask for.

https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from typing import Any

from ogi.access import canonical, sigv2
from ogi.access.authenticate import Claim
from ogi.access.scopes import ALGORITHM
from ogi.http import Request, Tls


def keys(request: Request, claim: Claim | None, now: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(request.secure, Tls):
        found["s3:TlsVersion"] = request.secure.version.removeprefix("TLSv")
    if claim is None:
        return found
    in_query = "Signature=" in request.query
    found["s3:authType"] = "REST-QUERY-STRING" if in_query else "REST-HEADER"
    if isinstance(claim, sigv2.Claim):
        # "In Signature Version 2, this value is always set to 0."
        return {**found, "s3:signatureversion": "AWS", "s3:signatureAge": "0"}
    found["s3:signatureversion"] = ALGORITHM
    if in_query:
        # "This condition works for: Presigned URLs"
        signed = canonical.seconds(claim.amz_date)
        found["s3:signatureAge"] = str(max(0, int((now - (signed or now)) * 1000)))
        return found
    # "...this condition key doesn't support the header as a query string parameter."
    payload = request.header("x-amz-content-sha256")
    if payload:
        found["s3:x-amz-content-sha256"] = payload
    return found
