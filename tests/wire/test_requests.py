"""What botocore writes, we read: every operation of every service, in every protocol it speaks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.wire.codecs import codec
from tests.wire import inverse
from tests.wire.samples import NoSample, Sampler

# Digests of a body that hypothesis draws would be refused; test_s3 has them.
_DIGESTS = ("ContentMD5", "ChecksumAlgorithm")


def _without_traps(params: dict[str, Any]) -> dict[str, Any]:
    """What S3 looks at closely has tests of its own."""
    return {
        name: "inline" if name.startswith("Response") and isinstance(value, str) else value
        for name, value in params.items()
        if name not in _DIGESTS and not name.startswith("Checksum")
    }


@pytest.mark.parametrize(("service", "protocol"), inverse.SPOKEN)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_every_request_of_botocore_is_understood(service: str, protocol: str, seed: int) -> None:
    sampler = Sampler(seed)
    for operation in inverse.operations(service, protocol):
        try:
            shape = operation.input_shape
            params = sampler.value(shape) if shape is not None else {}
        except NoSample:
            continue
        if service == "s3":
            params = _without_traps(params)
        request = inverse.request(operation, params, protocol)
        parsed = codec(service).parse(request)
        assert parsed.operation == operation.name
        if operation.has_streaming_input and service == "s3":
            params.setdefault(shape.serialization["payload"], b"")
        # An empty payload is none, unless it has to be there.
        expected = {k: v for k, v in params.items() if v != b"" or k in parsed.params}
        found = {k: v for k, v in parsed.params.items() if k not in _DIGESTS or k in params}
        found.pop("ContentLength", None)
        expected.pop("ContentLength", None)
        assert inverse.plain(found) == inverse.plain(expected), operation.name
