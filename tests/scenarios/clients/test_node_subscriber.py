"""Node: the AWS SDK for JavaScript, and sns-validator behind a real HTTP server."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.scenarios.clients.conftest import Lookalike
from tests.scenarios.clients.environments import HERE, node_with


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_validator_accepts_what_comes_and_finds_out_what_was_changed(
    lookalike: Lookalike, name: str, version: str
) -> None:
    folder = node_with("@aws-sdk/client-sns@3", "sns-validator@0.3", "https-proxy-agent@7")
    script = shutil.copy(HERE / "subscriber.mjs", folder)
    told = subprocess.run(
        ["node", script, name, version], env=lookalike.environment, capture_output=True,
        text=True, timeout=90, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    confirmation = f"arn:aws:sns:eu-west-1:000000000000:{name}"
    batch = seen["verified"][2:4]
    assert sorted(batch) == [["Notification", None, "one"], ["Notification", None, "two"]]
    assert seen == {
        "asked": "pending confirmation",
        "verified": [
            ["SubscriptionConfirmation", None,
             f"You have chosen to subscribe to the topic {confirmation}."],
            ["Notification", "Greeting", "Grüße 🎉"],
            *batch,
        ],
        "refused": ["The message signature is invalid."] * 3,
        "headers": ["Notification", "Amazon Simple Notification Service Agent"],
        "attributes": {"kind": {"Type": "String", "Value": "news"}},
        "version": version,
        **({"left": 200} if version == "2" else {}),
        "subscribers": 0,
        "error": ["NotFoundException", 404],
    }  # fmt: skip
