"""CBOR: what it gives back, and what it refuses."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire import cbor, codec
from ogi.wire.scalars import Malformed


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary()
        | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)  # fmt: skip
def test_cbor_gives_back_what_it_was_given(value: Any) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode()
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {plain(key): plain(item) for key, item in value.items()}
        return value

    value = plain(value)
    assert cbor.decode(cbor.encode(value)) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        # RFC 8949, appendix A.
        ("1818", 24), ("3903e7", -1000), ("f93c00", 1.0), ("fa47c35000", 100000.0),
        ("f4", False), ("f7", None), ("c11a514b67b0", 1363896240),
        ("c1fb41d452d9ec200000", 1363896240.5),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)  # fmt: skip
def test_cbor_reads_the_examples_of_its_standard(data: str, value: Any) -> None:
    assert cbor.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        "", "18", "5bffffffffffffffff", "9bffffffffffffffff", "bb7fffffffffffffff", "1c", "ff",
        "c202", "c16161", "a10102", "fe", "f820", "61ff", "5f6161ff", "0000", "9f", "bf6161",
        "81" * 200, "9f" * 200, "a16161" * 200,
    ],
)  # fmt: skip
def test_cbor_that_is_none_is_refused_and_costs_nothing(data: str) -> None:
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(data))


def test_cbor_times_are_tagged() -> None:
    assert cbor.encode(cbor.Timestamp(1.5)) == b"\xc1\xfb" + struct.pack(">d", 1.5)


def test_a_broken_cbor_body_is_refused() -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    for body in (b"\xa1", b"\x01", b'{"Namespace":"n"}'):
        request = Request("POST", path, "", [("smithy-protocol", "rpc-v2-cbor")], body)
        with pytest.raises(AwsError) as caught:
            codec("cloudwatch").parse(request)
        assert caught.value.shape == "SerializationException"
