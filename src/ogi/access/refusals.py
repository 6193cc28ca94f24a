"""Refusals: why a request is not allowed, as data and in AWS's words.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html and, on the ARN of
the policy that denies, https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ogi.service import Call, Service

_IAM_NOUNS: Mapping[str, str] = {
    "user": "user", "role": "role", "group": "group", "policy": "policy",
    "instance-profile": "instance profile",
}  # fmt: skip
"""How IAM names what is there already: `role NAME`, but `policy ARN`, as it is quoted in
docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.troubleshooting.html and
docs.aws.amazon.com/cloud9/latest/user-guide/troubleshooting.html"""
_IAM_BY_ARN = frozenset({
    "CreateUser", "CreateRole", "CreateGroup", "CreatePolicy", "CreateInstanceProfile", "PassRole",
})  # fmt: skip
"""What is not there yet has its ARN only; so has whatever is tagged, which is mostly made so."""


class Look(msgspec.Struct, frozen=True):
    """A statement that was looked at."""

    kind: str
    """`identity-based policy`, `resource-based policy`, ..."""
    source: str
    """The policy's ARN or place."""
    statement: str
    """Its Sid, or its number."""
    effect: str
    failed: str = ""
    """The element that did not match: `Action`, `Resource`, `Principal`, `Condition OPERATOR KEY`,
    or their `Not` forms; '': the statement applied."""
    wanted: tuple[str, ...] = ()
    """The values of that element."""
    seen: tuple[str, ...] | None = None
    """What the request has in its place; None: it has no such condition key."""


class Decision(msgspec.Struct, frozen=True):
    """What was decided and which type of policy decided."""

    action: str
    resource: str
    owner: str
    kind: str
    explicit: bool = False
    policy: str = ""
    """The ARN of the managed policy that denies it explicitly."""


class Refusal(Exception):
    """The cause of an access-denied error."""

    def __init__(self, decision: Decision, evidence: Any) -> None:
        """evidence: an `ogi.access.evidence.Evidence`."""
        super().__init__(decision.kind)
        self.decision = decision
        self.evidence = evidence


def sentence(service: Service, call: Call, decision: Decision) -> str | None:
    """The message; None where the service says no more than its error's own words."""
    principal = call.principal
    s3 = service.name == "s3"
    if s3 and (principal.kind == "anonymous" or decision.owner != principal.account):
        # "...enhanced messages for requests to resources within the same AWS account"
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html
        return None
    who = "anonymous" if principal.kind == "anonymous" else principal.arn
    action = _action(service, decision.action)
    text = f"User: {who} is not authorized to perform: {action}"
    if s3:
        on = f' on resource: "{decision.resource}"' if decision.resource != "*" else ""
    else:
        on = f" on resource: {_resource(service, decision)}"
    trust = service.name == "sts" and decision.kind == "resource-based policy"
    if trust and not decision.explicit:
        # What a trust policy lacks is not told to whom it does not know.
        return text + on
    if decision.explicit:
        kind = "the role trust policy" if trust else _article(decision.kind)
        # "Policy ARNs are only included when the request originates from either the same account
        # or the same organization."
        home = decision.policy and decision.owner == principal.account
        return f"{text}{on} with an explicit deny in {kind}{f': {decision.policy}' if home else ''}"
    return f"{text}{on} because no {decision.kind} allows the {action} action"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] == "i" else f"a {kind}"


def _action(service: Service, action: str) -> str:
    """SQS says sqs:sendmessage and SNS says SNS:Publish in their refusals."""
    if service.name == "sqs" and action.startswith("sqs:"):
        return action.lower()
    if service.name == "sns" and action.startswith("sns:"):
        return "SNS" + action[3:]
    return action


def _resource(service: Service, decision: Decision) -> str:
    arn, (_, _, action) = decision.resource, decision.action.partition(":")
    if service.name != "iam" or action in _IAM_BY_ARN or action.startswith(("Tag", "Untag")):
        return arn
    kind, _, path = arn.rpartition(":")[2].partition("/")
    noun, name = _IAM_NOUNS.get(kind), path.rpartition("/")[2]
    if noun is None or not name or "*" in name:
        return arn
    return f"{noun} {arn if kind == 'policy' else name}"
