"""KMS as a service: its name, principal, refusal, and the resource policy of a key."""

from __future__ import annotations

from ogi import arn as arns
from ogi.service import Service
from ogi.services.kms import managed
from ogi.services.kms.errors import AccessDeniedException
from ogi.services.kms.records import KEYS
from ogi.storage import Reader, control


def policy_of(tx: Reader, arn: str) -> str | None:
    """The key policy of a key; aliases have none."""
    parsed = arns.parse(arn)
    if parsed is None or not parsed.resource.startswith("key/"):
        return None
    id = parsed.resource.removeprefix("key/")
    key = KEYS.get(tx, control(parsed.account, parsed.region), id)
    if key is None:
        key = managed.all_of(parsed.account, parsed.region).get(id)
    return None if key is None else key.policy


SERVICE = Service(
    name="kms",
    principal="kms.amazonaws.com",
    denied=AccessDeniedException,
    policy_of=policy_of,
)
