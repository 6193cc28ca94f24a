"""Access by tags: one policy for all teams, as the ABAC tutorial of the IAM user guide has it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/tutorial_attribute-based-access-control.html
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import Server

SERVICES = ("sqs", "sns", "kms", "lambda")
MATCHES = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
MAY_MAKE = {
    "StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"},
    "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]},
}


@dataclass
class Team:
    """Somebody of the red team, and what the administrator made for the red and the blue one."""

    clients: dict[str, Any]
    made: dict[str, dict[str, str]]
    name: str


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def team(server: Server) -> Iterator[Team]:
    name = "abac"
    iam = server.client("iam")
    iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "red"}])
    use = [f"{service}:*" for service in SERVICES]
    make = ["sqs:CreateQueue", "sqs:TagQueue", "sns:CreateTopic", "sns:TagResource",
            "kms:CreateKey", "kms:TagResource"]  # fmt: skip
    iam.put_user_policy(
        UserName=name, PolicyName="by-team",
        PolicyDocument=_document(
            {"Effect": "Allow", "Action": use, "Resource": "*", "Condition": MATCHES},
            {"Effect": "Allow", "Action": make, "Resource": "*", "Condition": MAY_MAKE},
        ),
    )  # fmt: skip
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"]}  # fmt: skip
    clients = {service: server.client(service, **keys) for service in SERVICES}
    made = {colour: _made(server, f"{name}-{colour}", colour) for colour in ("red", "blue")}
    yield Team(clients, made, name)


def _made(server: Server, name: str, colour: str) -> dict[str, str]:
    tags = {"team": colour}
    role = server.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=_document({
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }),
    )["Role"]["Arn"]  # fmt: skip
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as package:
        package.writestr("index.py", "def handler(event, context): return event")
    function = server.client("lambda").create_function(
        FunctionName=name, Runtime="python3.12", Handler="index.handler", Role=role, Tags=tags,
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    key = server.client("kms").create_key(Tags=[{"TagKey": "team", "TagValue": colour}])
    topic = server.client("sns").create_topic(Name=name, Tags=[{"Key": "team", "Value": colour}])
    return {
        "sqs": server.client("sqs").create_queue(QueueName=name, tags=tags)["QueueUrl"],
        "sns": topic["TopicArn"],
        "kms": key["KeyMetadata"]["KeyId"],
        "lambda": function["FunctionArn"],
    }


USES: dict[str, Callable[[Any, str], Any]] = {
    "sqs": lambda client, of: client.send_message(QueueUrl=of, MessageBody="hello"),
    # Publishing is open to the whole account by a topic's default policy.
    "sns": lambda client, of: client.list_tags_for_resource(ResourceArn=of),
    "kms": lambda client, of: client.encrypt(KeyId=of, Plaintext=b"hello"),
    "lambda": lambda client, of: client.get_function_configuration(FunctionName=of),
}


@pytest.mark.parametrize("service", SERVICES)
def test_what_has_the_team_s_tag_is_the_team_s(team: Team, service: str) -> None:
    client, use = team.clients[service], USES[service]
    use(client, team.made["red"][service])
    with pytest.raises(ClientError, match="not authorized to perform"):
        use(client, team.made["blue"][service])


def test_a_tag_that_changes_takes_effect_at_once(server: Server, team: Team) -> None:
    admin, client = server.client("sqs"), team.clients["sqs"]
    url = admin.create_queue(QueueName="abac-moved", tags={"team": "blue"})["QueueUrl"]
    with pytest.raises(ClientError, match="not authorized"):
        client.send_message(QueueUrl=url, MessageBody="hello")
    admin.tag_queue(QueueUrl=url, Tags={"team": "red"})
    client.send_message(QueueUrl=url, MessageBody="hello")
    admin.untag_queue(QueueUrl=url, TagKeys=["team"])
    with pytest.raises(ClientError, match="not authorized"):
        client.send_message(QueueUrl=url, MessageBody="hello")


@pytest.mark.parametrize(
    ("tags", "good"),
    [({"team": "red"}, True), ({"team": "red", "cost": "1"}, True), ({}, False),
     ({"team": "blue"}, False), ({"team": "red", "other": "1"}, False)],
)  # fmt: skip
def test_what_is_made_must_have_the_team_s_tag(
    team: Team, tags: dict[str, str], good: bool, name: str
) -> None:
    sns_tags = [{"Key": key, "Value": value} for key, value in tags.items()]
    kms_tags = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
    asks: list[Callable[[], Any]] = [
        lambda: team.clients["sqs"].create_queue(QueueName=name, tags=tags),
        lambda: team.clients["sns"].create_topic(Name=name, Tags=sns_tags),
        lambda: team.clients["kms"].create_key(Tags=kms_tags),
    ]
    for ask in asks:
        if good:
            ask()
        else:
            with pytest.raises(ClientError, match="not authorized to perform"):
                ask()
