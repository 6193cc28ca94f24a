"""Documents: what compiles, what is refused and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.access import policy
from ogi.access.grammar import check_identity, check_trust
from ogi.access.managed import policies as managed_policies
from ogi.access.policy import PolicySyntax
from tests.access.court import document, statement


@pytest.mark.parametrize(
    "text",
    [
        document(statement("*")),
        document(statement(["s3:Get*", "s3:List*"], ["arn:aws:s3:::a", "arn:aws:s3:::a/*"])),
        json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": statement("s3:*")}),
        json.dumps({"Statement": [statement("s3:*", Sid="1")]}),
        document({"Effect": "Deny", "NotAction": "iam:*", "NotResource": "*"}),
        document(statement("a:b", Principal={"AWS": ["111122223333"], "Service": "x.y"})),
        document(statement("a:b", NotPrincipal="*", Condition={"Bool": {"aws:x": True}})),
        document(statement("a:b", Condition={"NumericLessThan": {"s3:max-keys": 10}})),
    ],
)
def test_what_the_grammar_allows_compiles(text: str) -> None:
    assert policy.compile(text).statements


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This policy contains invalid Json"),
        ("{", "This policy contains invalid Json"),
        ("null", "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        ("{}", "Syntax errors in policy."),
        (document(), "Syntax errors in policy."),
        ('{"Statement":[],"Statement":[]}', "Syntax errors in policy."),
        ('{"Version":"2019-01-01","Statement":[]}', "must contain a valid version string"),
        (document({**statement("a:b"), "Effect": "allow"}), "Syntax errors in policy."),
        (document({**statement("a:b"), "Surprise": 1}), "Syntax errors in policy."),
        (document({**statement("a:b"), "NotAction": "a:c"}), "Syntax errors in policy."),
        (document({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (document(statement([])), "Policy statement must contain actions."),
        (document(statement("a:b", [])), "Policy statement must contain resources."),
        (document(statement("a:b", Principal=1)), "Syntax errors in policy."),
        (document(statement("a:b", Principal={"Martian": "x"})), "Syntax errors in policy."),
        (document(statement("a:b", Condition=[])), "Syntax errors in policy."),
        (document(statement("a:b", Condition={"Foo": {"a": "b"}})), "Invalid Condition type"),
        (document(statement("a:b", Condition={"StringLike": {"a": {}}})), "Syntax errors"),
        ('{"Version":"2012-10-17","Statement":[NaN]}', "invalid Json"),
    ],
)
def test_a_malformed_document_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(PolicySyntax, match=sentence):
        policy.compile(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"Statement":' * 50_000,
        json.dumps({"Statement": statement("a:b", ["x" * 70_000])}),
        '{"Statement":' + "1" * 20_000 + "}",
    ],
)
def test_a_document_of_hostile_size_or_depth_is_refused(text: str) -> None:
    with pytest.raises(PolicySyntax):
        policy.compile(text)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (statement("a:b", Principal="*"), "Policy document should not specify a principal."),
        ({"Effect": "Allow", "Action": "a:b"}, "Policy statement must contain resources."),
        (statement("SendMessage"), "must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (statement("a:b:c"), "Actions/Condition can contain only one colon."),
        (statement("s*:x"), "vendors .e.g., aws, ec2, etc.. must not contain wildcards."),
        (statement("a:b", "bucket"), 'Resource bucket must be in ARN format or "\\*".'),
        (
            statement("a:b", "arn:x:s3:::b"),
            'Partition "x" is not valid for resource "arn:x:s3:::b"',
        ),
        (statement("a:b", "arn:aws:s3:b"), "The policy failed legacy parsing"),
        (statement("a:b", "arn:aws-cn:s3:::b"), 'Partition "aws-cn" is not valid for resource'),
        (statement("a:b", "arn:aws:iam:eu-west-1:1:user/x"), "can not contain region information."),
        (statement("a:b", "arn:aws:s3:eu-west-1::b"), "can not contain region information."),
        (statement("a:b", "arn:aws:s3::111122223333:b"), "cannot contain an account id."),
        (statement("a:b", "arn:aws:s*:::b"), "Resource vendor must be fully qualified"),
        (
            statement("a:b", Condition={"ArnLike": {"aws:SourceArn": "bucket"}}),
            "The policy failed legacy parsing",
        ),
        (
            statement("a:b", Condition={"ForAnyValue:ArnEqualsIfExists": {"a:b": ["arn:aws:s3"]}}),
            "The policy failed legacy parsing",
        ),
        (statement("a:b", Sid="not alpha"), "must be alpha-numeric"),
    ],
)
def test_an_identity_policy_is_checked_further(body: Any, sentence: str) -> None:
    with pytest.raises(PolicySyntax, match=sentence):
        check_identity(policy.compile(document(body)))


@pytest.mark.parametrize(
    "resource",
    ["*", "arn:aws:s3:::b", "arn:*:s3:::b", "arn:aws:s3:*:*:b", "arn:aws:s3:::b/*", "arn:aws:s3*",
     "arn:aws:s3:eu-west-1:111122223333:accesspoint/a/object/k", "arn:aws:iam::1:user/${aws:x}"],
)  # fmt: skip
def test_an_identity_policy_names_resources_so(resource: str) -> None:
    check_identity(policy.compile(document(statement("a:b", resource))))


@pytest.mark.parametrize(
    ("change", "of_iam"),
    [
        ({"Effect": "allow"}, "The policy failed legacy parsing"),
        ({"Effect": []}, "Syntax errors in policy."),
        ({"Condition": {"Foo": {"a": "b"}}}, "Syntax errors in policy."),
        ({"Condition": {"ForOneValue:Bool": {"a": "true"}}}, "Syntax errors in policy."),
        ({"Condition": {"DateLessThan": {"a": "noon"}}}, "The policy failed legacy parsing"),
        ({"Condition": {"IpAddress": {"a": "10.0.0.0/33"}}}, "The policy failed legacy parsing"),
        ({"Condition": {"NullIfExists": {"a": "true"}}}, "Syntax errors in policy."),
        ({"Condition": {"BinaryEquals": {"a": "!!!"}}}, "Syntax errors in policy."),
        ({"Condition": {"BinaryEquals": {"a": "YWJj=="}}}, "Syntax errors in policy."),
        ({"Condition": {"NumericEquals": {"a": "x"}}}, "The policy failed legacy parsing"),
        ({"Action": []}, "Policy statement must contain actions."),
    ],
)
def test_iam_says_in_its_own_words_what_is_wrong(change: Any, of_iam: str) -> None:
    with pytest.raises(PolicySyntax) as caught:
        policy.compile(document({**statement("a:b"), **change}))
    assert caught.value.of_iam == of_iam


def test_sids_are_unique_in_a_policy() -> None:
    text = document(statement("a:b", Sid="x"), statement("a:c", Sid="x"))
    with pytest.raises(PolicySyntax, match="must be unique"):
        check_identity(policy.compile(text))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
        (statement("sts:AssumeRole", Principal={"AWS": "*"}), "Has prohibited field Resource"),
        ({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"},
         'AssumeRolepolicy contained an invalid principal: "STAR":"[*]".'),
        ({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
          "Principal": {"Federated": "cognito-identity.amazonaws.com"}},
         "A condition block must be present for the Cognito provider"),
        *[
            ({"Effect": "Allow", "Action": action, "Principal": {"AWS": "*"}},
             "AssumeRole policy may only specify STS AssumeRole actions.")
            for action in ("s3:*", "sts:*", "sts:assumerole", "sts:GetCallerIdentity")
        ],
    ],
)  # fmt: skip
def test_a_trust_policy_is_checked_further(body: Any, sentence: str) -> None:
    with pytest.raises(PolicySyntax, match=sentence):
        check_trust(policy.compile(document(body)))


def test_all_of_awss_policies_here_are_valid() -> None:
    found = managed_policies()
    assert "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" in found
    assert len(found) >= 20
    for row in found.values():
        check_identity(policy.compile(row.document))
