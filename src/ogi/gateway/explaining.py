"""Ogi's page /_ogi/explain: why requests were allowed or refused, for who may know it.

It tells policies, so it wants a request signed (Signature Version 4, service name `ogi`) by who is
allowed `ogi:Explain` by IAM. It tells of requests that concern the asker's account only, and
nothing of what other accounts' policies say.

GET ?id=REQUEST_OR_TRACE_ID: what was decided about it, its trace included. GET ?last=N: the latest
refusals. POST {"principal", "action", "resource", "context"}: what would be decided now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ogi.access import authenticate, credentials, identities
from ogi.access.authorise import authorise, decide, gather
from ogi.access.evidence import Evidence, kept
from ogi.access.explanations import Explanation, explain
from ogi.access.grants import NOTHING
from ogi.access.identities import ROLES, USERS
from ogi.access.judgements import RESOURCE
from ogi.access.refusals import sentence
from ogi.access.sessions import principal_of
from ogi.errors import AccessDenied, AwsError
from ogi.gateway.bodies import collect
from ogi.http import Request
from ogi.service import ANONYMOUS, Call, Fields, Ports, Principal, Service, service_principal
from ogi.storage import Reader

SHOWN_MAX = 50
"""Explanations in one answer."""
BODY_BYTES_MAX = 64 * 1024
CONTEXT_KEYS_MAX = 100

SERVICE = Service("ogi", "ogi", denied=AccessDenied)
_SIMULATED = "hypothetical"


class Unsigned(AwsError):
    """Sign the request (`ogi explain` does): it tells what policies say."""

    code = "MissingAuthenticationToken"
    status = 403


class Unclear(AwsError):
    """The question cannot be understood."""

    code = "ValidationError"
    status = 400


class NotYours(AwsError):
    """Neither the principal nor the resource is of your account."""

    code = "AccessDenied"
    status = 403


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A hypothetical request."""

    principal: str
    """The ARN of a user, a role, a role's session or a root user; a service's name; `anonymous`."""
    action: str
    resource: str = "*"
    context: dict[str, str | list[str]] = {}
    region: str = ""
    account: str = ""
    """In which account a service acts; the asker's if it is not given."""


async def answer(ports: Ports, request: Request) -> Any:
    """The answer as data; raises AwsErrors."""
    call = await _caller(ports, request)
    if request.method == "POST":
        assert isinstance(request.body, bytes)
        try:
            question = msgspec.json.decode(request.body, type=Question)
        except msgspec.DecodeError as error:
            raise Unclear(str(error)) from None
        found = [await ports.store.read(lambda tx: _suppose(tx, call, question))]
    else:
        query = dict(request.parameters())
        limit = query.get("last", "10")
        if "id" in query:
            found = await ports.store.read(lambda tx: _about(tx, call, query["id"]))
        elif limit.isascii() and limit.isdigit() and 0 < int(limit) <= SHOWN_MAX:
            found = await ports.store.read(lambda tx: _latest(tx, call, int(limit)))
        else:
            raise Unclear(f"last is a number from 1 to {SHOWN_MAX}.")
    return {"explanations": [_discreet(told, call.account) for told in found]}


async def _caller(ports: Ports, request: Request) -> Call:
    """Who asks, proved and allowed to."""
    now = ports.clock.now()
    claim = authenticate.read(request, now, ports.settings.region, lambda asked: asked.path)
    if claim is None:
        raise Unsigned
    request.body = await collect(request.body, BODY_BYTES_MAX, Unclear)
    proved = authenticate.prove(ports, claim, request.body, now)
    request.body = proved.body
    if not isinstance(request.body, bytes):
        request.body = await collect(request.body, BODY_BYTES_MAX, Unclear)
    call = authenticate.call(ports, request, claim, proved, now)
    await ports.store.read(
        lambda tx: authorise(tx, call, SERVICE, ("ogi:Explain",), ("*",), call.context)
    )
    return call


# -- what was decided -----------------------------------------------------------------------------


def _about(tx: Reader, call: Call, id: str) -> list[Explanation]:
    """All decisions of a request and of the trace that it belongs to, in their order."""
    traces = {id}
    for past in _past(call, lambda request, trace: id in (request, trace)):
        traces.add(past.call.trace)
    traces.discard("")
    found = _past(call, lambda request, trace: request == id or trace in traces)
    # One decision per question: an operation may ask again in each of its transactions.
    unique: dict[Any, Evidence] = {}
    for past in sorted(found, key=lambda past: past.call.now):
        unique.setdefault((*past.name, not past.message), past)
    room = SHOWN_MAX - sum(1 for past in unique.values() if past.message)
    shown: list[Evidence] = []
    for past in unique.values():
        if past.message or room > 0:
            shown.append(past)
            room -= not past.message
    return [_explained(tx, past) for past in shown[:SHOWN_MAX]]


def _latest(tx: Reader, call: Call, limit: int) -> list[Explanation]:
    """The newest refusals, newest first."""
    mine = [past for past in call.ports.traces.refused if _concerns(past, call)]
    return [_explained(tx, past) for past in mine[:limit]]


def _past(call: Call, wanted: Any) -> Iterable[Evidence]:
    """What is remembered of requests for which `wanted(request_id, trace)` is true."""
    for entry in tuple(call.ports.traces.decided):
        request_id, trace, now, principal, account, region, service, actions, resources, context = (
            entry
        )
        if service is SERVICE or not wanted(request_id, trace):
            continue
        if call.account not in (principal.account, account):
            continue
        then = call.but(
            request_id=request_id, trace=trace, now=now, principal=principal,
            account=account, region=region,
        )  # fmt: skip
        for resource in resources:
            for action in actions:
                # Judged again when it is explained: only its inputs are kept.
                yield _inputs(then, service, action, resource, context)
    # Behind them: what refuses a request is what was decided last about it.
    for past in call.ports.traces.refused:
        if wanted(past.call.request_id, past.call.trace) and _concerns(past, call):
            yield past


def _inputs(call: Call, service: Service, action: str, resource: str, context: Any) -> Evidence:
    return Evidence(
        call=call, service=service.name, action=action, resource=resource, context=kept(context),
        owner="", held=NOTHING, session=(), limited=False, rules=None, closed=False,
    )  # fmt: skip


def _concerns(past: Evidence, call: Call) -> bool:
    return call.account in (past.call.principal.account, past.owner, past.call.account)


def _explained(tx: Reader, past: Evidence) -> Explanation:
    service = past.call.ports.services.get(past.service, SERVICE)
    now = gather(tx, past.call, service, past.action, past.resource, past.context)
    return explain(past, now=now) if past.message else explain(now)


def _discreet(told: Explanation, account: str) -> Explanation:
    """Without the statements of other accounts' policies."""
    whose = {RESOURCE: told.owner}
    return msgspec.structs.replace(
        told,
        sections=tuple(
            section
            if whose.get(section.kind, told.principal_account) in (account, "")
            else msgspec.structs.replace(section, looks=(), verdict=f"{section.verdict} (abroad)")
            for section in told.sections
        ),
    )


# -- what would be decided ------------------------------------------------------------------------


def _suppose(tx: Reader, call: Call, question: Question) -> Explanation:
    name = question.action.partition(":")[0].lower()
    service = call.ports.services.get(name)
    if service is None or ":" not in question.action:
        known = ", ".join(sorted(call.ports.services))
        raise Unclear(f"The action {question.action} is of none of the services {known}.")
    if len(question.context) > CONTEXT_KEYS_MAX:
        raise Unclear(f"A context has at most {CONTEXT_KEYS_MAX} keys.")
    try:
        principal = _named(tx, question.principal)
    except Unclear:
        if identities.account_in(question.principal) in ("", call.account):
            raise
        raise NotYours from None  # Who is in another account is not told either.
    supposed = call.but(
        request_id=_SIMULATED,
        principal=principal,
        account=principal.account or question.account or call.account,
        region=question.region or call.region,
    )
    resource, facts = _as_kms_sees(tx, supposed, service, question)
    context = {**facts, **question.context}
    found = gather(tx, supposed, service, question.action, resource, context)
    if not _concerns(found, call):
        raise NotYours
    if found.judge() is not None:
        against = decide(tx, supposed, service, question.action, resource, context)
        assert against is not None
        message = sentence(service, supposed, against) or "Access Denied"
        found = msgspec.structs.replace(found, message=message)
    return explain(found)


def _as_kms_sees(
    tx: Reader, call: Call, service: Service, question: Question
) -> tuple[str, Fields]:
    """The key that an alias stands for, and what KMS itself says about it to policies."""
    key, operation = question.resource, service.operations.get("DescribeKey")
    if service.name != "kms" or key == "*" or operation is None:
        return key, {}
    assert operation.on is not None and operation.keys is not None
    asked = {"KeyId": key}
    try:
        return str(operation.on(tx, call, asked)), dict(operation.keys(tx, call, asked))
    except AwsError as error:
        raise Unclear(error.message) from None


def _named(tx: Reader, arn: str) -> Principal:
    if arn in ("anonymous", "*"):
        return ANONYMOUS
    if not arn.startswith("arn:"):
        if arn.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return service_principal(arn)
        raise Unclear(f"{arn} is neither an ARN, nor a service, nor `anonymous`.")
    account, name = identities.account_in(arn), identities.name_in(arn)
    if arn.endswith(":root"):
        return credentials.root(account)
    if ":user/" in arn:
        user = identities.find(tx, USERS, account, name)
        if user is not None and user.arn == arn:
            return credentials.of_user(user)
    session = "supposed"
    if ":assumed-role/" in arn:
        name, _, session = arn.partition(":assumed-role/")[2].partition("/")
    if ":role/" in arn or ":assumed-role/" in arn:
        role = identities.find(tx, ROLES, account, name)
        if role is not None and (role.arn == arn or ":assumed-role/" in arn):
            return principal_of(role, session or "supposed")
    raise Unclear(f"There is no user or role {arn}.")
