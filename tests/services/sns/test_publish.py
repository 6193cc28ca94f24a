"""Publishing: what reaches a queue, in which words, signed how; what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ogi.errors import AwsError
from ogi.http import Request
from ogi.services.sns import certificates, fanout
from tests.services.sns.conftest import Client

TEXT = {"DataType": "String", "StringValue": "blue"}


async def _certificate(sns: Client, url: str) -> x509.Certificate:
    path = url[url.index(certificates.PATH) :]
    answer = await certificates.page(sns.world.ports, Request("GET", path, "", []))
    assert answer.status == 200 and isinstance(answer.body, bytes)
    return x509.load_pem_x509_certificate(answer.body)


async def test_a_queue_gets_the_envelope_as_sns_lays_it_out(sns: Client) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribed(topic)
    sent = await sns.publish(
        TopicArn=topic, Message='say "hi"\n', Subject="greeting", MessageAttributes={"a": TEXT}
    )
    (message,) = await sns.messages()
    lines = message["Body"].split("\n")
    assert lines[0] == "{" and lines[-1] == "}"
    assert lines[1] == '  "Type" : "Notification",'
    assert lines[2] == f'  "MessageId" : "{sent["MessageId"]}",'
    assert lines[5] == '  "Message" : "say \\"hi\\"\\n",'
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion",
        "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert envelope["UnsubscribeURL"].endswith(
        f"/?Action=Unsubscribe&SubscriptionArn={subscription}"
    )
    assert envelope["MessageAttributes"] == {"a": {"Type": "String", "Value": "blue"}}
    assert envelope["Timestamp"] == "2023-11-14T22:13:20.000Z"


def _of(type: str, text: str) -> dict[str, str]:
    return {"DataType": type, "StringValue": text}


@pytest.mark.parametrize(("version", "digest"), [("1", hashes.SHA1()), ("2", hashes.SHA256())])
async def test_the_signature_is_verified_with_the_certificate(
    sns: Client, version: str, digest: hashes.HashAlgorithm
) -> None:
    topic = await sns.topic(SignatureVersion=version)
    await sns.subscribed(topic)
    await sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    (message,) = await sns.messages()
    envelope = json.loads(message["Body"])
    assert envelope["SignatureVersion"] == version
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    key = (await _certificate(sns, envelope["SigningCertURL"])).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(envelope["Signature"]), signed.encode(), padding.PKCS1v15(), digest)


async def test_raw_delivery_maps_attributes_to_the_queues(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic, RawMessageDelivery="true")
    attributes = {"a": TEXT, "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    await sns.publish(TopicArn=topic, Message="as it is", MessageAttributes=attributes)
    (message,) = await sns.messages()
    assert message["Body"] == "as it is"
    assert message["MessageAttributes"] == attributes


async def test_each_protocol_gets_its_own_text(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    texts = {"default": "for all", "sqs": "for queues"}
    await sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    await sns.publish(TopicArn=topic, Message='{"default": "only"}', MessageStructure="json")
    assert sorted(await sns.texts()) == ["for queues", "only"]


@pytest.mark.parametrize("structure", ["string", "String"])
async def test_a_message_may_be_said_to_be_a_string(sns: Client, structure: str) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    await sns.publish(TopicArn=topic, Message='{"sqs": "hi"}', MessageStructure=structure)
    assert await sns.texts() == ['{"sqs": "hi"}']


async def test_more_subscribers_than_a_page_all_get_their_copy(sns: Client) -> None:
    topic = await sns.topic()
    count = fanout.PAGE * 2 + 1
    for n in range(count):
        await sns.subscribed(topic, f"inbox-{n}", RawMessageDelivery="true")
    await sns.publish(TopicArn=topic, Message="hello")
    for n in range(count):
        assert [m["Body"] for m in await sns.messages(f"inbox-{n}")] == ["hello"]


async def test_a_queue_that_is_gone_harms_nobody_else_and_is_noted(sns: Client) -> None:
    topic = await sns.topic()
    gone = await sns.subscribed(topic, "gone")
    await sns.subscribed(topic)
    await sns.world.call(
        "sqs", "DeleteQueue", QueueUrl="https://sqs.eu-west-1.amazonaws.com/111122223333/gone"
    )
    await sns.publish(TopicArn=topic, Message="hello")
    assert await sns.texts() == ["hello"]
    (hop,) = sns.hops("sns.undelivered")
    assert hop["subscription"] == gone
    assert hop["code"] == "AWS.SimpleQueueService.NonExistentQueue"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"Message": ""}, "Invalid parameter: Empty message"),
        ({"Message": "x" * 262_145}, "Invalid parameter: Message too long"),
        ({"Message": "x", "Subject": "s" * 101}, "Invalid parameter: Subject"),
        ({"Message": "x", "Subject": ""}, "Invalid parameter: Subject"),
        (
            {"Message": "{}", "MessageStructure": "json"},
            "Invalid parameter: Message Structure - No default entry in JSON message body",
        ),
        (
            {"Message": "{", "MessageStructure": "json"},
            "Invalid parameter: Message Structure - JSON message body failed to parse",
        ),
        ({"Message": "x", "MessageStructure": "xml"}, "Invalid parameter: MessageStructure"),
        (
            {"Message": "x", "MessageAttributes": {"a": {"DataType": "Strange"}}},
            "The message attribute 'a' has an invalid message attribute type, the set of supported"
            " type prefixes is Binary, Number, and String.",
        ),
        *(
            (
                {"Message": "x", "MessageAttributes": {"a": _of("Number", number)}},
                "Could not cast message attribute 'a' value to number.",
            )
            for number in ("x", "nan", "Infinity", "1_0", " 1", "0x1", "1,5")
        ),
        *(
            (
                {"Message": "x", "MessageAttributes": {name: _of("String", "x")}},
                f"Invalid message attribute name: {name}",
            )
            for name in (".a", "a.", "a..b", "a b", "a" * 257)
        ),
        *(
            (
                {"Message": "x", "MessageAttributes": {name: _of("String", "x")}},
                "Message attribute names starting with 'AWS.' or 'Amazon.' are reserved for use by"
                " Amazon.",
            )
            for name in ("AWS.x", "amazon.x", "AWS.SNS.SMS.SenderId")
        ),
        *(
            ({"Message": "x", "Subject": subject}, "Invalid parameter: Subject")
            for subject in ("a\n", "a\x7f", "a\x85b", "a\u2028b")
        ),
    ],
)
async def test_what_sns_refuses_to_publish(
    sns: Client, request_: dict[str, Any], sentence: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, **request_)
    assert refused.value.message == sentence


async def test_what_looks_strange_and_is_published(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    said = {
        "a.b-c_D": _of("Number", "-1.5e3"), "AWS.SNS.SMS.SenderID": _of("String", "me"),
        "AWS.SNS.MOBILE.APNS.TTL": _of("String", "5"),
        **{f"a{n}": _of("String.Array", "[]") for n in range(9)},
    }  # fmt: skip
    await sns.publish(TopicArn=topic, Message="x", Subject=" Über ☂", MessageAttributes=said)
    (message,) = await sns.messages()
    assert len(json.loads(message["Body"])["MessageAttributes"]) == len(said)


async def test_a_topic_that_is_not_there_is_not_found(sns: Client) -> None:
    topic = await sns.topic()
    await sns.delete_topic(TopicArn=topic)
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message="x")
    assert refused.value.shape == "NotFoundException"


async def test_a_batch_reports_each_entry(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    entries = [{"Id": "good", "Message": "a"}, {"Id": "bad", "Message": ""}]
    answer = await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert answer["Failed"] == [
        {
            "Id": "bad",
            "Code": "InvalidParameter",
            "Message": "Invalid parameter: Empty message",
            "SenderFault": True,
        }
    ]
    assert await sns.texts() == ["a"]


@pytest.mark.parametrize(
    ("entries", "shape"),
    [
        ([], "EmptyBatchRequestException"),
        ([{"Id": str(n), "Message": "x"} for n in range(11)],
         "TooManyEntriesInBatchRequestException"),
        ([{"Id": "a", "Message": "x"}] * 2, "BatchEntryIdsNotDistinctException"),
        ([{"Id": "a b", "Message": "x"}], "InvalidBatchEntryIdException"),
        ([{"Id": str(n), "Message": "x" * 100_000} for n in range(3)],
         "BatchRequestTooLongException"),
    ],
)  # fmt: skip
async def test_a_batch_that_is_refused_as_a_whole(
    sns: Client, entries: list[Any], shape: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert refused.value.shape == shape
