"""What is published: its checks, and its sealing while it waits to be fanned out.

Rules: docs.aws.amazon.com/sns/latest/api/API_Publish.html and
docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
"""

from __future__ import annotations

import hashlib
import json
import re
from unicodedata import category

import msgspec

from ogi import sealing
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import errors
from ogi.services.sns.errors import InvalidParameterException, InvalidParameterValueException
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction

SUBJECT_CHARS_MAX = 100
GROUP_CHARS_MAX = 128
DATA_KEY_REUSE_S = 300
"""As for queues by default; SNS documents caching of data keys without a figure."""

_GROUP = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_ATTRIBUTE_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_RESERVED = re.compile(r"(aws|amazon)\.", re.IGNORECASE)
_SNS_S_OWN = (
    "AWS.SNS.SMS.SenderID", "AWS.SNS.SMS.SMSType", "AWS.SNS.SMS.MaxPrice", "AWS.MM.SMS.",
    "AWS.SNS.MOBILE.",
)  # fmt: skip
"""Beginnings of names that tell SNS something: docs sms_publish-to-phone, sns-ttl and others."""
NUMBERS = "Number.Array"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_CONTROL = frozenset(("Cc", "Zl", "Zp"))
"""Unicode's categories of control characters and breaks of lines."""
_TYPES = ("String", "Number", "Binary", "String.Array")
_KMS = {
    "AccessDeniedException": errors.KMSAccessDeniedException,
    "AccessDenied": errors.KMSAccessDeniedException,
    "DisabledException": errors.KMSDisabledException,
    "NotFoundException": errors.KMSNotFoundException,
    "KMSInvalidStateException": errors.KMSInvalidStateException,
    "InvalidKeyUsageException": errors.KMSInvalidStateException,
    "ThrottlingException": errors.KMSThrottlingException,
}


class Attribute(msgspec.Struct, frozen=True, array_like=True):
    type: str
    text: str
    binary: bytes = b""


class Content(msgspec.Struct, frozen=True, array_like=True):
    """One published message."""

    id: str
    text: str
    texts: dict[str, str]
    """By protocol, where MessageStructure was json."""
    subject: str
    attributes: dict[str, Attribute]
    published: float
    group: str = ""
    deduplication: str = ""
    """Of FIFO topics only, as is `sequence`."""
    sequence: str = ""
    trace_header: str = ""
    """X-Ray's, as the publisher sent it. It is not a part of the message, and goes with it."""

    def text_for(self, protocol: str) -> str:
        return self.texts.get(protocol, self.text) if self.texts else self.text


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Content).decode


def read(call: Call, topic: Topic, request: Fields, platform: str = "") -> Content:
    """The content of a Publish request or a batch entry; raises what SNS refuses.

    platform: of the device that it goes to alone, whose own text may stand for the default.
    AWS's answers: github.com/wellcomecollection/platform/issues/1460 (too long) and 1107 (subject),
    github.com/aws/aws-sdk-ruby/issues/346 (no default), github.com/erlcloud/erlcloud/issues/785
    (no group).
    """
    message: str = request["Message"]
    if not message:
        raise InvalidParameterException.of("Empty message")
    attributes = {
        name: _attribute(name, value)
        for name, value in request.get("MessageAttributes", {}).items()
    }
    if size_of(request) > topic.message_bytes_max:
        raise InvalidParameterException.of("Message too long")
    group, deduplication = _fifo(topic, request) if topic.fifo else _fair(request)
    text, texts = message, {}
    structure = request.get("MessageStructure")
    if structure == "json":
        texts = _by_protocol(message, platform)
        text = texts.get("default", "")
    elif structure and structure.lower() != "string":
        # Programs that run on AWS say that the message is a string, though no page lists it.
        raise InvalidParameterException.of("MessageStructure")
    return Content(
        call.new_id(), text, texts, _subject(request), attributes, call.now, group, deduplication,
        trace_header=call.trace_header,
    )  # fmt: skip


def _fair(request: Fields) -> tuple[str, str]:
    """The group of a message to a standard topic, which makes queues fair."""
    if request.get("MessageDeduplicationId"):
        raise InvalidParameterException.of(
            "MessageDeduplicationId",
            "The request includes MessageDeduplicationId parameter that is not valid for this topic"
            " type",
        )
    group = request.get("MessageGroupId", "")
    if "MessageGroupId" in request and not _GROUP.fullmatch(group):
        raise InvalidParameterException.of("MessageGroupId")
    return group, ""


def check_ordered(topic: Topic, request: Fields) -> None:
    """Raise what a message to a FIFO topic lacks; it costs a batch all of its entries (the tests of
    github.com/ballerina-platform/module-ballerinax-aws.sns: publishBatchToFifoTestNegative)."""
    if not request.get("MessageGroupId"):
        raise InvalidParameterException.of(
            "The MessageGroupId parameter is required for FIFO topics"
        )
    if not request.get("MessageDeduplicationId") and not topic.content_based_deduplication:
        raise InvalidParameterException.of(
            "The topic should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )


def _fifo(topic: Topic, request: Fields) -> tuple[str, str]:
    """(group, deduplication id) of a message to a FIFO topic."""
    group, deduplication = request.get("MessageGroupId", ""), request.get("MessageDeduplicationId")
    if group and not _GROUP.fullmatch(group):
        raise InvalidParameterException.of("MessageGroupId")
    check_ordered(topic, request)
    if not deduplication:
        return group, hashlib.sha256(request["Message"].encode()).hexdigest()
    if not _GROUP.fullmatch(deduplication):
        raise InvalidParameterException.of("MessageDeduplicationId")
    return group, deduplication


def size_of(request: Fields) -> int:
    """Bytes of the message and of its attributes' names, types and values."""
    size = len(request["Message"].encode())
    for name, value in request.get("MessageAttributes", {}).items():
        size += len(name.encode()) + len(value.get("DataType", "").encode())
        size += len(value.get("StringValue", "").encode()) + len(value.get("BinaryValue", b""))
    return size


def _subject(request: Fields) -> str:
    if "Subject" not in request:
        return ""
    subject: str = request["Subject"]
    controls = not subject.isprintable() and any(category(c) in _CONTROL for c in subject)
    if not 0 < len(subject) <= SUBJECT_CHARS_MAX or controls:
        raise InvalidParameterException.of("Subject")
    return subject


def _by_protocol(message: str, platform: str) -> dict[str, str]:
    parse = "Message Structure - JSON message body failed to parse"
    try:
        parsed = json.loads(message, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise InvalidParameterException.of(parse) from None
    if not isinstance(parsed, dict):
        raise InvalidParameterException.of(parse)
    if platform and isinstance(parsed.get(platform), str):
        return {platform: parsed[platform]}
    if not isinstance(parsed.get("default"), str):
        raise InvalidParameterException.of(
            "Message Structure - No default entry in JSON message body"
        )
    return {name: value for name, value in parsed.items() if isinstance(value, str)}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("duplicate keys")
    return dict(pairs)


def _attribute(name: str, value: Fields) -> Attribute:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise InvalidParameterValueException(f"Invalid message attribute name: {name}")
    if _RESERVED.match(name) and not name.startswith(_SNS_S_OWN):
        # AWS's answer in github.com/aws/aws-sdk-js/issues/3110
        raise InvalidParameterValueException(
            "Message attribute names starting with 'AWS.' or 'Amazon.' are reserved for use by"
            " Amazon."
        )
    type = value.get("DataType", "")
    if not type:
        raise InvalidParameterValueException(
            f"The message attribute '{name}' must contain non-empty message attribute type."
        )
    if type.split(".")[0] not in ("String", "Number", "Binary"):
        raise InvalidParameterValueException(
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String."
        )
    if type.startswith("Binary"):
        binary: bytes = value.get("BinaryValue", b"")
        if not binary:
            raise _empty_value(name, type)
        return Attribute(type, "", binary)
    text: str = value.get("StringValue", "")
    if not text:
        raise _empty_value(name, type)
    if type.startswith("Number") and not _is_numeric(type, text):
        raise InvalidParameterValueException(
            f"Could not cast message attribute '{name}' value to number."
        )
    return Attribute(type, text)


def _is_numeric(type: str, text: str) -> bool:
    """A number, or several where the type says so (docs: numeric-value-matching)."""
    if type != NUMBERS:
        return _NUMBER.fullmatch(text) is not None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in parsed
    )


def _empty_value(name: str, type: str) -> AwsError:
    return InvalidParameterValueException(
        f"The message attribute '{name}' must contain non-empty message attribute value for message"
        f" attribute type '{type}'."
    )


def seal(tx: Transaction, call: Call, topic: Topic, content: Content) -> bytes:
    """Ciphertext under the topic's key, or one that Ogi owns.

    The publisher needs kms:GenerateDataKey and kms:Decrypt: both are decided here, so that a
    refusal fails the publish (docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
    """
    plain = _encode(content)
    if not topic.kms_key_id:
        return sealing.seal(tx, call, plain, purpose=f"sns/{topic.arn}", key_id=None, context={})
    try:
        sealed = sealing.seal(
            tx, call.via("sns"), plain, purpose=f"sns/{topic.arn}", key_id=topic.kms_key_id,
            context={"aws:sns:topicArn": topic.arn}, reuse_s=DATA_KEY_REUSE_S,
        )  # fmt: skip
        open_(tx, call, topic, sealed)
    except AwsError as error:
        raise translated(error) from error
    return sealed


def open_(tx: Reader, call: Call, topic: Topic, sealed: bytes) -> Content:
    """What was sealed, opened as the publisher."""
    context = {"aws:sns:topicArn": topic.arn} if sealed[:1] == sealing.MANAGED else {}
    who = call.via("sns") if context else call
    return _decode(sealing.open(tx, who, sealed, purpose=f"sns/{topic.arn}", context=context))


def translated(error: AwsError) -> AwsError:
    """KMS's refusal in SNS's words."""
    refusal = _KMS.get(error.shape)
    return error if refusal is None else refusal(error.message)
