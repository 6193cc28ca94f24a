"""`ogi explain` through a real server: what is refused is explained, and its advice works."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.chains import ACCOUNT, Chain
from tests.scenarios.conftest import REGION, Server, eventually, start

SEND = "sqs:SendMessage"


def ogi(server: Server, *words: str, fails: bool = False, **variables: str) -> str:
    """What `ogi WORDS` prints, as the administrator; on failure what it says about it."""
    done = subprocess.run(
        [sys.executable, "-m", "ogi", *words], capture_output=True, text=True, check=False,
        env={**server.environment, **variables},
    )  # fmt: skip
    assert bool(done.returncode) == fails, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stderr if fails else done.stdout


def told(server: Server, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ogi(server, "explain", *words, "--json"))
    return found


def refused_hop(server: Server, request_id: str, action: str) -> dict[str, Any]:
    """The refusal of a hop that followed from a request, once it has happened."""

    def look() -> Any:
        found = told(server, request_id)
        return [one for one in found if not one["allowed"] and one["action"] == action]

    [one] = eventually(look, every=0.5)
    assert isinstance(one, dict)
    return one


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def put(server: Server, bucket: str) -> str:
    """Upload an object; the request's id."""
    done = server.client("s3").put_object(Bucket=bucket, Key="a.txt", Body=b"hello")
    request_id: str = done["ResponseMetadata"]["RequestId"]
    return request_id


def test_a_users_refusal_names_the_policy_and_the_statement_that_allows_it(
    server: Server, name: str
) -> None:
    iam, sqs = server.client("iam"), server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    user = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(
        UserName=name, PolicyName="mine",
        PolicyDocument=document(
            {"Sid": "Elsewhere", "Effect": "Allow", "Action": "sqs:*", "Resource": f"{queue}-no"},
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        ),
    )  # fmt: skip
    key = iam.create_access_key(UserName=name)["AccessKey"]
    his = {
        "aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]
    }  # fmt: skip
    client = server.client("sqs", **his)
    with pytest.raises(ClientError) as refused:
        client.send_message(QueueUrl=url, MessageBody="secret body")
    request_id = refused.value.response["ResponseMetadata"]["RequestId"]

    printed = ogi(server, "explain", request_id)
    assert f"REFUSED  {SEND} on {queue}" in printed
    assert "because no identity-based policy allows the sqs:sendmessage action" in " ".join(
        printed.split()
    )
    assert "Allow 'Elsewhere' of inline policy mine: Resource does not match" in printed
    assert f"it says   {queue}-no" in printed
    assert "1 statement speaks of other actions" in printed
    assert f"queue policy of {queue}: there is none" in printed
    assert f"To allow it, add to the identity policy of {user}" in printed
    assert "\x1b[" not in printed, "no colours where there is no terminal"
    assert len(printed.splitlines()) < 30, "it fits on a screen"
    assert "secret body" not in printed + json.dumps(told(server, request_id))

    [one] = told(server, request_id)
    [advice] = one["advice"]
    iam.put_user_policy(
        UserName=name, PolicyName="advice", PolicyDocument=document(advice["statement"])
    )
    client.send_message(QueueUrl=url, MessageBody="secret body")
    assert told(server, request_id)[0]["allowed_now"]


def test_a_refused_copy_is_found_by_the_upload_and_its_advice_lets_the_next_through(
    server: Server, name: str
) -> None:
    chain = Chain(server, name)
    key = chain.key("s3", "sns")
    chain.make(key, key, open_queue=False)
    chain.announce()
    one = refused_hop(server, put(server, name), SEND)
    assert one["principal"] == "sns.amazonaws.com"
    assert one["context"]["aws:SourceArn"] == [chain.topic]
    [section] = one["sections"]
    assert (section["place"], section["verdict"]) == (
        f"queue policy of {chain.queue}", "there is none",
    )  # fmt: skip
    [advice] = one["advice"]
    server.client("sqs").set_queue_attributes(
        QueueUrl=chain.url, Attributes={"Policy": document(advice["statement"])}
    )
    chain.drop()
    assert eventually(chain.bodies)


def test_a_key_without_sns_is_explained_and_its_advice_makes_the_chain_whole(
    server: Server, name: str
) -> None:
    chain = Chain(server, name)
    key = chain.key()
    chain.make(chain.key("s3", "sns"), key)
    chain.announce()
    one = refused_hop(server, put(server, name), "kms:GenerateDataKey")
    assert one["principal"] == "sns.amazonaws.com"
    [advice] = one["advice"]
    assert advice["kind"] == "resource-based policy"
    assert advice["statement"]["Action"] == ["kms:GenerateDataKey*", "kms:Decrypt"]
    kms = server.client("kms")
    present = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    kms.put_key_policy(KeyId=key, Policy=document(*present["Statement"], advice["statement"]))
    chain.drop()
    assert eventually(chain.bodies)


def test_the_default_key_of_sqs_cannot_be_opened_to_sns_and_that_is_said(
    server: Server, name: str
) -> None:
    chain = Chain(server, name)
    chain.make(chain.key("s3", "sns"), "alias/aws/sqs")
    chain.announce()
    one = refused_hop(server, put(server, name), "kms:GenerateDataKey")
    assert not one["advice"]
    assert "AWS-managed key cannot be changed" in one["obstacle"]
    assert "customer managed key" in one["obstacle"]


def test_a_refused_announcement_is_the_last_and_tells_of_the_key(server: Server, name: str) -> None:
    chain = Chain(server, name)
    chain.make(chain.key("sns"), chain.key("sns"))
    with pytest.raises(ClientError):
        chain.announce()
    printed = ogi(server, "explain", "--last")
    assert "REFUSED  kms:GenerateDataKey on arn:aws:kms:" in printed
    assert "by       s3.amazonaws.com (service)" in printed
    assert f"for      arn:aws:s3:::{name}" in printed
    assert "Principal does not match" in printed
    assert "To allow it, add to the key policy of arn:aws:kms:" in printed


def test_a_role_that_may_not_decrypt_what_it_receives(server: Server, name: str) -> None:
    """What the poller of a function meets: the right on the queue, none on its key."""
    iam, sqs, sts = server.client("iam"), server.client("sqs"), server.client("sts")
    chain = Chain(server, name)
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": chain.key()})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    trust = document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name, PolicyName="receive",
        PolicyDocument=document({"Effect": "Allow", "Action": "sqs:*", "Resource": chain.queue}),
    )  # fmt: skip
    session = sts.assume_role(RoleArn=role, RoleSessionName="poll")["Credentials"]
    client = server.client(
        "sqs", aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )  # fmt: skip
    with pytest.raises(ClientError) as refused:
        client.receive_message(QueueUrl=url)
    found = told(server, refused.value.response["ResponseMetadata"]["RequestId"])
    assert [(one["action"], one["allowed"]) for one in found] == [
        ("sqs:ReceiveMessage", True), ("kms:Decrypt", False),
    ]  # fmt: skip
    [advice] = found[1]["advice"]
    assert advice["place"] == f"identity policy of {role}"
    iam.put_role_policy(
        RoleName=name, PolicyName="advice", PolicyDocument=document(advice["statement"])
    )
    [message] = client.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "x"


def test_a_function_whose_role_may_not_open_its_environment(server: Server, name: str) -> None:
    iam, functions = server.client("iam"), server.client("lambda")
    key = Chain(server, name).key()
    trust = document(
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    )  # fmt: skip
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return 'ran'\n")
    functions.create_function(
        FunctionName=name, Runtime="python3.12", Handler="index.handler", Role=role,
        Code={"ZipFile": packed.getvalue()}, Environment={"Variables": {"SECRET": "hidden"}},
        KMSKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}",
    )  # fmt: skip
    with pytest.raises(ClientError, match="KMSAccessDenied") as refused:
        functions.invoke(FunctionName=name)
    request_id = refused.value.response["ResponseMetadata"]["RequestId"]
    printed = ogi(server, "explain", request_id)
    assert "REFUSED  kms:Decrypt on arn:aws:kms:" in printed
    assert f"To allow it, add to the identity policy of {role}" in printed
    assert "hidden" not in printed
    [one] = [one for one in told(server, request_id) if not one["allowed"]]
    iam.put_role_policy(
        RoleName=name, PolicyName="advice", PolicyDocument=document(one["advice"][0]["statement"])
    )
    assert json.load(functions.invoke(FunctionName=name)["Payload"]) == "ran"


def test_an_allowed_request_is_explained_too(server: Server, name: str) -> None:
    made = server.client("sqs").create_queue(QueueName=name)
    printed = ogi(server, "explain", made["ResponseMetadata"]["RequestId"])
    assert printed.startswith(f"ALLOWED  sqs:CreateQueue on arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    assert "It is allowed by the" in printed


def test_what_would_be_decided_can_be_asked(server: Server, name: str) -> None:
    chain = Chain(server, name)
    server.client("sqs").create_queue(QueueName=name)
    question = (
        "explain", "--principal", "sns.amazonaws.com", "--action", SEND,
        "--resource", chain.queue, "--context", f"aws:SourceArn={chain.topic}",
    )  # fmt: skip
    assert "REFUSED" in ogi(server, *question)
    ogi(server, *question, "--exit-code", fails=True)
    [one] = json.loads(ogi(server, *question, "--json"))
    server.client("sqs").set_queue_attributes(
        QueueUrl=chain.url, Attributes={"Policy": document(one["advice"][0]["statement"])}
    )
    assert "ALLOWED" in ogi(server, *question, "--exit-code")
    other = (*question[:-1], f"aws:SourceArn={chain.topic}-other")
    printed = ogi(server, *other)
    assert "Condition ArnEquals aws:SourceArn does not match" in printed
    assert f"it saw    {chain.topic}-other" in printed
    said = ogi(server, *question[:2], "arn:aws:iam::000000000000:user/nobody", *question[3:],
               fails=True)  # fmt: skip
    assert "There is no user or role" in said


def test_only_who_is_allowed_hears_of_it(server: Server, name: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as unsigned:
        urllib.request.urlopen(f"{server.endpoint}/_ogi/explain?last=1")
    with unsigned.value as answer:
        assert answer.code == 403
        assert json.load(answer)["code"] == "MissingAuthenticationToken"
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    his = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]
    }  # fmt: skip
    assert "is not authorized to perform: ogi:Explain" in ogi(server, "explain", fails=True, **his)
    his["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "signature" in ogi(server, "explain", fails=True, **his)


SEED = """
accounts:
  "111122223333":
    users:
      mine:
        keys: [{ id: AKIAMINE000000000000, secret: mine-secret }]
        policies: [AdministratorAccess]
  "444455556666":
    users:
      theirs:
        keys: [{ id: AKIATHEIRS0000000000, secret: theirs-secret }]
        policies: [AdministratorAccess]
  "777788889999":
    users:
      nobodys:
        keys: [{ id: AKIANOBODYS000000000, secret: nobodys-secret }]
        policies: [AdministratorAccess]
"""


def test_each_account_hears_of_its_own_policies_only(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text(SEED)
    server = start(tmp_path, "--ephemeral", "--seed", str(tmp_path / "seed.yaml"))
    try:
        users = {
            who: {"AWS_ACCESS_KEY_ID": f"AKIA{who.upper():0<16}",
                  "AWS_SECRET_ACCESS_KEY": f"{who}-secret"}
            for who in ("mine", "theirs", "nobodys")
        }  # fmt: skip
        clients = {
            who: server.client("sqs", aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                               aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"])
            for who, keys in users.items()
        }  # fmt: skip
        queue = f"arn:aws:sqs:{REGION}:111122223333:q"
        deny = {"Sid": "Hidden", "Effect": "Allow", "Principal": {"AWS": "777788889999"},
                "Action": SEND, "Resource": queue}  # fmt: skip
        url = clients["mine"].create_queue(
            QueueName="q", Attributes={"Policy": document(deny)}
        )["QueueUrl"]  # fmt: skip
        with pytest.raises(ClientError) as refused:
            clients["theirs"].send_message(QueueUrl=url, MessageBody="x")
        id = refused.value.response["ResponseMetadata"]["RequestId"]

        def seen_by(who: str) -> dict[str, list[str]]:
            found = json.loads(ogi(server, "explain", id, "--json", **users[who]))
            return {
                section["kind"]: [look["statement"] for look in section["looks"]]
                for one in found for section in one["sections"]
            }  # fmt: skip

        assert seen_by("theirs") == {
            "identity-based policy": ["statement 1"], "resource-based policy": [],
        }  # fmt: skip
        assert seen_by("mine") == {
            "identity-based policy": [], "resource-based policy": ["Hidden"],
        }  # fmt: skip
        assert seen_by("nobodys") == {}
        question = (
            "explain", "--principal", "arn:aws:iam::444455556666:user/theirs", "--action", SEND,
            "--resource", queue,
        )  # fmt: skip
        for who in ("theirs", "absent"):
            asked = [word.replace("user/theirs", f"user/{who}") for word in question]
            said = ogi(server, *asked, fails=True, **users["nobodys"])
            assert "Neither the principal nor the resource is of your account" in said
        assert "Nothing was refused" in ogi(server, "explain", **users["nobodys"])
    finally:
        assert server.stop() == 0
