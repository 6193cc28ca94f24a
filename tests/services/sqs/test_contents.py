"""The content of messages: what is accepted, how large, and the digests."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi.services.sqs import contents, errors
from tests.services.sqs.conftest import Client


def _string(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


@pytest.mark.parametrize("body", ["\t\n\r", " ", "\ud7ff", "\ue000\ufffd", "\U0010ffff", "😀"])
async def test_every_allowed_character_travels(sqs: Client, url: str, body: str) -> None:
    await sqs.send(url, body)
    assert await sqs.bodies(url) == [body]


@pytest.mark.parametrize(
    "char", ["\x00", "\x08", "\x0b", "\x0c", "\x1f", "\ufffe", "\uffff", "\ud800"]
)
async def test_other_characters_are_refused(sqs: Client, url: str, char: str) -> None:
    with pytest.raises(errors.InvalidMessageContents, match=f"#x{ord(char):X}"):
        await sqs.send(url, f"a{char}b")
    with pytest.raises(errors.InvalidMessageContents):
        await sqs.send(url, MessageAttributes={"a": _string(char)})


async def test_an_empty_body_is_missing(sqs: Client, url: str) -> None:
    with pytest.raises(errors.MissingParameter) as refused:
        await sqs.send(url, "")
    assert refused.value.message == "The request must contain the parameter MessageBody."


async def test_a_message_has_a_mebibyte_with_its_attributes(sqs: Client, url: str) -> None:
    attributes = {"name": _string("value")}
    size = 1_048_576 - len("name") - len("String") - len("value")
    await sqs.send(url, "x" * size, MessageAttributes=attributes)
    with pytest.raises(errors.InvalidParameterValue) as refused:
        await sqs.send(url, "x" * (size + 1), MessageAttributes=attributes)
    assert refused.value.message == (
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."
    )


async def test_a_queue_can_allow_less(sqs: Client) -> None:
    url = await sqs.queue(MaximumMessageSize=1_024)
    await sqs.send(url, "ä" * 512)
    with pytest.raises(errors.InvalidParameterValue, match="shorter than 1024 bytes"):
        await sqs.send(url, "ä" * 512 + "x")


async def test_attributes_travel_with_their_types_and_labels(sqs: Client, url: str) -> None:
    attributes = {
        "text": _string("häl\tlo"),
        "number": _string("-1.5e10", "Number"),
        "labelled": _string("12", "Number.int"),
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    sent = await sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    (message,) = await sqs.receive(url, MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    (message,) = await sqs.receive(url, MessageAttributeNames=["te.*", "bytes"])
    assert set(message["MessageAttributes"]) == {"text", "bytes"}
    assert message["MD5OfMessageAttributes"] == contents.md5_of_attributes(
        message["MessageAttributes"]
    )
    sqs.clock.advance(30)
    (message,) = await sqs.receive(url)
    assert "MessageAttributes" not in message


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        (
            {f"a{n}": _string("x") for n in range(11)},
            r"Number of message attributes \[11\] exceeds the allowed maximum \[10\].",
        ),
        ({"": _string("x")}, "non-empty message attribute name"),
        ({"a b": _string("x")}, "a b"),
        ({"a..b": _string("x")}, "a..b"),
        ({".a": _string("x")}, ".a"),
        ({"AWS.x": _string("x")}, "AWS.x"),
        ({"amazon.x": _string("x")}, "amazon.x"),
        ({"a" * 257: _string("x")}, "256|257"),
        ({"a": _string("x", "string")}, "Binary, Number, String"),
        ({"a": _string("x", "")}, "non-empty message attribute type"),
        ({"a": _string("")}, "must contain a non-empty value of type 'String'"),
        ({"a": {"DataType": "Binary", "StringValue": "x"}}, "must contain a non-empty value"),
        ({"a": _string("x", "Number")}, "Can't cast the value of message .user. attribute 'a'"),
        ({"a": _string("NaN", "Number")}, "Can't cast"),
        ({"a": {**_string("x"), "StringListValues": ["x"]}}, "not supported"),
        ({"a": {"StringValue": "x"}}, "non-empty message attribute type"),
        ({"a": {"DataType": "Binary"}}, "must contain a non-empty value of type 'Binary'"),
    ],
)
async def test_a_bad_attribute_is_refused(
    sqs: Client, url: str, attributes: Any, sentence: str
) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=sentence):
        await sqs.send(url, MessageAttributes=attributes)
    entries = [
        {"Id": "good", "MessageBody": "x"},
        {"Id": "bad", "MessageBody": "x", "MessageAttributes": attributes},
    ]
    result = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in result["Successful"]] == ["good"]
    assert [one["Code"] for one in result["Failed"]] == ["InvalidParameterValue"]


@pytest.mark.parametrize(
    "text", ["0", "-1", "+1.50", ".5", "5.", "1e126", "-1E-128", "0" * 60 + "1", "1" * 38, "0e999"]
)
async def test_what_is_a_number_travels_as_it_was_written(sqs: Client, url: str, text: str) -> None:
    attributes = {"a": _string(text, "Number")}
    await sqs.send(url, MessageAttributes=attributes)
    (message,) = await sqs.receive(url, MessageAttributeNames=["a"])
    assert message["MessageAttributes"] == attributes


@pytest.mark.parametrize(
    "text",
    ["x", "NaN", "Infinity", "1_000", " 1", "1\n", "٣", "0x1", "1.1e126", "1e-129", "1e127",
     "1" * 39, "1e9999999999", "9" * 5_000, "-", ".", "e5"],
)  # fmt: skip
async def test_what_is_no_number_is_refused(sqs: Client, url: str, text: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=r"Can't cast the value of message"):
        await sqs.send(url, MessageAttributes={"a": _string(text, "Number.float")})


@pytest.mark.parametrize(
    "system",
    [
        {"Other": _string("x")},
        {"AWSTraceHeader": _string("nonsense")},
        {"AWSTraceHeader": {"DataType": "Binary", "BinaryValue": b"Root=1"}},
    ],
)
async def test_a_bad_system_attribute_is_refused(sqs: Client, url: str, system: Any) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=r"(?i)message system attribute"):
        await sqs.send(url, MessageSystemAttributes=system)


@given(
    st.dictionaries(
        st.text("abcXYZ._-09", min_size=1),
        st.one_of(
            st.builds(_string, st.text(min_size=1), st.sampled_from(["String", "Number.x"])),
            st.builds(
                lambda raw: {"DataType": "Binary", "BinaryValue": raw}, st.binary(min_size=1)
            ),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_the_digest_of_attributes_is_the_documented_one(attributes: dict[str, Any]) -> None:
    """Names in order; each name, type and value after its length in four bytes; 1 text, 2 bytes."""
    raw = b""
    for name in sorted(attributes):
        value = attributes[name]
        for part in (name.encode(), value["DataType"].encode()):
            raw += struct.pack(">I", len(part)) + part
        if "BinaryValue" in value:
            raw += b"\x02" + struct.pack(">I", len(value["BinaryValue"])) + value["BinaryValue"]
        else:
            text = value["StringValue"].encode()
            raw += b"\x01" + struct.pack(">I", len(text)) + text
    assert contents.md5_of_attributes(attributes) == hashlib.md5(raw).hexdigest()
