"""What policies may ask about a KMS request: KMS's condition keys.

docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Call, Fields
from ogi.services.kms.records import Key

_OF_REQUEST: Mapping[str, str] = {
    "EncryptionAlgorithm": "kms:EncryptionAlgorithm",
    "SigningAlgorithm": "kms:SigningAlgorithm",
    "MacAlgorithm": "kms:MacAlgorithm",
    "MessageType": "kms:MessageType",
    "KeyAgreementAlgorithm": "kms:KeyAgreementAlgorithm",
    "KeyPairSpec": "kms:DataKeyPairSpec",
    "PolicyName": "kms:PolicyName",
    "BypassPolicyLockoutSafetyCheck": "kms:BypassPolicyLockoutSafetyCheck",
    "PendingWindowInDays": "kms:ScheduleKeyDeletionPendingWindowInDays",
    "RotationPeriodInDays": "kms:RotationPeriodInDays",
    "ExpirationModel": "kms:ExpirationModel",
    "ValidTo": "kms:ValidTo",
    "WrappingAlgorithm": "kms:WrappingAlgorithm",
    "WrappingKeySpec": "kms:WrappingKeySpec",
    "GranteePrincipal": "kms:GranteePrincipal",
    "RetiringPrincipal": "kms:RetiringPrincipal",
}


def of(call: Call, key: Key, request: Fields) -> dict[str, Any]:
    """The condition keys of a request that names a key."""
    found: dict[str, Any] = {
        "kms:KeyOrigin": key.origin,
        "kms:KeySpec": key.spec,
        "kms:KeyUsage": key.usage,
        "kms:MultiRegion": "false",
    }
    if key.aliases:
        found["kms:ResourceAliases"] = list(key.aliases)
    for name, value in key.tags.items():
        found[f"aws:ResourceTag/{name}"] = value
    if key.grants:
        for name, value in (request.get("EncryptionContext") or {}).items():
            found[pair(name, value)] = "true"
    return of_request(call, request, found)


def pair(name: str, value: str) -> str:
    """The key that says that a pair is in the encryption context, for the constraints of grants.

    They want "an exact, case-sensitive match" (create-grant-overview in KMS's guide), and names of
    condition keys are compared without regard to case.
    """
    return f"ogi:EncryptionContextPair/{name.encode().hex()}={value.encode().hex()}"


def of_request(call: Call, request: Fields, found: dict[str, Any]) -> dict[str, Any]:
    """`found` with what the caller and the request's members say."""
    if call.principal.account:
        # A service principal has no account of the caller, which is why AWS-managed keys refuse it.
        found["kms:CallerAccount"] = call.principal.account
    for member, value in request.items():
        if member in _OF_REQUEST:
            found[_OF_REQUEST[member]] = _text(value)
        elif member == "EncryptionContext" and value:
            for name, text in value.items():
                found[f"kms:EncryptionContext:{name}"] = text
            found["kms:EncryptionContextKeys"] = list(value)
        elif member == "KeyId":
            alias = value.rpartition(":")[2] if value.startswith("arn:") else value
            if alias.startswith("alias/"):
                found["kms:RequestAlias"] = alias
        elif member == "Tags":
            for tag in value:
                found[f"aws:RequestTag/{tag['TagKey']}"] = tag["TagValue"]
            found["aws:TagKeys"] = [tag["TagKey"] for tag in value]
        elif member == "TagKeys":
            found["aws:TagKeys"] = list(value)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
