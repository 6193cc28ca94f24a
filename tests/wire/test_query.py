"""AWS Query: names, numbers and limits of its forms, and the XML of its answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire import codec
from ogi.wire.forms import DEPTH_MAX, PARAMETERS_MAX

FORM = [("host", "sqs.local:4566"), ("content-type", "application/x-www-form-urlencoded")]


def _post(form: str, path: str = "/") -> Request:
    return Request("POST", path, "", FORM, form.encode())


def _refused(service: str, form: str) -> AwsError:
    with pytest.raises(AwsError) as caught:
        codec(service).parse(_post(form))
    return caught.value


def test_sqs_understands_the_sample_request_of_its_documentation() -> None:
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    form = (
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=test_msg_001"
        "&SendMessageBatchRequestEntry.1.MessageBody=test%20message%20body%201"
        "&SendMessageBatchRequestEntry.2.Id=test_msg_002"
        "&SendMessageBatchRequestEntry.2.MessageBody=test%20message%20body%202"
        "&SendMessageBatchRequestEntry.2.DelaySeconds=60"
        "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=test_attribute_name_1"
        "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=value_1"
        "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=String"
        "&Expires=2020-05-05T22%3A52%3A43PST&Version=2012-11-05"
    )
    parsed = codec("sqs").parse(_post(form, "/177715257436/MyQueue"))
    assert parsed.operation == "SendMessageBatch"
    assert parsed.params == {
        "QueueUrl": "http://sqs.local:4566/177715257436/MyQueue",
        "Entries": [
            {"Id": "test_msg_001", "MessageBody": "test message body 1"},
            {
                "Id": "test_msg_002",
                "MessageBody": "test message body 2",
                "DelaySeconds": 60,
                "MessageAttributes": {
                    "test_attribute_name_1": {"StringValue": "value_1", "DataType": "String"}
                },
            },
        ],
    }


def test_sqs_takes_attributes_and_names_as_its_old_clients_write_them() -> None:
    form = (
        "Action=CreateQueue&QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40"
        "&Tag.1.Key=team&Tag.1.Value=blue"
    )
    assert codec("sqs").parse(_post(form)).params == {
        "QueueName": "q",
        "Attributes": {"VisibilityTimeout": "40"},
        "tags": {"team": "blue"},
    }
    form = "Action=ReceiveMessage&AttributeName.1=All&MessageAttributeName.1=a.*&QueueUrl=u"
    assert codec("sqs").parse(_post(form)).params == {
        "QueueUrl": "u",
        "AttributeNames": ["All"],
        "MessageAttributeNames": ["a.*"],
    }


def test_sqs_takes_tags_as_the_sdk_for_java_writes_them() -> None:
    form = "Action=TagQueue&QueueUrl=u&Tags.1.Key=team&Tags.1.Value=blue"
    tagged = {"QueueUrl": "u", "Tags": {"team": "blue"}}
    assert codec("sqs").parse(_post(form)).params == tagged
    assert codec("sqs").parse(_post(form.replace("Tags.", "Tag."))).params == tagged


def test_sqs_answers_query_with_the_names_that_old_clients_read() -> None:
    parsed = codec("sqs").parse(_post("Action=ReceiveMessage&QueueUrl=u"))
    message = {
        "MessageId": "m", "Body": "a<b&c\r\n", "Attributes": {"SentTimestamp": "1"},
        "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": b"\x00"}},
    }  # fmt: skip
    response = codec("sqs").respond(parsed, {"Messages": [message]}, "id-1")
    assert response.body == (
        b'<ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
        b"<ReceiveMessageResult><Message><MessageId>m</MessageId><Body>a&lt;b&amp;c&#xd;\n</Body>"
        b"<Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>"
        b"<MessageAttribute><Name>n</Name><Value><DataType>Binary</DataType>"
        b"<BinaryValue>AA==</BinaryValue></Value></MessageAttribute></Message>"
        b"</ReceiveMessageResult><ResponseMetadata><RequestId>id-1</RequestId>"
        b"</ResponseMetadata></ReceiveMessageResponse>"
    )


def test_an_action_without_result_answers_its_request_id_alone() -> None:
    parsed = codec("sns").parse(_post("Action=DeleteTopic&TopicArn=t"))
    assert codec("sns").respond(parsed, {}, "id-1").body == (
        b'<DeleteTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
        b"<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteTopicResponse>"
    )


def test_a_link_is_a_request_too() -> None:
    query = "Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns&Token=a+b"
    parsed = codec("sns").parse(Request("GET", "/", query, []))
    assert parsed.operation == "ConfirmSubscription"
    assert parsed.params == {"TopicArn": "arn:aws:sns", "Token": "a b"}


def test_numbers_may_come_in_any_order_and_with_gaps() -> None:
    form = "Action=ReceiveMessage&QueueUrl=u&AttributeName.10=c&AttributeName.2=b&AttributeName.1=a"
    assert codec("sqs").parse(_post(form)).params["AttributeNames"] == ["a", "b", "c"]


def test_one_of_sqss_lists_or_maps_needs_no_number() -> None:
    # AWSSimpleQueueService/2009-02-01/APIReference/Query_QuerySetQueueAttributes.html
    form = "Action=SetQueueAttributes&QueueUrl=u&Attribute.Name=DelaySeconds&Attribute.Value=35"
    assert codec("sqs").parse(_post(form)).params["Attributes"] == {"DelaySeconds": "35"}
    # As boto 2 and kombu 4.0 ask.
    form = "Action=GetQueueAttributes&QueueUrl=u&AttributeName=All"
    assert codec("sqs").parse(_post(form)).params["AttributeNames"] == ["All"]
    form = "Action=AddPermission&QueueUrl=u&Label=l&AWSAccountId=1&ActionName=*"
    params = codec("sqs").parse(_post(form)).params
    assert (params["AWSAccountIds"], params["Actions"]) == (["1"], ["*"])
    refused = _refused("iam", "Action=UntagRole&RoleName=r&TagKeys=k")
    assert refused.message == "Expected list or null"


def test_an_empty_list_may_stand_beside_its_own_members() -> None:
    for form in ("Tags=&Tags.member.1.Key=k&Tags.member.1.Value=", ""):
        form = f"Action=TagRole&RoleName=r&Tags=&{form}"
        tags = codec("iam").parse(_post(form)).params["Tags"]
        assert tags == ([{"Key": "k", "Value": ""}] if "Key" in form else [])


@pytest.mark.parametrize(
    ("service", "form", "code", "message"),
    [
        ("iam", "", "MissingAction", "Missing Action"),
        ("iam", "Action=", "MissingAction", "Missing Action"),
        ("iam", "Action.1=x", "MissingAction", "Missing Action"),
        (
            "iam", "Action=Fly&Version=2010-05-08", "InvalidAction",
            "Could not find operation Fly for version 2010-05-08",
        ),
        (
            "sts", "Action=Fly", "InvalidAction",
            "Could not find operation Fly for version NO_VERSION_SPECIFIED",
        ),
        (
            "sqs", "Action=Fly", "InvalidAction",
            "The action Fly is not valid for this endpoint.",
        ),
        (
            "sqs", "Action=SendMessage&QueueUrl=u&MessageBody=b&DelaySeconds=x", "MalformedInput",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            # As SNS answered a client that sent `Endpoint.EndpointArn`.
            "sns", "Action=Subscribe&TopicArn=t&Protocol=sqs&Endpoint.EndpointArn=a",
            "MalformedInput", "Start of list found where not expected",
        ),
        (
            "iam", "Action=TagRole&RoleName=r&Tags.member.x.Key=k", "MalformedInput",
            "Key is not valid. The key must be an int: x",
        ),
        (
            "iam", f"Action=TagRole&RoleName=r&Tags.member.{'9' * 5000}.Key=k", "MalformedInput",
            f"Key is not valid. The key must be an int: {'9' * 64}",
        ),
        (
            "sns", "Action=CreateTopic&Name=t&Attributes.entry.1.value=k", "MalformedInput",
            "A map's entry has no key",
        ),
        ("sns", "Action=Publish&Message=%ff", "MalformedQueryString",
         "A parameter is not valid UTF-8"),
        ("sns", "&".join(["a=b"] * (PARAMETERS_MAX + 1)), "MalformedQueryString",
         "The request has too many parameters"),
        ("sns", "a" + ".b" * DEPTH_MAX, "MalformedQueryString",
         "A parameter's name has too many parts"),
        ("sns", "Action=Publish&Message=m&MessageAttributes.entry.1.Name=n&"
         "MessageAttributes.entry.1.Value.DataType=Binary&"
         "MessageAttributes.entry.1.Value.BinaryValue=%21", "MalformedInput",
         "The value is not valid base64"),
    ],
)  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused(
    service: str, form: str, code: str, message: str
) -> None:
    error = _refused(service, form)
    assert (error.code or error.shape, error.message) == (code, message)


@given(st.text())
def test_any_text_comes_through_a_form(text: str) -> None:
    from urllib.parse import urlencode

    text = text.encode("utf-8", "ignore").decode()
    form = urlencode({"Action": "Publish", "TopicArn": "t", "Message": text})
    assert codec("sns").parse(_post(form)).params["Message"] == text
