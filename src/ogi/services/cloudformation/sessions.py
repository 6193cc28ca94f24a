"""As whom a stack's resources are made: who asked, or a session of the stack's service role.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
"""

from __future__ import annotations

from ogi.access import sessions
from ogi.access.authorise import authorise_pass_role
from ogi.service import THROUGH_A_SERVICE, Call
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.service import SERVICE
from ogi.storage import Reader

SESSION = "AWSCloudFormation"


def check(tx: Reader, call: Call, role_arn: str, stack_arn: str) -> None:
    """Refuse a role that the caller may not pass, or that CloudFormation may not assume."""
    authorise_pass_role(tx, call, SERVICE, role_arn, "cloudformation.amazonaws.com", stack_arn)
    role = sessions.role_at(tx, role_arn)
    if role is None or not sessions.trusts(call, role, SERVICE.principal, {}):
        raise ValidationError(f"Role {role_arn} is invalid or cannot be assumed")


async def actor(call: Call, role_arn: str) -> Call:
    """The caller, or the role's session; decided anew at each step, as the role may change."""
    if not role_arn:
        # docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        called = {"aws:CalledVia": [SERVICE.principal], **THROUGH_A_SERVICE}
        return call.as_principal(call.principal, **{**call.context, **called})

    def session(tx: Reader) -> Call:
        role = sessions.role_at(tx, role_arn)
        if role is None or not sessions.trusts(call, role, SERVICE.principal, {}):
            message = (
                f"User: {SERVICE.principal} is not authorized to perform: sts:AssumeRole on"
                f" resource: {role_arn}"
            )
            if role is not None:
                sessions.note_distrust(call, role, SERVICE.principal, {}, message)
            raise sessions.CannotAssume(message)
        return call.as_principal(
            sessions.principal_of(role, SESSION), **{"ogi:InvokedBy": SERVICE.principal}
        )

    return await call.read(session)
