"""What we write, botocore reads: every operation of every service, in every protocol it speaks."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.handlers import parse_get_bucket_location
from botocore.model import OperationModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.http import Response
from ogi.wire.codecs import codec
from ogi.wire.protocols import Parsed
from tests.wire import inverse
from tests.wire.samples import NoSample, Sampler


def _asked(service: str, protocol: str, operation: OperationModel, sampler: Sampler) -> Parsed:
    """As if a request had come: its input does not matter here."""
    shape = operation.input_shape
    params = sampler.value(shape) if shape is not None else {}
    for name in [
        name for name in params if name.startswith(("Response", "Checksum", "ContentMD5"))
    ]:
        del params[name]
    return codec(service).parse(inverse.request(operation, params, protocol))


def _read(operation: OperationModel, response: Response, protocol: str) -> dict[str, Any]:
    if operation.name == "GetBucketLocation":
        # The model cannot say what S3 answers, so botocore reads it by hand.
        assert isinstance(response.body, bytes)
        found: dict[str, Any] = {}
        raw = SimpleNamespace(raw=BytesIO(response.body), content=response.body)
        parse_get_bucket_location(found, raw)
        return found
    return inverse.answer(operation, response, protocol)


def _expected(operation: OperationModel, result: dict[str, Any]) -> dict[str, Any]:
    """botocore's parser shows a payload of bytes as a text, before its client wraps it."""
    shape = operation.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload and shape.members[payload].type_name in ("blob", "string"):
        value = result.get(payload, "")
        if "ContentType" in shape.members:
            result = {"ContentType": "binary/octet-stream", **result}
        return {**result, payload: value.decode() if isinstance(value, bytes) else value}
    return result


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_every_answer_is_understood_by_botocore(service: str, protocol: str, seed: int) -> None:
    for operation in inverse.operations(service, protocol):
        try:
            asked = _asked(service, protocol, operation, Sampler(seed))
        except NoSample:
            continue
        shape = operation.output_shape
        sampler = Sampler(seed, answers=True, whole_seconds=service in ("iam", "sts"))
        result = sampler.value(shape) if shape is not None else {}
        for name, member in shape.members.items() if shape is not None else ():
            if member.serialization.get("location") == "statusCode":
                result[name] = 202
        response = codec(service).respond(asked, result, "request-1")
        assert any("request-1" in pair for pair in response.headers)
        found = _read(operation, response, protocol)
        expected = _expected(operation, result)
        assert inverse.plain(found) == inverse.plain(expected), operation.name


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
def test_a_result_with_an_unknown_member_is_a_defect_of_ours(service: str, protocol: str) -> None:
    known = {"s3": "ListBuckets", "lambda": "ListFunctions", "logs": "DescribeLogGroups"}
    known |= {"sqs": "ListQueues", "sns": "ListTopics", "kms": "ListKeys", "iam": "ListUsers"}
    known |= {"sts": "GetCallerIdentity", "cloudformation": "ListStacks"}
    known |= {"cloudwatch": "ListMetrics"}
    operation = inverse.service_model(service).operation_model(known[service])
    parsed = codec(service).parse(inverse.request(operation, {}, protocol))
    with pytest.raises(KeyError):
        codec(service).respond(parsed, {"NotOfTheModel": 1}, "request-1")
