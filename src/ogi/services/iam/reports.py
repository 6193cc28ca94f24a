"""The credential report: a line for every user of the account, with the state of its credentials.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from ogi.access.identities import KEYS, USERS, AccessKey, User
from ogi.service import Call, Fields
from ogi.services.iam import entities, users, uses
from ogi.services.iam.errors import (
    CredentialReportExpiredException,
    CredentialReportNotPresentException,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table

KEPT_S = 4 * 3600.0
""" "If the most recent report ... was generated more than four hours ago, AWS generates a new one."
"""
NONE = "N/A"
NO_INFORMATION = "no_information"
NOT_SUPPORTED = "not_supported"

_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used",
    "password_last_changed", "password_next_rotation", "mfa_active",
    *(f"access_key_1_{name}" for name in _KEY), *(f"access_key_2_{name}" for name in _KEY),
    "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
    "additional_credentials_info",
)  # fmt: skip


class Report(msgspec.Struct, frozen=True):
    made: float
    content: bytes


_REPORTS = Table("iam-credential-reports", Report, cached=False)


@SERVICE.operation(home=home)
def generate_credential_report(tx: Transaction, call: Call, request: Fields) -> Fields:
    """ "...you can generate a credential report as often as once every four hours." """
    known = _REPORTS.get(tx, CONTROL, call.account)
    if known is not None and call.now - known.made < KEPT_S:
        return {"State": "COMPLETE"}
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerows(_lines(tx, call))
    _REPORTS.put(tx, Report(call.now, text.getvalue().encode()), CONTROL, call.account)
    reason = "No report exists. Starting a new report generation task"
    return {"State": "STARTED", **({"Description": reason} if known is None else {})}


@SERVICE.operation(reads=True)
def get_credential_report(tx: Reader, call: Call, request: Fields) -> Fields:
    known = _REPORTS.get(tx, CONTROL, call.account)
    if known is None:
        raise CredentialReportNotPresentException
    if call.now - known.made >= KEPT_S:
        raise CredentialReportExpiredException
    return {"Content": known.content, "ReportFormat": "text/csv", "GeneratedTime": known.made}


def _lines(tx: Reader, call: Call) -> Iterator[list[str]]:
    rows = list(entities.rows(tx, USERS, call.account))
    # An account is as old as its oldest user, for all that is known here.
    yield _line_of_root(tx, call.account, min((user.created for user in rows), default=call.now))
    yield from (_line(tx, user) for user in rows)


def _line(tx: Reader, user: User) -> list[str]:
    """Nobody has a password, a device or a certificate here."""
    keys = [KEYS.get(tx, CONTROL, key) for key in user.keys]
    first, second = (*keys, None, None)[:2]
    more = len(keys) - users.KEYS_MAX
    return [
        user.name, user.arn, _date(user.created), "false", NONE, NONE, NONE, "false",
        *_of_key(tx, first), *_of_key(tx, second), "false", NONE, "false", NONE,
        f"{more} additional access keys: iam:ListAccessKeys" if more > 0 else NONE,
    ]  # fmt: skip


def _line_of_root(tx: Reader, account: str, created: float) -> list[str]:
    """The root user's own columns: "not_supported" where AWS cannot tell."""
    first, second = (*users.keys_of_root(tx, account), None, None)[:2]
    return [
        "<root_account>", f"arn:aws:iam::{account}:root", _date(created), NOT_SUPPORTED,
        NO_INFORMATION, NOT_SUPPORTED, NOT_SUPPORTED, "false",
        *_of_key(tx, first), *_of_key(tx, second), "false", NONE, "false", NONE, NONE,
    ]  # fmt: skip


def _of_key(tx: Reader, key: AccessKey | None) -> list[str]:
    if key is None:
        return ["false", NONE, NONE, NONE, NONE]
    last = uses.of_key(tx, key.id)
    used = [NONE] * 3 if last is None else [_date(last.at), last.region, last.service]
    return ["true" if key.active else "false", _date(key.changed or key.created), *used]


def _date(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()
