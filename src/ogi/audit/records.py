"""One event in CloudTrail's record format, version 1.11.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ogi.access import sigv2
from ogi.access.authenticate import Claim
from ogi.audit import elements, identities, names
from ogi.audit.identities import INTERNAL, Identity
from ogi.errors import AwsError
from ogi.http import Request, Tls
from ogi.service import Call

VERSION = "1.11"
ELEMENTS_BYTES_MAX = 100 * 1024
"""Of `requestParameters` and of `responseElements`: larger ones are left out (the page above)."""
FRAMES_MAX = 1024
TEXT_MAX = 1024
"""Characters of an agent, an error's code and its message (the page above)."""

Record = dict[str, Any]
_encoder = msgspec.json.Encoder()
encode = _encoder.encode


class Requester(msgspec.Struct, frozen=True):
    """Whence a request came."""

    identity: Identity
    address: str
    agent: str
    host: str = ""
    tls: Tls | None = None
    extra: dict[str, str] = {}
    """What S3 adds: how the request was signed."""


def client(request: Request, claim: Claim | None, identity: Identity, service: str) -> Requester:
    """A request that came over HTTP."""
    agent = host = ""
    for name, value in request.headers:
        if name == "user-agent":
            agent = agent or value
        elif name == "host":
            host = host or value
    tls = request.secure if isinstance(request.secure, Tls) else None
    extra: dict[str, str] = {}
    if service == "s3":
        agent = f"[{agent}]"
        extra = _signed(request, claim, tls)
    return Requester(identity, request.peer, agent[:TEXT_MAX], host[:TEXT_MAX], tls, extra)


def neighbour(call: Call) -> Requester:
    """A request of one service to another."""
    principal, context = call.principal, call.context
    via = str(context.get("ogi:InvokedBy", ""))
    chain = context.get("aws:CalledVia")
    if chain:
        via = chain[-1]
    identity = identities.of(principal, context, "", via)
    source = principal.arn if principal.kind == "service" else via or INTERNAL
    return Requester(identity, source, source)


def of(
    requester: Requester,
    event_id: str,
    at: float,
    *,
    service: str,
    operation: str,
    region: str,
    account: str,
    request_id: str,
    asked: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    error: AwsError | None,
) -> Record:
    """The record of one request; `operation` is '' where it came to none."""
    frame = _frame(service, operation)
    record: Record = {
        "eventVersion": VERSION,
        "userIdentity": requester.identity,
        "eventTime": _iso(int(at)),
        "eventSource": frame.source,
        "eventName": frame.event,
        "awsRegion": region,
        "sourceIPAddress": requester.address,
        "userAgent": requester.agent,
    }
    if error is not None:
        record["errorCode"] = (error.code or error.shape)[:TEXT_MAX]
        record["errorMessage"] = error.message[:TEXT_MAX]
    record["requestParameters"] = _parameters(service, operation, requester, asked)
    record["responseElements"] = (
        elements.answered(service, operation, result) if frame.shows and result else None
    )
    if requester.extra:
        record["additionalEventData"] = requester.extra
    record["requestID"] = request_id
    record["eventID"] = event_id
    record["readOnly"] = frame.reads
    found = names.resources(service, region, account, asked, result or {}) if operation else []
    if found:
        record["resources"] = found
    record["eventType"] = "AwsApiCall"
    record["managementEvent"] = not frame.data
    record["recipientAccountId"] = account
    record["eventCategory"] = "Data" if frame.data else "Management"
    if requester.tls is not None:
        record["tlsDetails"] = {
            "tlsVersion": requester.tls.version,
            "cipherSuite": requester.tls.cipher,
            "clientProvidedHostHeader": requester.host,
        }
    return record


def happened(event_id: str, at: float, call: Call, service: str, event: str, arn: str) -> Record:
    """What a service did by itself to a resource of the account: an AwsServiceEvent.

    https://docs.aws.amazon.com/kms/latest/developerguide/ct-rotatekey.html
    """
    kind = names.resources(service, call.region, call.account, {"KeyId": arn}, {})
    return {
        "eventVersion": VERSION,
        "userIdentity": identities.service_of(call.account),
        "eventTime": _iso(int(at)),
        "eventSource": names.source(service),
        "eventName": event,
        "awsRegion": call.region,
        "sourceIPAddress": INTERNAL,
        "userAgent": INTERNAL,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id,
        "readOnly": False,
        "resources": kind,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "serviceEventDetails": {"keyId": arn.rpartition("/")[2]},
        "eventCategory": "Management",
    }


def _parameters(
    service: str, operation: str, requester: Requester, asked: Mapping[str, Any]
) -> dict[str, Any] | None:
    shown = elements.asked(service, operation, asked) if operation else None
    if service == "s3" and requester.host:
        shown = {**(shown or {}), "Host": requester.host}
    elif service == "kms" and operation in ("Decrypt", "Encrypt"):
        # "always includes the encryptionAlgorithm ... even if [it] wasn't specified":
        # docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html
        shown = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", **(shown or {})}
    return shown


class _Frame(NamedTuple):
    """What is the same in all records of an operation."""

    source: str
    event: str
    reads: bool
    data: bool
    shows: bool
    """Its response elements are recorded."""


@lru_cache(maxsize=FRAMES_MAX)
def _frame(service: str, operation: str) -> _Frame:
    """Of an operation that Ogi has; '' of one that was not understood."""
    reads = bool(operation) and names.is_read(service, operation)
    return _Frame(
        names.source(service),
        names.event(service, operation) if operation else "Unknown",
        reads,
        names.is_data(service, operation),
        not reads or operation in names.ANSWERED.get(service, ()),
    )


def line(record: Record) -> bytes:
    """The record as a line, without its end; elements that are too large are left out."""
    encoded = encode(record)
    if len(encoded) <= ELEMENTS_BYTES_MAX:
        return encoded
    for part in ("requestParameters", "responseElements"):
        if record[part] is not None and len(encode(record[part])) > ELEMENTS_BYTES_MAX:
            record = {**record, part: {"omitted": True}}
    return encode(record)


def _signed(request: Request, claim: Claim | None, tls: Tls | None) -> dict[str, str]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-request-identification.html"""
    extra: dict[str, str] = {}
    if claim is not None:
        in_query = "Signature=" in request.query
        extra["SignatureVersion"] = "SigV2" if isinstance(claim, sigv2.Claim) else "SigV4"
        extra["AuthenticationMethod"] = "QueryString" if in_query else "AuthHeader"
    if tls is not None:
        extra["CipherSuite"] = tls.cipher
    return extra


@lru_cache(maxsize=64)
def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
