"""Requests that nobody signed: which services and operations hear them at all.

Where a resource's policy may name everybody, the policy decides: S3, and SQS, whose developer guide
("Granting Anonymous Access to a Queue", and the policy examples for "all users (anonymous users)")
says that such access requires no signature; an SNS topic's policy is of the same make. STS takes
what the holder of a foreign token asks for, SNS the links in its own messages. All others refuse
before they read a byte of the body: a policy of KMS or Lambda with Principal "*" means everybody
who has an AWS identity.
"""

from __future__ import annotations

from ogi.access import scopes
from ogi.errors import AwsError
from ogi.http import Request
from ogi.service import Operation, Service

BY_POLICY = frozenset({"s3", "sqs", "sns"})
BY_NATURE = frozenset({
    ("sns", "ConfirmSubscription"), ("sns", "Unsubscribe"),
    ("sts", "AssumeRoleWithWebIdentity"), ("sts", "AssumeRoleWithSAML"),
})  # fmt: skip
"""Operations that nobody need sign: `noAuth` in the service's model, or the action's page."""
HEARD = BY_POLICY | {service for service, _ in BY_NATURE}


def check_service(service: Service, request: Request) -> None:
    """Raise if no operation of the service is open to strangers."""
    if service.name not in HEARD:
        raise _missing(service, request)


def check_operation(operation: Operation, request: Request) -> None:
    """Raise if the operation must be signed. Passing says nothing about being allowed."""
    service = operation.service
    if service.name not in BY_POLICY and (service.name, operation.name) not in BY_NATURE:
        raise _missing(service, request)


def refusal(service: Service, request: Request, error: AwsError) -> AwsError:
    """Why a stranger is refused: what he lacks is a signature; S3 alone says that access is.

    Who brings a foreign token to STS is no stranger any more when the role's trust refuses him.
    """
    if service.name in ("s3", "sts") or not isinstance(error, service.denied):
        return error
    return _missing(service, request)


def _missing(service: Service, request: Request) -> AwsError:
    return scopes.family(request, service.name).missing()
