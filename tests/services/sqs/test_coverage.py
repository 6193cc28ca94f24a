"""Coverage: every action of SQS's model is there, and none of their members is refused."""

from __future__ import annotations

from botocore.loaders import Loader

from ogi.services.sqs import SERVICE


def test_every_action_is_there_with_all_its_members() -> None:
    model = Loader().load_service_model("sqs", "service-2")
    assert set(SERVICE.operations) == set(model["operations"])
    assert not any(operation.unsupported for operation in SERVICE.operations.values())
