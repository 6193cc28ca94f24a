"""Policies that let in more than they mean: everybody, or a service on anybody's behalf."""

from __future__ import annotations

from collections.abc import Iterator

from ogi.access.policy import Statement
from ogi.lint import questions
from ogi.lint.catalogue import Finding
from ogi.lint.paper import Paper, Path, Resource, listed

DEPUTIES = frozenset({"s3.amazonaws.com", "sns.amazonaws.com", "sqs.amazonaws.com",
                      "cloudwatch.amazonaws.com"})  # fmt: skip
"""Services that say for which resource they ask. (EventBridge does not say it to KMS.)"""
SAYING = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"})
LIMITING = SAYING | {
    "aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths",
    "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:userid",
    "aws:principalisawsservice", "aws:principalservicename", "kms:calleraccount",
    "kms:viaservice", "sns:endpoint",
}  # fmt: skip


def findings(paper: Paper) -> Iterator[Finding]:
    for noun, resource, path, statement in _statements(paper):
        principals = statement.principals
        if not statement.allows or principals is None or principals.negated:
            continue
        keys = {condition.key for condition in statement.conditions}
        if principals.anyone:
            if not keys & LIMITING:
                yield _everybody(noun, resource, path, statement)
            continue
        deputies = sorted(principals.services & DEPUTIES)
        if deputies and not keys & SAYING:
            yield _deputy(noun, resource, path, statement, deputies)
        elif deputies == ["s3.amazonaws.com"] and keys & SAYING == {"aws:sourcearn"}:
            yield _bucket(paper, noun, resource, path, statement)


def _statements(paper: Paper) -> Iterator[tuple[str, Resource, Path, Statement]]:
    kinds = (
        ("queue", "AWS::SQS::Queue", questions.of_queue),
        ("topic", "AWS::SNS::Topic", questions.of_topic),
        ("key", "AWS::KMS::Key", questions.of_key),
    )
    for noun, type, of in kinds:
        for resource in paper.of_type(type):
            for path, statement in of(paper, resource):
                yield noun, resource, path, statement
    for policy in paper.of_type("AWS::S3::BucketPolicy"):
        for path, statement in questions._document(policy):
            yield "bucket", policy, path, statement


def _everybody(noun: str, resource: Resource, path: Path, statement: Statement) -> Finding:
    actions = ", ".join(listed(list(statement.action_texts))[:3])
    return Finding(
        "W9017", path,
        f"{_named(path, statement)} in the policy of the {noun} {resource.logical} lets everybody"
        f" in the world {actions}, signed in or not: its principal is * and no condition says who.",
        'Name the principal (Principal: { Service: ... } or { AWS: ... }), or add a condition:\n'
        'Condition: { StringEquals: { "aws:PrincipalAccount": !Ref AWS::AccountId } }',
    )  # fmt: skip


def _deputy(
    noun: str, resource: Resource, path: Path, statement: Statement, services: list[str]
) -> Finding:
    names = " and ".join(services)
    return Finding(
        "W9018", path,
        f"{_named(path, statement)} in the policy of the {noun} {resource.logical} lets {names} in,"
        " on whosever behalf: anybody's bucket or topic, in any account, can make the service use"
        " it (a confused deputy).",
        'Condition: { StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId } }'
        + ("" if noun == "key" else '\nand ArnEquals: { "aws:SourceArn": ... } for the one source'),
    )  # fmt: skip


def _bucket(
    paper: Paper, noun: str, resource: Resource, path: Path, statement: Statement
) -> Finding:
    return Finding(
        "W9018", path,
        f"{_named(path, statement)} in the policy of the {noun} {resource.logical} lets S3 in for a"
        " bucket's name only. A bucket's ARN does not say whose it is: once the bucket is deleted,"
        " whoever takes its name can send here.",
        'In the condition: StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }',
    )  # fmt: skip


def _named(path: Path, statement: Statement) -> str:
    if statement.sid:
        return f'The statement "{statement.sid}"'
    return f"Statement {int(path[-1]) + 1}" if str(path[-1]).isdigit() else "A statement"
