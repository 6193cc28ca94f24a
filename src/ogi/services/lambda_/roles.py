"""The execution role: may the caller pass it, may Lambda assume it, and who is Lambda then?"""

from __future__ import annotations

from ogi.access import sessions
from ogi.access.authorise import authorise_pass_role
from ogi.access.credentials import Credentials
from ogi.service import Call, Principal, Service
from ogi.services.lambda_.errors import InvalidParameterValueException
from ogi.storage import Reader

PRINCIPAL = "lambda.amazonaws.com"
CANNOT = "The role defined for the function cannot be assumed by Lambda."
SESSION_S = 12 * 3600.0
"""How long the credentials of an environment are good for."""


def check(tx: Reader, call: Call, service: Service, role_arn: str, function_arn: str) -> None:
    """Raise what CreateFunction raises for a role that cannot be used."""
    authorise_pass_role(tx, call, service, role_arn, PRINCIPAL, function_arn)
    try:
        assume(tx, call, role_arn, "check", function_arn)
    except sessions.CannotAssume as error:
        raise InvalidParameterValueException(CANNOT) from error


def assume(tx: Reader, call: Call, role_arn: str, name: str, function_arn: str) -> Principal:
    """Who Lambda is as the role. Raises sessions.CannotAssume."""
    role, source = sessions.role_at(tx, role_arn), _source(call, function_arn)
    if role is None:
        raise sessions.CannotAssume(CANNOT)
    if not sessions.trusts(call, role, PRINCIPAL, source):
        sessions.note_distrust(call, role, PRINCIPAL, source, CANNOT)
        raise sessions.CannotAssume(CANNOT)
    return sessions.principal_of(role, name)


def session(
    tx: Reader, call: Call, role_arn: str, name: str, function_arn: str
) -> tuple[Credentials, Principal]:
    """A session of the role. Raises sessions.CannotAssume."""
    return sessions.role_session(
        tx, call, role_arn, name[:64], SESSION_S, PRINCIPAL, _source(call, function_arn)
    )


def _source(call: Call, function_arn: str) -> dict[str, str]:
    return {"aws:SourceArn": function_arn, "aws:SourceAccount": call.account}
