"""What a policy may say, by where it is put: IAM's rules beyond the grammar, in its sentences.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html#policies-grammar-notes
"""

from __future__ import annotations

import re

from ogi.access.policy import Policy, PolicySyntax, Statement

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "*")
_SID = re.compile(r"[0-9A-Za-z]*")
_TRUST_ACTIONS = frozenset(
    {"sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml",
     "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"}
)  # fmt: skip


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
        for resource in statement.resource_texts:
            _check_resource(resource)


def check_trust(policy: Policy) -> None:
    """Trust policies of roles."""
    _check_sids(policy)
    for statement in policy.statements:
        if statement.principals is None:
            raise PolicySyntax("Missing required field Principal")
        if statement.named_resource:
            raise PolicySyntax("Has prohibited field Resource")
        if any(kind == "CanonicalUser" for kind, _ in statement.principals.entries):
            raise PolicySyntax("Invalid principal in policy.")
        for action in statement.action_texts:
            lower = action.lower()
            if lower not in _TRUST_ACTIONS and lower not in ("sts:*", "sts:assumerole*"):
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
            raise PolicySyntax(f"Vendor {vendor} is not valid")


def _check_resource(resource: str) -> None:
    if resource == "*":
        return
    parts = resource.split(":", 5)
    if parts[0] != "arn":
        raise PolicySyntax(f'Resource {resource} must be in ARN format or "*".')
    if len(parts) > 1 and parts[1] not in PARTITIONS:
        raise PolicySyntax(f'Partition "{parts[1]}" is not valid for resource "{resource}".')
    if len(parts) < 6 and not resource.endswith("*"):
        raise PolicySyntax("The policy failed legacy parsing")
    if len(parts) == 6 and parts[2] == "iam" and parts[3] not in ("", "*"):
        raise PolicySyntax(f"IAM resource {resource} cannot contain region information.")
