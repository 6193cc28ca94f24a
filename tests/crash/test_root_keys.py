"""A server that is killed while its root key is renewed opens everything when it is back."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.crash.child import ROUNDS, SEED, Child

pytestmark = pytest.mark.slow

KEYS = 250
"""More than two pages of records that are sealed anew."""


def test_a_rotation_of_the_root_key_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(f"{SEED}root")
    child = Child(tmp_path)
    opened: list[tuple[bytes, bytes]] = []
    renewed: set[int] = set()
    try:
        child.start()
        kms, sqs = child.client("kms"), child.client("sqs")
        made = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(KEYS)]
        url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        for turn in range(max(4, ROUNDS // 2)):
            plain = f"turn {turn}".encode()
            blob = kms.encrypt(KeyId=chance.choice(made), Plaintext=plain)["CiphertextBlob"]
            opened.append((plain, blob))
            sqs.send_message(QueueUrl=url, MessageBody=plain.decode())
            asking = threading.Thread(target=_rotate, args=(tmp_path / "data" / "keys.sock",))
            asking.start()
            time.sleep(chance.uniform(0.0, 0.15))
            child.kill()
            asking.join()
            child.start()
            names = {path.name for path in (tmp_path / "data").iterdir()}
            assert not {"root.key.next", "keyring.json.new"} & names
            found = _ask(tmp_path / "data" / "keys.sock", do="status")
            assert found.get("settled", True), f"turn {turn}, OGI_CRASH_SEED={SEED}"
            renewed.add(found.get("generation", 0))
            for plain, blob in opened:
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plain
            for id in chance.sample(made, 10):
                kms.encrypt(KeyId=id, Plaintext=b"x")
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
            assert {message["Body"].encode() for message in got} <= {plain for plain, _ in opened}
        assert len(renewed) > 1, "no rotation ever came as far as its keyring"
    finally:
        child.close()


def test_an_acknowledged_change_of_a_keys_state_is_there_after_a_crash(tmp_path: Path) -> None:
    chance = random.Random(f"{SEED}states")
    child = Child(tmp_path)
    try:
        child.start()
        kms = child.client("kms")
        made = {kms.create_key()["KeyMetadata"]["KeyId"]: "Enabled" for _ in range(8)}
        rotations = dict.fromkeys(made, 0)
        for turn in range(max(4, ROUNDS // 3)):
            for _ in range(20):
                id = chance.choice(list(made))
                operation = chance.choice(_NEXT[made[id]])
                getattr(kms, operation)(KeyId=id)
                made[id] = _BECOMES.get(operation, made[id])
                rotations[id] += operation == "rotate_key_on_demand"
            child.kill()
            child.start()
            for id, state in made.items():
                found = kms.describe_key(KeyId=id)["KeyMetadata"]
                assert found["KeyState"] == state, f"turn {turn}, OGI_CRASH_SEED={SEED}"
                listed = kms.list_key_rotations(KeyId=id)["Rotations"]
                assert len(listed) == rotations[id]
    finally:
        child.close()


_NEXT = {
    "Enabled": ["disable_key", "schedule_key_deletion", "rotate_key_on_demand"],
    "Disabled": ["enable_key", "schedule_key_deletion"],
    "PendingDeletion": ["cancel_key_deletion"],
}
_BECOMES = {
    "disable_key": "Disabled",
    "enable_key": "Enabled",
    "schedule_key_deletion": "PendingDeletion",
    "cancel_key_deletion": "Disabled",
}


def _rotate(path: Path) -> None:
    with suppress(OSError, ValueError):
        _ask(path, do="rotate")


def _ask(path: Path, **asked: str) -> Any:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        raw = b""
        while not raw.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                raise OSError("it went away")
            raw += piece
        return json.loads(raw)
