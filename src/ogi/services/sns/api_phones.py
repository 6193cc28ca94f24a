"""SMS, in AWS's words: docs.aws.amazon.com/sns/latest/api/

There is no carrier here: messages go to the outbox, and all else is as it would be.
"""

from __future__ import annotations

from ogi.access.authorise import authorise_pass_role
from ogi.service import Call, Fields
from ogi.services.sns import (
    carrier_statuses,
    outbox,
    pages,
    phones,
    sandboxes,
    statuses,
    texting,
)
from ogi.services.sns.errors import VerificationException
from ogi.services.sns.outbox import Letter
from ogi.services.sns.service import SERVICE
from ogi.storage import Home, Reader, Transaction


@SERVICE.operation(reads=True)
def check_if_phone_number_is_opted_out(tx: Reader, call: Call, request: Fields) -> Fields:
    number = phones.checked(request["phoneNumber"])
    return {"isOptedOut": phones.is_opted_out(tx, call.home, number)}


@SERVICE.operation(reads=True)
def list_phone_numbers_opted_out(tx: Reader, call: Call, request: Fields) -> Fields:
    rows = phones.opted_out(tx, call.home, pages.start(request.get("nextToken")))
    result: Fields = {"phoneNumbers": [row.number for _, row in rows[: pages.PAGE]]}
    if len(rows) > pages.PAGE:
        result["nextToken"] = pages.token(rows[pages.PAGE - 1][0])
    return result


@SERVICE.operation()
def opt_in_phone_number(tx: Transaction, call: Call, request: Fields) -> Fields:
    phones.opt_in(tx, call, request["phoneNumber"])
    return {}


@SERVICE.operation(name="GetSMSAttributes", reads=True)
def get_sms_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    found = texting.defaults(tx, call.home)
    asked = request.get("attributes")
    if asked:
        found = {name: value for name, value in found.items() if name in asked}
    return {"attributes": found}


@SERVICE.operation(name="SetSMSAttributes")
def set_sms_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    found = texting.DEFAULTS.get(tx, call.home) or texting.Defaults()
    made = texting.changed(found.attributes, request["attributes"], call.account)
    role = request["attributes"].get(carrier_statuses.ROLE)
    if role:
        authorise_pass_role(tx, call, SERVICE, role, statuses.PRINCIPAL, "*")
    texting.DEFAULTS.put(tx, made, call.home)
    return {}


# -- the sandbox ----------------------------------------------------------------------------------


@SERVICE.operation(name="GetSMSSandboxAccountStatus", reads=True)
def get_sms_sandbox_account_status(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"IsInSandbox": call.ports.settings.sms_sandbox}


def _homes_of_password(call: Call, request: Fields) -> tuple[Home, ...]:
    return call.home, outbox.home_of(call.account, call.region)


@SERVICE.operation(name="CreateSMSSandboxPhoneNumber", home=_homes_of_password)
def create_sms_sandbox_phone_number(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The password lies in the outbox, in English whatever language is asked for."""
    language = request.get("LanguageCode", "en-US")
    number = request["PhoneNumber"]
    password = sandboxes.add(tx, call, number)
    text = f"Your verification code is {password}"
    outbox.keep(tx, call, Letter("sms", number, text, attributes={"LanguageCode": language}))
    return {}


@SERVICE.operation(name="VerifySMSSandboxPhoneNumber")
async def verify_sms_sandbox_phone_number(call: Call, request: Fields) -> Fields:
    """Refused only after the transaction: a wrong attempt is counted."""

    def body(tx: Transaction, running: Call) -> bool:
        return sandboxes.verify(tx, running, request["PhoneNumber"], request["OneTimePassword"])

    if not await call.transact(body, call.home):
        raise VerificationException
    return {}


@SERVICE.operation(name="DeleteSMSSandboxPhoneNumber")
def delete_sms_sandbox_phone_number(tx: Transaction, call: Call, request: Fields) -> Fields:
    sandboxes.remove(tx, call, request["PhoneNumber"])
    return {}


@SERVICE.operation(name="ListSMSSandboxPhoneNumbers", reads=True)
def list_sms_sandbox_phone_numbers(tx: Reader, call: Call, request: Fields) -> Fields:
    limit: int = request.get("MaxResults", pages.PAGE)
    rows = sandboxes.NUMBERS.scan(
        tx, call.home, limit=limit + 1, start=pages.start(request.get("NextToken"))
    )
    result: Fields = {
        "PhoneNumbers": [
            {"PhoneNumber": row.number, "Status": row.status} for _, row in rows[:limit]
        ]
    }
    if len(rows) > limit:
        result["NextToken"] = pages.token(rows[limit - 1][0])
    return result


@SERVICE.operation(reads=True)
def list_origination_numbers(tx: Reader, call: Call, request: Fields) -> Fields:
    """None: an account leases its numbers elsewhere, from a carrier."""
    pages.start(request.get("NextToken"))
    return {"PhoneNumbers": []}
