"""Which service a request is for, by its head alone: no body is read before it is verified.

What signs says most (the credential scope names the service), then what the protocol's headers
say, then host and path, last the query. What is left is S3: anything may be a bucket and a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl

from ogi.http import Request
from ogi.wire.query import FORM

HOST_BYTES_MAX = 255


class Route:
    """Where a request goes."""

    __slots__ = ("needs_body", "request", "service")

    def __init__(self, service: str, request: Request, needs_body: bool = False) -> None:
        self.service = service
        """botocore's name."""
        self.request = request
        """The request to parse; path style where the caller named the bucket by host."""
        self.needs_body = needs_body
        """Only the form in the body says which service: route again once it is there."""


class Service(NamedTuple):
    """How requests name a service; a test compares each row with the service's model."""

    name: str
    signing: str
    """In the credential scope."""
    hosts: tuple[str, ...]
    """First labels of host names."""
    target: str = ""
    """In X-Amz-Target before the dot, and in the paths of RPC v2."""
    version: str = ""
    """Of the query protocol."""


SERVICES = (
    Service("s3", "s3", ("s3",)),
    Service("sns", "sns", ("sns",), version="2010-03-31"),
    Service("sqs", "sqs", ("sqs", "queue"), target="AmazonSQS", version="2012-11-05"),
    Service("lambda", "lambda", ("lambda",)),
    Service("kms", "kms", ("kms",), target="TrentService"),
    Service("iam", "iam", ("iam",), version="2010-05-08"),
    Service("sts", "sts", ("sts",), version="2011-06-15"),
    Service("cloudformation", "cloudformation", ("cloudformation",), version="2010-05-15"),
    Service(
        "cloudwatch",
        "monitoring",
        ("monitoring",),
        target="GraniteServiceVersion20100801",
        version="2010-08-01",
    ),
    Service("logs", "logs", ("logs", "stream-logs", "streaming-logs"), target="Logs_20140328"),
)

UNKNOWN = "unknown"
"""A service that is not in the table; its codec refuses every request."""

_BY_SIGNING = {service.signing: service.name for service in SERVICES}
_BY_HOST = {label: service.name for service in SERVICES for label in service.hosts}
_BY_TARGET = {service.target: service.name for service in SERVICES if service.target}
_BY_VERSION = {service.version: service.name for service in SERVICES if service.version}

_BY_ACTION = {
    # Requests that nobody signs and that come without a Version: links in SNS's messages, and
    # what holders of foreign tokens send.
    "ConfirmSubscription": "sns",
    "Unsubscribe": "sns",
    "AssumeRoleWithWebIdentity": "sts",
    "AssumeRoleWithSAML": "sts",
}

_LAMBDA_PATH = re.compile(r"/20\d\d-\d\d-\d\d/")
"""Every path of Lambda begins with the date of its API's version; no bucket's name can."""

_QUEUE_PATH = re.compile(r"/\d{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?/?")
_VIRTUAL = re.compile(r"(?P<bucket>.+)\.s3(?:[.-].+)?")
_LOCAL = re.compile(r"(?P<bucket>[^:]+)\.localhost")


def route(request: Request, signed_service: str | None) -> Route:
    """signed_service: the service of the credential scope, if the request is signed."""
    if signed_service is not None:
        service = _BY_SIGNING.get(signed_service)
        if service is None:
            # S3's kin sign with other names; what has a target is none of S3's.
            service = "s3" if signed_service.startswith("s3") else UNKNOWN
        return Route(service, path_style(request) if service == "s3" else request)
    service = _by_head(request)
    if service is not None:
        return Route(service, path_style(request) if service == "s3" else request)
    if _has_form(request):
        if not isinstance(request.body, bytes) or not request.body:
            return Route("s3", request, needs_body=True)
        form = request.body.decode("latin-1")
        service = _by_names(parse_qsl(form, max_num_fields=None)) or "s3"
        return Route(service, request)
    return Route("s3", path_style(request))


def _by_head(request: Request) -> str | None:
    target = request.header("x-amz-target")
    if target:
        return _BY_TARGET.get(target.partition(".")[0], UNKNOWN)
    if request.header("smithy-protocol"):
        return _BY_TARGET.get(_rpc_service(request.path), UNKNOWN)
    host = host_name(request)
    service = _by_host(host)
    if service is not None:
        return service
    if _LAMBDA_PATH.match(request.path):
        return "lambda"
    names = request.parameters() if request.query else []
    if _QUEUE_PATH.fullmatch(request.path) and any(name == "Action" for name, _ in names):
        return "sqs"
    if _virtual_bucket(host):
        return "s3"
    return _by_names(names)


def _rpc_service(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) == 5 and parts[1] == "service" else ""


def _by_host(host: str) -> str | None:
    """`sns.eu-west-1.amazonaws.com`, `eu-west-1.queue.amazonaws.com`, `sqs.localhost`."""
    labels = host.split(".")
    if len(labels) < 2:
        return None
    service = _BY_HOST.get(labels[0])
    if service is not None:
        return service
    return "sqs" if labels[1] == "queue" and labels[2:] == ["amazonaws", "com"] else None


def _by_names(names: Iterable[tuple[str, str]]) -> str | None:
    found = dict(names)
    action = found.get("Action")
    if not action:
        return None
    return _BY_VERSION.get(found.get("Version", "")) or _BY_ACTION.get(action)


def _has_form(request: Request) -> bool:
    return request.method == "POST" and request.header("content-type").startswith(FORM)


# -- S3's hosts ---------------------------------------------------------------------------------


def host_name(request: Request) -> str:
    """The host in lower case, without its port."""
    host = request.header("host")
    if not host or len(host) > HOST_BYTES_MAX or host[0] == "[":
        return ""
    return host.partition(":")[0].lower()


def _virtual_bucket(host: str) -> str:
    if host.endswith(".localhost"):
        found = _LOCAL.fullmatch(host)
        bucket = found["bucket"] if found else ""
        # `bucket.s3.localhost` like any other host; `sqs.localhost` is no bucket.
        if not bucket.endswith(".s3") and ".s3." not in bucket:
            return "" if bucket in _BY_HOST else bucket
    if ".s3" not in host:
        return ""
    found = _VIRTUAL.fullmatch(host)
    return found["bucket"] if found else ""


def path_style(request: Request) -> Request:
    """The request with the bucket in its path; the same one if it is there already.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    bucket = _virtual_bucket(host_name(request))
    if not bucket:
        return request
    return request.at(f"/{bucket}{request.path}")
