"""Trust and other resource policies: bound, when written, to the users and roles that exist then.

"If your Principal element in a role trust policy contains an ARN that points to a specific IAM
role, then that ARN transforms to the role unique principal ID when you save the policy."
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ogi.access import policy
from ogi.access.grammar import check_trust
from ogi.access.identities import ROLES, USERS, Role, account_in, find, name_in
from ogi.access.policy import PolicySyntax
from ogi.access.principals import account_of
from ogi.storage import Reader

_UNIQUE_ID = re.compile(r"A(IDA|ROA)[0-9A-Z]{12,}")
_BOUND = re.compile(r" A(IDA|ROA)[0-9A-Z]{12,}\"")
_SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/.+")
_ACCOUNT_DASHED = re.compile(r"\d{4}-\d{4}-\d{4}")
_SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com|amazon\.com|aws\.internal)")


def bind(tx: Reader, text: str) -> str:
    """Check a trust policy and put unique ids in; raises PolicySyntax."""
    compiled = policy.compile(text)
    check_trust(compiled)
    for statement in compiled.statements:
        assert statement.principals is not None
        for kind, entry in statement.principals.entries:
            if kind == "Service" and not _SERVICE.fullmatch(entry):
                raise PolicySyntax(f'Invalid principal in policy: "SERVICE":"{entry}"')

    def bound(entry: str) -> str:
        if _ACCOUNT_DASHED.fullmatch(entry):
            return entry.replace("-", "")
        if _is_unbound(entry) and not _is_session_of_nobody(tx, entry):
            return entry
        id = _id_of(tx, entry)
        if id is None:
            raise PolicySyntax(f'Invalid principal in policy: "AWS":"{entry}"')
        return id

    return _mapped(text, bound)


def exists(tx: Reader, entry: str) -> bool:
    """Whether an AWS principal is somebody; all accounts, sessions and ids are taken as such."""
    return _is_unbound(entry) or _id_of(tx, entry) is not None


def names_nobody(tx: Reader, text: str) -> bool:
    """Whether a resource policy, known to compile, names a user or role that does not exist.

    "When you specify a principal ... it must exist": AWS's services refuse such a policy, each in
    its own words. Identities of AWS itself (`arn:aws:iam::cloudfront:user/...`) are not looked for.
    """
    return any(
        kind == "AWS" and not exists(tx, entry) and not _is_awss(entry)
        for statement in policy.compile(text).statements
        if statement.principals is not None
        for kind, entry in statement.principals.entries
    )


def fastened(tx: Reader, text: str) -> str:
    """A resource policy whose principals are bound to the users and roles who have those ARNs now:
    `ARN ID`. '' stays."""
    return _rewritten(text, lambda entry: fastened_entry(tx, entry)) if text else text


def fastened_entry(tx: Reader, entry: str) -> str:
    """One principal of a resource policy, bound; who is nobody in particular stays."""
    id = None if _is_unbound(entry) else _id_of(tx, entry)
    return entry if id is None else f"{entry} {id}"


def unfastened(tx: Reader, text: str) -> str:
    """As the policy is shown: with the ids of those who are gone, as AWS shows them."""

    return _rewritten(text, lambda entry: unfastened_entry(tx, entry)) if text else text


def unfastened_entry(tx: Reader, entry: str) -> str:
    arn, _, id = entry.partition(" ")
    return arn if not id or _id_of(tx, arn) == id else id


def as_given(text: str) -> str:
    """A resource policy as it was written; the same text if it is not bound."""
    return _rewritten(text, lambda entry: entry.partition(" ")[0]) if _BOUND.search(text) else text


def _rewritten(text: str, change: Callable[[str], str]) -> str:
    """`_mapped`, with the document's form as it is where that is possible."""
    entries, changed = _entries(text), text
    for entry in set(entries):
        literal = json.dumps(entry)
        if text.count(literal) != entries.count(entry):
            return _mapped(text, change)  # It stands elsewhere, too: in a condition.
        changed = changed.replace(literal, json.dumps(change(entry)))
    return changed


def _is_awss(entry: str) -> bool:
    account = account_in(entry) if entry.startswith("arn:aws:iam::") else ""
    return bool(account) and not account.isdecimal()


def shown(tx: Reader, role: Role) -> str:
    """The trust policy with the ids of those who are gone in place of their ARNs."""

    def now(entry: str) -> str:
        if entry == "*" or account_of(entry) or not entry.startswith("arn:aws:iam::"):
            return entry
        id = _id_of(tx, entry)
        return entry if id is not None and id in role.trust_bound else _stale(role, entry)

    return role.trust if role.trust == role.trust_bound else _mapped(role.trust, now)


def _stale(role: Role, entry: str) -> str:
    """The id that was put in where `entry` stands: the two documents have the same shape."""
    given, bound = _entries(role.trust), _entries(role.trust_bound)
    return bound[given.index(entry)]


def _entries(text: str) -> list[str]:
    """The AWS principals of a document in its order."""
    found: list[str] = []

    def take(entry: str) -> str:
        found.append(entry)
        return entry

    _mapped(text, take)
    return found


def _is_unbound(entry: str) -> bool:
    """Everybody, an account, a session or an id: nothing that a user or role has by its name."""
    if entry == "*" or account_of(entry) or _UNIQUE_ID.fullmatch(entry):
        return True
    return entry.startswith("arn:aws:sts::")


def _is_session_of_nobody(tx: Reader, entry: str) -> bool:
    """A trust policy's principals exist, and so do the roles of sessions: "Invalid principal" in
    cdk-preflight, rules/iam/pf-iam-trust-policy-aws-principal-format."""
    named = _SESSION.fullmatch(entry)
    return named is not None and find(tx, ROLES, named[1], named[2]) is None


def _id_of(tx: Reader, arn: str) -> str | None:
    if ":user/" in arn:
        user = find(tx, USERS, account_in(arn), name_in(arn))
        return user.id if user is not None and user.arn == arn else None
    role = find(tx, ROLES, account_in(arn), name_in(arn)) if ":role/" in arn else None
    return role.id if role is not None and role.arn == arn else None


def _mapped(text: str, change: Callable[[str], str]) -> str:
    """The document with all AWS principals changed; its text untouched if none is."""
    document: dict[str, Any] = json.loads(text)
    statements = document["Statement"]
    changed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            principals = statement.get(element)
            if not isinstance(principals, dict) or "AWS" not in principals:
                continue
            old = principals["AWS"]
            new = [change(e) for e in old] if isinstance(old, list) else change(old)
            changed = changed or new != old
            principals["AWS"] = new
    return json.dumps(document) if changed else text
