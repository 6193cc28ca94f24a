"""botocore as our inverse: it writes requests that we parse, and parses answers that we write."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from ogi.http import Request, Response
from ogi.wire import models, quirks

SERVICES = (
    "s3", "sns", "sqs", "lambda", "kms", "iam", "sts", "cloudformation", "logs", "cloudwatch",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOST = "http://127.0.0.1:4566"


def protocols(service: str) -> list[str]:
    names = list(models.load(service).protocols)
    return [*names, "query"] if service == "sqs" else names


SPOKEN = [(service, protocol) for service in SERVICES for protocol in protocols(service)]


@cache
def service_model(service: str, protocol: str = "") -> ServiceModel:
    model = Loader().load_service_model(service, "service-2")
    if (service, protocol) == ("sqs", "query"):
        # What its query model had and its JSON model has lost; test_query compares with AWS's
        # own samples.
        model = deepcopy(model)
        for place, name in quirks.QUERY_NAMES["sqs"].items():
            shape_name, _, part = place.partition(".")
            shape = model["shapes"][shape_name]
            shape.get("members", shape)[part]["locationName"] = name
        for name, operation in model["operations"].items():
            operation.get("output", {})["resultWrapper"] = f"{name}Result"
    return ServiceModel(model, service)


@cache
def operations(service: str, protocol: str) -> list[OperationModel]:
    """Those that a request can be told to mean, and whose body is no stream of events."""
    model = service_model(service, protocol)
    ours = models.load(service)
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        mine = ours.operation(name)
        assert mine is not None
        if quirks.is_hidden(mine):
            continue
        if operation.has_event_stream_input or operation.has_event_stream_output:
            continue
        found.append(operation)
    return found


def _to_datetimes(value: Any, shape: Shape) -> Any:
    if shape.type_name == "structure":
        return {k: _to_datetimes(v, shape.members[k]) for k, v in value.items()}
    if shape.type_name == "list":
        return [_to_datetimes(v, shape.member) for v in value]
    if shape.type_name == "map":
        return {k: _to_datetimes(v, shape.value) for k, v in value.items()}
    if shape.type_name == "timestamp":
        return EPOCH + timedelta(seconds=value)
    return value


def request(operation: OperationModel, params: dict[str, Any], protocol: str) -> Request:
    """The request that botocore would send."""
    shape = operation.input_shape
    values = _to_datetimes(params, shape) if shape is not None else params
    serializer = create_serializer(protocol, include_validation=False)
    found = serializer.serialize_to_request(values, operation)
    prepare_request_dict(found, HOST, context={})
    prepared = create_request_object(found).prepare()
    parts = urlsplit(prepared.url)
    headers = [
        (name.lower(), value if isinstance(value, str) else value.decode("latin-1"))
        for name, value in prepared.headers.items()
    ]
    body = prepared.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    if operation.http_checksum and body:
        digest = b64encode(md5(body, usedforsecurity=False).digest()).decode()
        headers.append(("content-md5", digest))
    headers.append(("host", "127.0.0.1:4566"))
    return Request(prepared.method, parts.path, parts.query, headers, body)


def answer(operation: OperationModel, response: Response, protocol: str) -> dict[str, Any]:
    """What botocore reads in our answer."""
    found = create_parser(protocol).parse(_raw(response), operation.output_shape)
    found.pop("ResponseMetadata", None)
    return dict(found)


def error(response: Response, protocol: str) -> dict[str, Any]:
    return dict(create_parser(protocol).parse(_raw(response), None))


def _raw(response: Response) -> dict[str, Any]:
    headers = HeadersDict()
    for name, value in response.headers:
        headers[name] = value
    return {
        "status_code": response.status,
        "headers": headers,
        "body": response.body,
        "context": {},
    }


def plain(value: Any) -> Any:
    """A value without what some protocols cannot say: empty collections; times are numbers."""
    if isinstance(value, dict):
        items = ((name, plain(item)) for name, item in value.items())
        return {name: item for name, item in items if item not in ({}, [], None)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return round((value - EPOCH).total_seconds(), 3)
    if isinstance(value, float):
        return round(value, 3)
    return value
