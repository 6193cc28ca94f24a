"""Web identity as programs use it: a token in a file, and the SDK does the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.issuer import CLIENT, Issuer
from tests.scenarios.conftest import REGION, Server


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
def role(server: Server, issuer: Issuer, name: str) -> Iterator[str]:
    """A role that trusts one subject of the issuer, and may create topics."""
    iam = server.client("iam")
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[CLIENT])
    arn = provider["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow", "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            f"{issuer.name}:sub": "system:serviceaccount:shop:worker",
            f"{issuer.name}:aud": CLIENT,
        }},
    }  # fmt: skip
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    may = {"Effect": "Allow", "Action": "sns:CreateTopic", "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(may))
    yield made["Role"]["Arn"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def _document(statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_program_with_a_token_in_a_file_works_as_its_role(
    server: Server,
    issuer: Issuer,
    role: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tmp_path / "token"
    token.write_text(issuer.token(time.time(), sub="system:serviceaccount:shop:worker"))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "worker-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    session = boto3.Session(region_name=REGION)
    sts, sns = session.client("sts"), session.client("sns")
    try:
        assert sts.get_caller_identity()["Arn"].endswith(f":assumed-role/{name}/worker-1")
        assert sns.create_topic(Name=name)["TopicArn"].endswith(name)
        with pytest.raises(ClientError, match="no identity-based policy allows"):
            sns.list_topics()
    finally:
        sts.close()
        sns.close()


def test_who_is_not_the_trusted_subject_is_refused(
    server: Server, issuer: Issuer, role: str
) -> None:
    sts = boto3.client(
        "sts", endpoint_url=server.endpoint, region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )  # fmt: skip
    asked = {"RoleArn": role, "RoleSessionName": "worker"}
    now = time.time()
    try:
        for token, code, status in (
            (issuer.token(now, sub="system:serviceaccount:shop:other"), "AccessDenied", 403),
            (issuer.token(now, aud="other"), "InvalidIdentityToken", 400),
            (issuer.token(now - 7200), "ExpiredTokenException", 400),
            ("not.a.token", "InvalidIdentityToken", 400),
        ):
            with pytest.raises(ClientError) as refusal:
                sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)
            assert refusal.value.response["Error"]["Code"] == code
            assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    finally:
        sts.close()
