"""The root key from elsewhere than a file beside the data, and renewed while the server works."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.conftest import REGION, Server, start

PLAIN = b"the plain text of an object"


def fill(server: Server) -> dict[str, Any]:
    """Something of everything that is sealed; what `check` needs to find it again."""
    kms, sqs, s3 = server.client("kms"), server.client("sqs"), server.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a message")
    s3.create_bucket(Bucket="b-of-roots", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="b-of-roots", Key="small", Body=PLAIN)
    s3.put_object(Bucket="b-of-roots", Key="large", Body=PLAIN * 10_000)
    user = server.client("iam").create_user(UserName="ann")["User"]["UserName"]
    secret = server.client("iam").create_access_key(UserName=user)["AccessKey"]
    return {"key": key, "blob": blob, "secret": secret}


def check(server: Server, made: dict[str, Any]) -> None:
    kms, sqs, s3 = server.client("kms"), server.client("sqs"), server.client("s3")
    assert kms.decrypt(CiphertextBlob=made["blob"])["Plaintext"] == b"x"
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "a message"
    for name, body in (("small", PLAIN), ("large", PLAIN * 10_000)):
        assert s3.get_object(Bucket="b-of-roots", Key=name)["Body"].read() == body
    ann = {
        "aws_access_key_id": made["secret"]["AccessKeyId"],
        "aws_secret_access_key": made["secret"]["SecretAccessKey"],
    }
    arn = server.client("sts", **ann).get_caller_identity()["Arn"]
    assert arn.endswith("user/ann")


def refused(folder: Path, *options: str, **environment: str) -> str:
    """What `ogi serve` says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "ogi", "serve", "--port", "0", "--data", str(folder), *options],
        capture_output=True, text=True, timeout=30, env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def keys(data: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ogi", "keys", *arguments, "--data", str(data)],
        capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def begin(
    folder: Path, data: Path, *options: str, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> Server:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server = start(folder, "--data", str(data), "--credentials", "test:test", *options)
    for name in environment:
        monkeypatch.delenv(name)
    return server


def test_a_stolen_folder_is_worth_nothing_without_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved from the file to a passphrase while it works, renewed, and taken away."""
    data, stolen = tmp_path / "data", tmp_path / "stolen"
    first, second = "the first passphrase", "the second passphrase"
    server = begin(tmp_path, data, monkeypatch=monkeypatch)
    made = fill(server)
    assert "comes from: file" in keys(data, "status")
    told = keys(data, "move-root", "passphrase", OGI_NEW_PASSPHRASE=first)
    assert "--root-key passphrase" in told
    assert not (data / "root.key").exists()
    check(server, made)
    keys(data, "rotate-root", OGI_NEW_PASSPHRASE=second)
    check(server, made)
    # What was sealed meanwhile is there, too, after the server was killed.
    blob = server.client("kms").encrypt(KeyId=made["key"], Plaintext=b"later")["CiphertextBlob"]
    server.process.send_signal(signal.SIGKILL)
    server.stop()
    assert first not in server.log.read_text() and second not in server.log.read_text()
    shutil.copytree(data, stolen, ignore=shutil.ignore_patterns("*.sock"))
    (stolen / "lock").unlink()
    assert "start with --root-key passphrase" in refused(stolen)
    passphrase = ("--root-key", "passphrase")
    assert "OGI_PASSPHRASE" in refused(stolen, *passphrase)
    assert "the passphrase is wrong" in refused(stolen, *passphrase, OGI_PASSPHRASE=first)
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert first.encode() not in content and second.encode() not in content

    server = begin(tmp_path, data, *passphrase, monkeypatch=monkeypatch, OGI_PASSPHRASE=second)
    try:
        check(server, made)
        opened = server.client("kms").decrypt(CiphertextBlob=blob)
        assert opened["Plaintext"] == b"later"
    finally:
        assert server.stop() == 0


def test_the_root_key_may_be_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    old, new = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    server = begin(tmp_path, data, "--root-key", "env", monkeypatch=monkeypatch, OGI_ROOT_KEY=old)
    made = fill(server)
    keys(data, "rotate-root", OGI_NEW_ROOT_KEY=new)
    assert server.stop() == 0
    assert not (data / "root.key").exists()
    for key in (old, "nonsense"):
        assert "root key" in refused(data, "--root-key", "env", OGI_ROOT_KEY=key)
    # Another variable, as an orchestrator may name it.
    server = begin(tmp_path, data, "--root-key", "env:SECRET_OF_MINE", monkeypatch=monkeypatch,
                   SECRET_OF_MINE=new)  # fmt: skip
    try:
        check(server, made)
    finally:
        assert server.stop() == 0


def test_the_root_key_may_be_held_by_another_kms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other KMS is an Ogi here; AWS's is asked in the same words."""
    (tmp_path / "holder").mkdir()
    holder = start(tmp_path / "holder", "--data", str(tmp_path / "holder" / "data"),
                   "--credentials", "test:test")  # fmt: skip
    kms = holder.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    data = tmp_path / "data"
    options = ("--root-key", f"kms:{arn}", "--root-kms-endpoint", holder.endpoint)
    server = begin(tmp_path, data, *options, monkeypatch=monkeypatch)
    made = fill(server)
    keys(data, "rotate-root")
    assert server.stop() == 0
    ring = json.loads((data / "keyring.json").read_text())
    assert ring["root"]["key_arn"] == arn and not (data / "root.key").exists()

    kms.disable_key(KeyId=arn)
    assert "DisabledException" in refused(data, *options)
    kms.enable_key(KeyId=arn)
    wrong = {"AWS_SECRET_ACCESS_KEY": "another"}
    assert "refuses the root key" in refused(data, *options, **wrong)
    server = begin(tmp_path, data, *options, monkeypatch=monkeypatch)
    check(server, made)
    assert server.stop() == 0
    assert holder.stop() == 0
    told = refused(data, *options)
    assert holder.endpoint in told and "cannot be asked" in told


def test_keys_are_renewed_while_clients_work(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(tmp_path, "--data", str(data), "--credentials", "test:test")
    try:
        made = fill(server)
        kms = server.client("kms")
        for turn in range(3):
            rotation = subprocess.Popen(
                [sys.executable, "-m", "ogi", "keys", "rotate-root", "--data", str(data)],
                stdout=subprocess.DEVNULL,
            )
            blobs = []
            while rotation.poll() is None:
                blobs.append(kms.encrypt(KeyId=made["key"], Plaintext=b"p")["CiphertextBlob"])
            assert rotation.returncode == 0 and blobs
            for blob in blobs:
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"p"
            assert f"renewed {turn + 1} times" in keys(data, "status")
        check(server, made)
    finally:
        assert server.stop() == 0


def test_without_a_server_the_command_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ogi", "keys", "rotate-root", "--data", str(tmp_path)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1 and "No server works on" in done.stderr


def test_the_administrators_secret_is_not_in_a_folder_whose_root_key_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, data = tmp_path / "run", tmp_path / "data"
    memory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    words = tmp_path / "words"
    words.write_text("a passphrase that is long enough")
    words.chmod(0o600)

    def exports() -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, "-m", "ogi", "env", "--data", str(data)]
        return subprocess.run(asked, capture_output=True, text=True, timeout=30)

    for _ in range(2):  # Each start writes it anew.
        server = start(tmp_path, "--data", str(data), "--root-key", f"passphrase:{words}")
        assert server.stop() == 0
    (kept,) = (memory / "ogi").iterdir()
    secret = json.loads(kept.read_text())["secret_access_key"]
    assert f"AWS_SECRET_ACCESS_KEY={secret}" in exports().stdout.replace("'", "")
    assert kept.stat().st_mode & 0o777 == 0o600
    files = [path for path in data.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files and not any(secret.encode() in path.read_bytes() for path in files)
    kept.unlink()  # As where the folder was carried away to.
    assert exports().returncode == 1 and "no credentials yet" in exports().stderr
