"""The hops of a template: who sends to whom, and whether policies and keys let him.

S3 to topics, queues and functions by a bucket's notifications; SNS to queues and functions by
subscriptions. Each is put to the evaluator as the service would ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ogi.lint import questions
from ogi.lint.catalogue import Finding
from ogi.lint.paper import Paper, Path, Resource, is_external, listed

_NOTIFICATIONS = (
    ("TopicConfigurations", "Topic"), ("QueueConfigurations", "Queue"),
    ("LambdaConfigurations", "Function"),
)  # fmt: skip
_DATA_KEYS = ("kms:GenerateDataKey", "kms:Decrypt")


@dataclass(frozen=True)
class Hop:
    service: str
    """Who sends: `s3` or `sns`."""
    source: Resource | str
    """The bucket or topic; the ARN of one that is elsewhere."""
    target: Resource
    path: Path
    """Where the template says so."""

    @property
    def source_arn(self) -> str:
        return self.source if isinstance(self.source, str) else self.source.arn

    @property
    def source_name(self) -> str:
        if isinstance(self.source, str):
            return "the topic " + ("elsewhere" if is_external(self.source) else self.source)
        noun = "bucket" if self.service == "s3" else "topic"
        return f"the {noun} {self.source.logical}"


def of(paper: Paper) -> Iterator[Hop]:
    for bucket in paper.of_type("AWS::S3::Bucket"):
        configured = bucket.properties.get("NotificationConfiguration")
        for group, member in _NOTIFICATIONS:
            entries = configured.get(group) if isinstance(configured, dict) else None
            for number, entry in enumerate(listed(entries)):
                target = paper.at(entry.get(member)) if isinstance(entry, dict) else None
                if target is not None:
                    path = bucket.path("NotificationConfiguration", group, number, member)
                    yield Hop("s3", bucket, target, path)
    for subscription in paper.of_type("AWS::SNS::Subscription"):
        said = subscription.properties
        target = paper.at(said.get("Endpoint"))
        if target is not None and said.get("Protocol") in ("sqs", "lambda"):
            source = paper.at(said.get("TopicArn")) or str(said.get("TopicArn", ""))
            yield Hop("sns", source, target, subscription.path("Endpoint"))
    for topic in paper.of_type("AWS::SNS::Topic"):
        for number, entry in enumerate(listed(topic.properties.get("Subscription"))):
            target = paper.at(entry.get("Endpoint")) if isinstance(entry, dict) else None
            if target is not None and entry.get("Protocol") in ("sqs", "lambda"):
                path = topic.path("Subscription", number, "Endpoint")
                yield Hop("sns", topic, target, path)


def findings(paper: Paper) -> Iterator[Finding]:
    for hop in of(paper):
        match hop.target.type:
            case "AWS::SNS::Topic":
                yield from _policy(paper, hop, "E9005", "sns:Publish", "TopicPolicy")
                yield from _key(paper, hop, "E9001", "sns")
            case "AWS::SQS::Queue":
                yield from _policy(paper, hop, "E9004", "sqs:SendMessage", "QueuePolicy")
                yield from _key(paper, hop, "E9002", "sqs")
            case "AWS::Lambda::Function":
                yield from _permission(paper, hop)


def _policy(paper: Paper, hop: Hop, id: str, action: str, kind: str) -> Iterator[Finding]:
    target = hop.target
    noun, of_target = ("topic", questions.of_topic) if kind == "TopicPolicy" else (
        "queue", questions.of_queue,
    )  # fmt: skip
    statements = of_target(paper, target)
    if questions.service_may(paper, hop.service, hop.source, action, target.arn, statements):
        return
    near = [(path, s) for path, s in statements if s.speaks_of_action(action.lower())]
    what = f"does not let {hop.source_name} in" if near else "has no statement for it"
    why = f"Its policy {what}" if statements else f"It has no AWS::{noun_service(noun)}::{kind}"
    yield Finding(
        id,
        near[0][0] if len(near) == 1 else statements[0][0][:-1] if statements else hop.path,
        f"{hop.source_name[0].upper()}{hop.source_name[1:]} may not {action} to the {noun}"
        f" {target.logical}. {why}, so {_consequence(hop)}.",
        f"In the {kind} of {target.logical}:\n{_statement(paper, hop, action)}",
    )


def noun_service(noun: str) -> str:
    return "SNS" if noun == "topic" else "SQS"


def _consequence(hop: Hop) -> str:
    if hop.service == "s3":
        return "the stack fails with `Unable to validate the following destination configurations`"
    return "every message is dropped, and nothing says so"


def _key(paper: Paper, hop: Hop, id: str, service: str) -> Iterator[Finding]:
    """Whether the key of an encrypted target lets the sender in."""
    target = hop.target
    name = target.properties.get("KmsMasterKeyId")
    if not name:
        return
    sender = f"{hop.service}.amazonaws.com"
    noun = "topic" if service == "sns" else "queue"
    if f"alias/aws/{service}" in str(name):
        yield Finding(
            "E9003",
            target.path("KmsMasterKeyId"),
            f"The {noun} {target.logical} is encrypted with {name}, which AWS manages: its policy"
            f" lets only principals of the account in, not {sender}, and cannot be changed."
            f" {hop.source_name[0].upper()}{hop.source_name[1:]} will never get a message through.",
            f"Encrypt {target.logical} with a key of your own (AWS::KMS::Key) that has this"
            f" statement in its KeyPolicy:\n{_key_statement(sender)}",
        )
        return
    key = paper.key(name)
    if key is None:
        return  # A key from elsewhere: its policy is not here to be read.
    statements = questions.of_key(paper, key)
    context = {
        "kms:ViaService": f"{service}.{paper.region}.amazonaws.com",
        f"kms:EncryptionContext:aws:{service}:{'topicArn' if noun == 'topic' else 'arn'}":
            target.arn,
    }  # fmt: skip
    lacking = [
        action
        for action in _DATA_KEYS
        if not questions.service_may(
            paper, hop.service, hop.source, action, key.arn, statements, **context
        )
    ]
    if lacking:
        yield Finding(
            id,
            key.path("KeyPolicy"),
            f"The key {key.logical} does not let {sender} use it ({', '.join(lacking)}), but"
            f" {hop.source_name} sends to the {noun} {target.logical}, which it encrypts:"
            f" {_consequence(hop)}.",
            f"In the KeyPolicy of {key.logical}:\n{_key_statement(sender)}",
        )


def _permission(paper: Paper, hop: Hop) -> Iterator[Finding]:
    function = hop.target
    statements = questions.of_function(paper, function)
    action = "lambda:InvokeFunction"
    if questions.service_may(paper, hop.service, hop.source, action, function.arn, statements):
        return
    source = paper.written(hop.source_arn)
    account = "\n  SourceAccount: !Ref AWS::AccountId" if hop.service == "s3" else ""
    yield Finding(
        "E9006",
        statements[0][0] if len(statements) == 1 else hop.path,
        f"{hop.source_name[0].upper()}{hop.source_name[1:]} may not invoke the function"
        f" {function.logical}, so {_consequence(hop)}.",
        "A resource of its own:\nType: AWS::Lambda::Permission\nProperties:\n"
        f"  FunctionName: !Ref {function.logical}\n  Action: {action}\n"
        f"  Principal: {hop.service}.amazonaws.com\n  SourceArn: {source}{account}",
    )


def _statement(paper: Paper, hop: Hop, action: str) -> str:
    lines = [
        "- Effect: Allow",
        f"  Principal: {{ Service: {hop.service}.amazonaws.com }}",
        f'  Action: "{action}"',
        f"  Resource: {paper.written(hop.target.arn)}",
        "  Condition:",
        f'    ArnEquals: {{ "aws:SourceArn": {paper.written(hop.source_arn)} }}',
    ]
    if hop.service == "s3":
        lines.append('    StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }')
    return "\n".join(lines)


def _key_statement(sender: str) -> str:
    """By account, since the topic cannot be referred to: it is made after its key."""
    return (
        "- Effect: Allow\n"
        f"  Principal: {{ Service: {sender} }}\n"
        '  Action: ["kms:GenerateDataKey*", "kms:Decrypt"]\n'
        '  Resource: "*"\n'
        '  Condition: { StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId } }'
    )
