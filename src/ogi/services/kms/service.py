"""KMS as a service: its name, principal, refusal, and the resource policy of a key."""

from __future__ import annotations

from ogi import arn as arns
from ogi.service import Service
from ogi.services.kms import grants, managed, rewraps, uses
from ogi.services.kms.effects import in_effect
from ogi.services.kms.errors import AccessDeniedException
from ogi.services.kms.records import KEYS
from ogi.storage import Reader, control


def policy_of(tx: Reader, arn: str) -> str | None:
    """What decides over a key: its policy and its grants. Aliases have none."""
    parsed = arns.parse(arn)
    if parsed is None or not parsed.resource.startswith("key/"):
        return None
    id, home = parsed.resource.removeprefix("key/"), control(parsed.account, parsed.region)
    key = KEYS.get(tx, home, id) or managed.all_of(parsed.account, parsed.region).get(id)
    if key is None:
        return None
    return grants.policy_with(tx, key, home) if key.grants else in_effect(key.policy)


def is_fixed(tx: Reader, arn: str) -> bool:
    """Whether it is an AWS-managed key."""
    parsed = arns.parse(arn)
    return parsed is not None and parsed.resource.removeprefix("key/") in managed.all_of(
        parsed.account, parsed.region
    )


SERVICE = Service(
    name="kms",
    principal="kms.amazonaws.com",
    denied=AccessDeniedException,
    policy_of=policy_of,
    rewrap=rewraps.rewrap,
    workers=(uses.recorder,),
    fixed=is_fixed,
)
