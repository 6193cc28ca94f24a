"""The hops of `test_hops`: each is made with one thing wrong, and says what came of it.

`wrong` is what is missing or says something else; RIGHT: nothing.
"""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios.conftest import REGION, eventually
from tests.scenarios.hops import ACCOUNT, ARRIVES, USES, Way, document, refused, service_may
from tests.scenarios.stacks import ended

RIGHT = "all right"


# -- S3 tells somebody -----------------------------------------------------------------------------


def s3_may_publish(way: Way, source: str = "") -> str:
    source = source or way.bucket
    condition = {
        "ArnLike": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }  # fmt: skip
    return document(service_may("s3", "sns:Publish", way.topic, condition))


def s3_may_send(way: Way, source: str = "") -> str:
    condition = {"ArnLike": {"aws:SourceArn": source or way.bucket}}
    return document(service_may("s3", "sqs:SendMessage", way.queue, condition))


def sns_may_send(way: Way, queue: str = "", source: str = "") -> str:
    condition = {"ArnEquals": {"aws:SourceArn": source or way.topic}}
    return document(service_may("sns", "sqs:SendMessage", queue or way.queue, condition))


def key_of(way: Way, wrong: str, service: str, *others: str) -> str:
    """The key of a topic or queue to which `service` writes."""
    if wrong == "AWS's key":
        return f"alias/aws/{'sns' if others == ('sns',) else 'sqs'}"
    if wrong == "key policy":
        return way.key(*others)
    if wrong.startswith("key policy for"):
        name, arn = ("sns:topicArn", way.topic) if others == ("sns",) else ("sqs:arn", way.queue)
        arn += "-other" if "another" in wrong else ""
        here = {"StringEquals": {f"kms:EncryptionContext:aws:{name}": arn}}
        return way.key(service, *others, condition=here)
    return way.key(service, *others)


def s3_to_sns_configured(way: Way, wrong: str) -> str:
    policies = {
        "topic policy": "",
        "topic policy for another bucket": s3_may_publish(way, f"{way.bucket}-other"),
    }
    way.make_topic(key_of(way, wrong, "s3", "sns"), policies.get(wrong, s3_may_publish(way)))
    way.make_queue(policy=sns_may_send(way))
    way.subscribe("sqs", way.queue)
    way.make_bucket()
    said = way.announce("Topic", way.topic)
    if said != "configured":
        assert way.received(wait_s=0) == ""
        return said
    return json.loads(json.loads(way.received())["Message"])["Event"] + " " + ARRIVES


def s3_to_sns_event(way: Way, wrong: str) -> str:
    key = way.key("s3", "sns")
    way.make_topic(key, s3_may_publish(way))
    way.make_queue(policy=sns_may_send(way))
    way.subscribe("sqs", way.queue)
    way.make_bucket()
    assert way.announce("Topic", way.topic) == "configured"
    way.received()
    if wrong == "topic policy":
        way.client("sns").set_topic_attributes(
            TopicArn=way.topic, AttributeName="Policy",
            AttributeValue=s3_may_publish(way, f"{way.bucket}-other"),
        )  # fmt: skip
    elif wrong == "key policy":
        way.close_key(key)
    elif wrong == "disabled key":
        way.client("kms").disable_key(KeyId=key)
    way.drop()
    return ARRIVES if wrong == RIGHT and "a.txt" in way.received() else way.lost()


def s3_to_sqs_configured(way: Way, wrong: str) -> str:
    policies = {
        "queue policy": "",
        "queue policy for another bucket": s3_may_send(way, f"{way.bucket}-other"),
    }
    way.make_queue("", key_of(way, wrong, "s3"), policies.get(wrong, s3_may_send(way)))
    way.make_bucket()
    said = way.announce("Queue", way.queue)
    if said != "configured":
        assert way.received(wait_s=0) == ""
        return said
    return json.loads(way.received())["Event"] + " " + ARRIVES


def s3_to_sqs_event(way: Way, wrong: str) -> str:
    key = way.key("s3")
    url = way.make_queue("", key, s3_may_send(way))
    way.make_bucket()
    assert way.announce("Queue", way.queue) == "configured"
    way.received()
    if wrong == "queue policy":
        way.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    elif wrong == "key policy":
        way.close_key(key)
    way.drop()
    return ARRIVES if wrong == RIGHT and "a.txt" in way.received() else way.lost()


def s3_to_lambda_configured(way: Way, wrong: str) -> str:
    way.make_function()
    if wrong != "function policy":
        other = "-other" if wrong == "function policy for another bucket" else ""
        way.let_in("s3", way.bucket + other)
    way.make_bucket()
    return way.announce("LambdaFunction", way.function)


def s3_to_lambda_event(way: Way, wrong: str) -> str:
    way.make_function()
    way.let_in("s3", way.bucket)
    way.make_bucket()
    assert way.announce("LambdaFunction", way.function) == "configured"
    if wrong == "function policy":
        way.shut_out("s3")
    way.drop()
    return way.ran() if wrong == RIGHT else way.lost()


# -- SNS tells somebody ----------------------------------------------------------------------------


def sns_to_sqs(way: Way, wrong: str) -> str:
    """With a dead-letter queue, so that what is given up is seen."""
    policies = {
        "queue policy": "",
        "queue policy for another topic": sns_may_send(way, source=f"{way.topic}-other"),
    }
    way.make_topic()
    way.make_queue("", key_of(way, wrong, "sns"), policies.get(wrong, sns_may_send(way)))
    way.make_queue(way.dead, "", sns_may_send(way, way.dead))
    way.subscribe("sqs", way.queue, dead=True)
    way.client("sns").publish(TopicArn=way.topic, Message="hello")
    arrives = wrong in (RIGHT, "key policy for this context")
    return ARRIVES if arrives and "hello" in way.received() else way.dead_letter()


def sns_to_sqs_without_dead_letters(way: Way, wrong: str) -> str:
    way.make_topic()
    way.make_queue(policy="" if wrong == "queue policy" else sns_may_send(way))
    if wrong == "dead-letter queue's policy":
        way.make_queue(way.dead)
        way.client("sqs").set_queue_attributes(QueueUrl=way.make_queue(), Attributes={"Policy": ""})
    way.subscribe("sqs", way.queue, dead=wrong == "dead-letter queue's policy")
    way.client("sns").publish(TopicArn=way.topic, Message="hello")
    if wrong == RIGHT:
        return ARRIVES if "hello" in way.received() else "nothing"
    said = way.lost("sns.undelivered")
    if wrong == "dead-letter queue's policy":
        assert way.received(way.dead, wait_s=0) == ""
    return said


def sns_to_lambda(way: Way, wrong: str) -> str:
    way.make_topic()
    way.make_function()
    if wrong != "function policy":
        way.let_in("sns", way.topic + ("-other" if "another" in wrong else ""))
    way.make_queue(way.dead, "", sns_may_send(way, way.dead))
    way.subscribe("lambda", way.function, dead=True)
    way.client("sns").publish(TopicArn=way.topic, Message="hello")
    return way.ran() if wrong == RIGHT else way.dead_letter()


# -- somebody writes under a key -------------------------------------------------------------------


def user_publishes(way: Way, wrong: str) -> str:
    key = way.key()
    way.make_topic(key)
    may: list[Any] = [{"Effect": "Allow", "Action": "sns:Publish", "Resource": way.topic}]
    if wrong != "kms:GenerateDataKey of the user":
        may.append({"Effect": "Allow", "Action": list(USES), "Resource": key})
    sns = way.as_user("sns", *may)
    said = refused(lambda: sns.publish(TopicArn=way.topic, Message="hello"))
    return f"refused at once: {said.split(':')[0]}" if said else ARRIVES


def user_sends(way: Way, wrong: str) -> str:
    key = way.key()
    url = way.make_queue("", key)
    may: list[Any] = [{"Effect": "Allow", "Action": "sqs:*", "Resource": way.queue}]
    if wrong != "kms:GenerateDataKey of the user":
        may.append({"Effect": "Allow", "Action": list(USES), "Resource": key})
    sqs = way.as_user("sqs", *may)
    said = refused(lambda: sqs.send_message(QueueUrl=url, MessageBody="hello"))
    return f"refused at once: {said.split(':')[0]}" if said else ARRIVES


def user_receives(way: Way, wrong: str) -> str:
    key = way.key()
    url = way.make_queue("", key)
    way.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    may: list[Any] = [{"Effect": "Allow", "Action": "sqs:*", "Resource": way.queue}]
    if wrong != "kms:Decrypt of the user":
        may.append({"Effect": "Allow", "Action": list(USES), "Resource": key})
    sqs = way.as_user("sqs", *may)
    said = refused(lambda: sqs.receive_message(QueueUrl=url))
    return f"refused at once: {said.split(':')[0]}" if said else ARRIVES


# -- Lambda's poller, as the function's role -------------------------------------------------------

POLLS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def _role_may(way: Way, key: str, wrong: str) -> list[Any]:
    actions = [action for action in POLLS if action != wrong]
    may: list[Any] = [{"Effect": "Allow", "Action": actions, "Resource": way.queue}]
    if wrong != "kms:Decrypt":
        may.append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key})
    return may


def mapping_made(way: Way, wrong: str) -> str:
    key = way.key()
    way.make_queue("", key)
    way.make_function()
    way.let_role(*_role_may(way, key, wrong))
    lambda_ = way.client("lambda")
    said = refused(
        lambda: lambda_.create_event_source_mapping(EventSourceArn=way.queue, FunctionName=way.name)
    )
    return f"refused at once: {said}" if said else "configured"


def poller_polls(way: Way, wrong: str) -> str:
    key = way.key()
    url = way.make_queue("", key, VisibilityTimeout="1")
    way.make_function()
    way.let_role(*_role_may(way, key, RIGHT))
    lambda_ = way.client("lambda")
    mapping = lambda_.create_event_source_mapping(
        EventSourceArn=way.queue, FunctionName=way.name, BatchSize=1
    )["UUID"]
    if wrong != RIGHT:
        way.let_role(*_role_may(way, key, wrong))
    way.client("sqs").send_message(QueueUrl=url, MessageBody="hello")

    def result() -> str:
        found: str = lambda_.get_event_source_mapping(UUID=mapping).get("LastProcessingResult", "")
        return found

    def waiting() -> int:
        counts = way.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(counts["Attributes"][name]) for name in names)

    try:
        if wrong == RIGHT:
            way.ran()
            eventually(lambda: waiting() == 0)
            return ARRIVES
        said = eventually(lambda: r if (r := result()).startswith("PROBLEM") else "")
        if wrong == "sqs:DeleteMessage":
            eventually(lambda: len(way.hops("lambda.start")) > 1)
            return "runs again and again"
        assert waiting() == 1
        assert not way.hops("lambda.start")
        return f"waits: {said.split('. ')[0]}"
    finally:
        lambda_.delete_event_source_mapping(UUID=mapping)


# -- Lambda's variables, roles that are handed over, stacks ----------------------------------------


def function_made_with_a_key(way: Way, wrong: str) -> str:
    key = way.key()
    way.make_role()
    may: list[Any] = [
        {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": way.role},
    ]
    if wrong != "the user's use of the key":
        may.append({"Effect": "Allow", "Action": ["kms:*"], "Resource": key})
    lambda_ = way.as_user("lambda", *may)
    request = way.function_request(KMSKeyArn=key, Environment={"Variables": {"NAME": "value"}})
    said = refused(lambda: lambda_.create_function(**request))
    return f"refused at once: {said.split(':')[0]}" if said else "configured"


def function_with_variables_runs(way: Way, wrong: str) -> str:
    key = way.key()
    way.make_function(KMSKeyArn=key, Environment={"Variables": {"NAME": "value"}})
    context = {"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": way.function}}
    if wrong == "context of another function":
        context = {"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": "other"}}
    if wrong != "kms:Decrypt of the role":
        way.let_role(
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": context}
        )
    said = refused(lambda: way.client("lambda").invoke(FunctionName=way.name))
    return f"refused at once: {said.split(':')[0]}" if said else ARRIVES


def role_handed_to_lambda(way: Way, wrong: str) -> str:
    way.make_role(trusts="sqs" if wrong == "trust policy of the role" else "lambda")
    may: list[Any] = [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]
    to = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    if wrong == "iam:PassRole to another service":
        may.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": way.role,
                    "Condition": to})  # fmt: skip
    elif wrong != "iam:PassRole":
        may.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": way.role})
    lambda_ = way.as_user("lambda", *may)
    said = refused(lambda: lambda_.create_function(**way.function_request()))
    return f"refused at once: {said.replace(way.name, 'NAME')}" if said else "configured"


def _stack(way: Way, cloudformation: Any, **more: str) -> str:
    template = {"Resources": {"Q": {"Type": "AWS::SQS::Queue",
                                    "Properties": {"QueueName": way.name}}}}  # fmt: skip
    made: dict[str, str] = {}
    said = refused(
        lambda: made.update(
            cloudformation.create_stack(
                StackName=way.name, TemplateBody=json.dumps(template), **more
            )
        )
    )
    if said:
        return f"refused at once: {said.split(':')[0]}"
    status: str = ended(way.server, made["StackId"])["StackStatus"]
    reasons = [
        event["ResourceStatusReason"]
        for event in way.client("cloudformation").describe_stack_events(StackName=made["StackId"])[
            "StackEvents"
        ]
        if event["ResourceStatus"] == "CREATE_FAILED" and event["LogicalResourceId"] == "Q"
    ]
    asked = [word for reason in reasons for word in reason.split() if word.startswith("sqs:")]
    return " because of ".join([status, *asked[:1]])


QUEUES = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
NO_NEW_QUEUES = {"Effect": "Allow", "Action": ["sqs:Get*", "sqs:List*"], "Resource": "*"}
STACKS_OPEN = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}


def stack_as_the_caller(way: Way, wrong: str) -> str:
    queues = NO_NEW_QUEUES if wrong == "sqs:CreateQueue of the caller" else QUEUES
    return _stack(way, way.as_user("cloudformation", STACKS_OPEN, queues))


def stack_as_its_role(way: Way, wrong: str) -> str:
    way.make_role(
        NO_NEW_QUEUES if wrong == "sqs:CreateQueue of the role" else QUEUES,
        trusts="lambda" if wrong == "trust policy of the role" else "cloudformation",
    )
    may: list[Any] = [STACKS_OPEN]
    if wrong != "iam:PassRole":
        may.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": way.role})
    return _stack(way, way.as_user("cloudformation", *may), RoleARN=way.role)


# -- Logs under a key ------------------------------------------------------------------------------


def log_group_gets_a_key(way: Way, wrong: str) -> str:
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{way.name}"
    group += "-other" if "another" in wrong else ""
    here = {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}}
    key = way.key(*([] if wrong == "key policy" else [f"logs.{REGION}"]), condition=here)
    logs = way.client("logs")
    said = refused(lambda: logs.create_log_group(logGroupName=way.name, kmsKeyId=key))
    return f"refused at once: {said.split(':')[0]}" if said else "configured"
