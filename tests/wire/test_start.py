"""Nothing is paid before it is used: models are loaded at the first request of their service."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from botocore.loaders import Loader

from ogi import services
from ogi.wire import models

SCRIPT = """
import sys
from ogi import wire
from ogi.http import Request
for signed in ("sqs", "s3", None):
    wire.route(Request("POST", "/", "", [("x-amz-target", "AmazonSQS.ListQueues")]), signed)
wire.codec("sqs").parse(
    Request("POST", "/", "", [("x-amz-target", "AmazonSQS.ListQueues")], b"{}")
)
from ogi.wire.models import load
assert load.cache_info().currsize == 1
assert not any(name.partition(".")[0] in ("botocore", "boto3") for name in sys.modules)
"""


def test_routing_needs_no_model_and_a_service_loads_its_own_alone() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", sorted(services.load()))
def test_a_model_is_what_botocore_itself_would_load(service: str) -> None:
    shipped = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    theirs = shipped.load_service_model(service, "service-2")
    assert models.load(service).file == msgspec.convert(theirs, models._File)
