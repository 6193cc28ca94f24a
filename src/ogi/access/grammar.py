"""What a policy may say, by where it is put: IAM's rules beyond the grammar, in its sentences.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html#policies-grammar-notes
The sentences are IAM's answers of September 2026 as github.com/badmintoncryer/cdk-preflight quotes
them, rules/iam.
"""

from __future__ import annotations

import re

from ogi.access.conditions import ARN_PARTS, LEGACY
from ogi.access.policy import Policy, PolicySyntax, Statement

PARTITIONS = ("aws", "*")
"""Ogi's accounts are of the partition `aws`."""
REGIONLESS = frozenset({"iam", "route53"})
_SID = re.compile(r"[0-9A-Za-z]*")
_TRUST_ACTIONS = frozenset({
    "sts:AssumeRole", "sts:AssumeRole*", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext", "sts:SetSourceIdentity", "sts:TagSession",
})  # fmt: skip
"""In this case only: `sts:assumerole` and `sts:*` are refused."""
_COGNITO = ("Federated", "cognito-identity.amazonaws.com")


def check_identity(policy: Policy) -> None:
    """Policies of users, groups and roles, managed ones, boundaries, session policies."""
    if policy.id is not None:
        raise PolicySyntax("Syntax errors in policy.")
    _check_sids(policy)
    for statement in policy.statements:
        if statement.principals is not None:
            raise PolicySyntax("Policy document should not specify a principal.")
        if not statement.named_resource:
            raise PolicySyntax("Policy statement must contain resources.")
        _check_actions(statement)
        _check_arns(statement)
        for resource in statement.resource_texts:
            _check_resource(resource)


def check_trust(policy: Policy) -> None:
    """Trust policies of roles."""
    _check_sids(policy)
    for statement in policy.statements:
        if statement.principals is None:
            raise PolicySyntax("Missing required field Principal")
        if statement.principals.bare:
            raise PolicySyntax('AssumeRolepolicy contained an invalid principal: "STAR":"*".')
        if statement.named_resource:
            raise PolicySyntax("Has prohibited field Resource")
        _check_arns(statement)
        if any(kind == "CanonicalUser" for kind, _ in statement.principals.entries):
            raise PolicySyntax("Invalid principal in policy.")
        if _COGNITO in statement.principals.entries and not statement.conditions:
            raise PolicySyntax("A condition block must be present for the Cognito provider")
        if not _TRUST_ACTIONS.issuperset(statement.action_texts):
            raise PolicySyntax("AssumeRole policy may only specify STS AssumeRole actions.")


def _check_sids(policy: Policy) -> None:
    sids = [statement.sid for statement in policy.statements if statement.sid]
    if not all(_SID.fullmatch(sid) for sid in sids):
        raise PolicySyntax(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the "
            "regular expression [0-9A-Za-z]*"
        )
    if len(set(sids)) != len(sids):
        raise PolicySyntax("Statement IDs (SID) in a single policy must be unique.")


def _check_actions(statement: Statement) -> None:
    for action in statement.action_texts:
        if action == "*":
            continue
        vendor, colon, name = action.partition(":")
        if not colon or not vendor or not name:
            raise PolicySyntax(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            )
        if ":" in name:
            raise PolicySyntax("Actions/Condition can contain only one colon.")
        if "*" in vendor or "?" in vendor:
            raise PolicySyntax("Action vendors (e.g., aws, ec2, etc.) must not contain wildcards.")


def _check_resource(resource: str) -> None:
    if resource == "*":
        return
    parts = resource.split(":", 5)
    if parts[0] != "arn":
        raise PolicySyntax(f'Resource {resource} must be in ARN format or "*".')
    if len(parts) > 1 and parts[1] not in PARTITIONS:
        raise PolicySyntax(f'Partition "{parts[1]}" is not valid for resource "{resource}".')
    if len(parts) < ARN_PARTS and not resource.endswith("*"):
        raise PolicySyntax(LEGACY)
    if len(parts) < ARN_PARTS:
        return
    vendor, region, account, rest = parts[2:]
    if "*" in vendor or "?" in vendor:
        raise PolicySyntax("Resource vendor must be fully qualified and cannot contain regexes.")
    bucket = vendor == "s3" and "/" not in rest
    if (bucket or vendor in REGIONLESS) and region.strip("*?"):
        raise PolicySyntax(f"Resource {resource} can not contain region information.")
    if bucket and account.strip("*?"):
        raise PolicySyntax(f"Resource {resource} cannot contain an account id.")


def _check_arns(statement: Statement) -> None:
    """The operators of ARNs compare with ARNs."""
    for condition in statement.conditions:
        if not condition.operator.rpartition(":")[2].lower().startswith("arn"):
            continue
        for value in condition.values:
            if value != "*" and (not value.startswith("arn:") or value.count(":") < ARN_PARTS - 1):
                raise PolicySyntax(LEGACY)
