"""What sessions are limited and marked by: policies, tags, how long they last.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ogi.access import grants, identities, policy
from ogi.access.grammar import check_identity
from ogi.access.identities import Role
from ogi.service import Fields
from ogi.services.sts.errors import (
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from ogi.storage import Reader

ROLE_S_DEFAULT = 3600
CHAINED_S_MAX = 3600
"""Of a role that was assumed by a role."""
POLICY_CHARACTERS_MAX = 2048
"""Of all session policies and ARNs together, as their plain text (quotas page of IAM)."""
POLICY_ARNS_MAX = 10
TAGS_MAX = 50
_TAG_KEY = re.compile(r"[\w .:/=+@-]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
TRANSITIVE = "ogi:TransitiveTags"
"""The tag keys of a session that are handed on when it assumes a further role."""


def role_duration_s(request: Fields, role: Role, chained: bool) -> int:
    asked: int | None = request.get("DurationSeconds")
    if asked is None:
        return ROLE_S_DEFAULT
    if chained and asked > CHAINED_S_MAX:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
            "by role chaining"
        )
    if asked > role.max_session_s:
        raise ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return asked


def session_policies(tx: Reader, account: str, request: Fields) -> tuple[str, ...]:
    """Documents and ARNs, checked."""
    found: list[str] = []
    if "Policy" in request:
        try:
            check_identity(policy.compile(request["Policy"]))
        except policy.PolicySyntax as error:
            raise MalformedPolicyDocumentException(error.of_iam) from None
        found.append(request["Policy"])
    arns = request.get("PolicyArns", [])
    if len(arns) > POLICY_ARNS_MAX:
        raise ValidationError(f"A session has at most {POLICY_ARNS_MAX} managed session policies.")
    for entry in arns:
        arn = entry.get("arn", "")
        if grants.document_of(tx, arn) is None or identities.account_in(arn) not in (
            "aws", account,
        ):  # fmt: skip
            raise ValidationError(f"Policy {arn} does not exist or is not attachable.")
        found.append(arn)
    size = sum(map(len, found))
    if size > POLICY_CHARACTERS_MAX:
        # As its users know it; of tags STS says the like in aws/containers-roadmap#2413 on GitHub.
        raise PackedPolicyTooLargeException(
            f"Packed policy consumes {_percent(size)}% of allotted space, please use smaller"
            " policy."
        )
    return tuple(found)


def tags_of(request: Fields) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in request.get("Tags", []):
        _check_prefix(tag["Key"], tag["Value"])
        if tag["Key"].lower() in {key.lower() for key in tags}:
            raise ValidationError("Duplicate session tag keys found.")
        tags[tag["Key"]] = tag["Value"]
    return tags


def check_tags(tags: Mapping[str, str]) -> None:
    """What the model does not say of tags that come in a token.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_know
    """
    folded = {key.lower() for key in tags}
    if len(folded) != len(tags):
        raise ValidationError("Duplicate session tag keys found.")
    if len(tags) > TAGS_MAX:
        raise ValidationError(f"A session has at most {TAGS_MAX} tags.")
    for key, value in tags.items():
        _check_prefix(key, value)
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise ValidationError(f"The session tag {key[:128]} is not valid.")


def _percent(characters: int) -> int:
    """Of what policies and tags may take; a hundred is all of it."""
    return -(-characters * 100 // POLICY_CHARACTERS_MAX)


def _check_prefix(*texts: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules, of IAM and STS;
    the sentence is ours."""
    if any(text.lower().startswith("aws:") for text in texts):
        raise ValidationError("Tag keys and values cannot begin with aws:")


def with_packed(answer: Fields, policies: tuple[str, ...], tags: dict[str, str]) -> Fields:
    """PackedPolicySize: percent of what policies and tags may take."""
    if policies or tags:
        size = sum(map(len, policies)) + sum(len(k) + len(v) for k, v in tags.items())
        answer["PackedPolicySize"] = min(100, _percent(size))
    return answer
