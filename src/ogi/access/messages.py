"""Encoded authorization messages: why a request was refused, for whoever may decode it.

Sealed by the vault and bound to the account of who asked, so that the caller can hand it on but not
read it: "The message is encoded because the details of the authorization status can contain
privileged information that the user who requested the operation should not see."
https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import InvalidTag

from ogi.access.evidence import Evidence
from ogi.access.policy import Statement
from ogi.access.refusals import Refusal
from ogi.errors import AwsError
from ogi.http import Response
from ogi.service import Ports
from ogi.vault import NONCE_BYTES, Vault

CHARS_MAX = 10_240
"""Of an encoded message (EncodedMessage in the API reference)."""
DECODED_BYTES_MAX = 256 * 1024
CONDITIONS_MAX = 100
STATEMENTS_MAX = 10
GOOD_S = 24 * 3600.0
"""How long a message can be decoded. AWS says that messages expire, and not when."""
HEADER = "x-ogi-authorization-message"
_OTHERS = ("aws:ResourceTag/", "iam:ResourceTag/")
"""What is told of a resource to its own account only."""
_PURPOSE = "sts/authorization-messages"


class BadMessage(ValueError):
    """Not made here, tampered with, of another account, or too old."""


def attached(ports: Ports, error: AwsError, answer: Response) -> Response:
    """The answer to a refused request, with its message if what it lacked was a permission."""
    refusal = error.__cause__
    if isinstance(refusal, Refusal) and refusal.evidence.call.principal.account:
        text = encode(ports, refusal.evidence)
        if text:
            answer.headers.append((HEADER, text))
    return answer


def encode(ports: Ports, evidence: Evidence) -> str:
    """The message about a refusal; '' if it would be too long."""
    call = evidence.call
    told = {"at": call.now, "message": _told(evidence)}
    plain = zlib.compress(json.dumps(told, separators=(",", ":")).encode())
    bound = call.principal.account.encode()
    sealed = ports.vault.seal(_PURPOSE, plain, ports.random(NONCE_BYTES), bound)
    text = base64.urlsafe_b64encode(sealed).decode()
    return text if len(text) <= CHARS_MAX else ""


def decode(vault: Vault, account: str, text: str, now: float) -> str:
    """The JSON of a message that was made for this account; raises BadMessage."""
    try:
        sealed = base64.b64decode(text.encode("ascii"), b"-_", validate=True)
        plain = vault.open(_PURPOSE, sealed, account.encode())
        reader = zlib.decompressobj()
        found = json.loads(reader.decompress(plain, DECODED_BYTES_MAX))
    except (binascii.Error, ValueError, InvalidTag, zlib.error):
        raise BadMessage("not made here") from None
    if now >= found["at"] + GOOD_S:
        raise BadMessage("too old")
    return json.dumps(found["message"], separators=(",", ":"))


def _told(evidence: Evidence) -> dict[str, Any]:
    """In the form that AWS's messages have."""
    principal = evidence.call.principal
    at_home = evidence.owner == principal.account
    against = evidence.judge()
    explicit = against is not None and against.explicit
    denying = list(_denying(evidence))[:STATEMENTS_MAX] if explicit else []
    return {
        "allowed": False,
        "explicitDeny": explicit,
        "matchedStatements": {"items": [_statement(s) for s in denying]},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": principal.id,
                "name": principal.arn.rpartition("/")[2],
                "arn": principal.arn,
            },
            "action": evidence.action,
            "resource": evidence.resource,
            "conditions": {
                "items": [
                    {"key": key, "values": _items(value if isinstance(value, list) else [value])}
                    for key, value in list(evidence.context.items())[:CONDITIONS_MAX]
                    if not key.startswith(("ogi:", *(() if at_home else _OTHERS)))
                ]
            },
        },
    }


def _denying(evidence: Evidence) -> Iterator[Statement]:
    """The statements that deny the request, of whatever policy."""
    boundary, rules = evidence.held.boundary, evidence.rules
    sources = [s for _, s in (*evidence.held.sources, *evidence.session)]
    sources += boundary.statements if boundary else ()
    if rules is not None and evidence.owner == evidence.call.principal.account:
        sources += rules.statements  # Another account's policies are its own business.
    asked, region = evidence.asked, evidence.call.region
    for statement in sources:
        names = statement.principals
        if statement.allows or (names is not None and not names.names(asked.principal, region)):
            continue
        if statement.speaks_of_action(evidence.action.lower()) and statement.applies(
            evidence.resource, asked
        ):
            yield statement


def _statement(statement: Statement) -> dict[str, Any]:
    not_action = "notActions" if statement.not_action else "actions"
    not_resource = "notResources" if statement.not_resource else "resources"
    return {
        "statementId": statement.sid or "",
        "effect": "ALLOW" if statement.allows else "DENY",
        not_action: _items(statement.action_texts),
        not_resource: _items(statement.resource_texts),
        "conditions": {
            "items": [
                {"key": condition.name, "operator": condition.operator,
                 "values": _items(condition.values)}
                for condition in statement.conditions
            ]
        },
    }  # fmt: skip


def _items(values: Any) -> dict[str, Any]:
    return {"items": [{"value": str(value)} for value in values]}
