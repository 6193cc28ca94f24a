"""Devices: the platform endpoints of an application. They lie in the application's own home.

docs.aws.amazon.com/sns/latest/api/API_CreatePlatformEndpoint.html and
docs.aws.amazon.com/sns/latest/api/API_SetEndpointAttributes.html; what is refused, in which words
and at which length: by what clients tell AWS's answers, services/gundeck of
github.com/wireapp/wire-server and the tests that `applications` names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields, Principal
from ogi.services.sns import applications, envelopes
from ogi.services.sns.applications import Application
from ogi.services.sns.errors import (
    InvalidParameterException,
    NotFoundException,
    check_elements,
    check_slashes,
)
from ogi.services.sns.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table

TOKEN_BYTES_MAX = 8_192
APPLE_TOKEN = re.compile(r"[0-9A-Fa-f]{1,400}")
ID_CHARS = 36
USER_DATA_BYTES_MAX = 2_048
SWEEP_PAGE = 100
"""Devices of a deleted application that go in one transaction."""
_RESOURCE = re.compile(r"endpoint/([A-Z_]+)/([A-Za-z0-9_.-]{1,256})/([0-9a-f-]{36})")


class Device(msgspec.Struct, frozen=True):
    id: str
    arn: str
    platform: str
    epoch: str
    """Of the application to which it belongs."""
    token: str
    enabled: bool = True
    user_data: str = ""

    def shown(self) -> dict[str, str]:
        """As GetEndpointAttributes answers."""
        told = {"Enabled": "true" if self.enabled else "false", "Token": self.token}
        return {**told, "CustomUserData": self.user_data} if self.user_data else told


class Pointer(msgspec.Struct, frozen=True):
    """From a token to the device that has it."""

    id: str


TABLE = Table("sns.device", Device, cached=False)
TOKENS = Table("sns.device_token", Pointer, cached=False)


def is_arn(arn: str) -> bool:
    """Whether it may be a device's: every publish to a topic asks, so no more is looked at."""
    return ":endpoint/" in arn


def parse(arn: str, member: str = "EndpointArn") -> tuple[arns.Arn, str, str]:
    """(the ARN's parts, the ARN of its application, its id)"""
    check_elements(arn, member)
    found = arns.parse(arn)
    if found is not None and found.service == "sns":
        check_slashes(found.resource, 3, member)
        if len(found.resource.rpartition("/")[2]) != ID_CHARS:
            raise InvalidParameterException.of(
                member,
                "ARN specifies an invalid endpointId: UUID must be encoded in exactly 36"
                " characters.",
            )
    parts = _RESOURCE.fullmatch(found.resource) if found is not None else None
    if found is None or found.service != "sns" or parts is None:
        raise InvalidParameterException.of(member)
    resource = f"app/{parts[1]}/{parts[2]}"
    return found, arns.make("sns", found.region, found.account, resource), parts[3]


def home_of(call: Call, request: Fields) -> Home:
    return Home(parse(request["EndpointArn"])[1])


def look(tx: Reader, arn: str, member: str = "EndpointArn") -> tuple[Application, Device] | None:
    _, application_arn, id = parse(arn, member)
    application = applications.look(tx, application_arn)
    if application is None:
        return None
    device = TABLE.get(tx, application.home, id)
    return None if device is None or device.epoch != application.epoch else (application, device)


def find(tx: Reader, arn: str) -> tuple[Application, Device]:
    found = look(tx, arn)
    if found is None:
        raise NotFoundException("Endpoint does not exist")
    return found


def of_token(tx: Reader, application: Application, token: str) -> Device | None:
    pointer = TOKENS.get(tx, application.home, token)
    device = None if pointer is None else TABLE.get(tx, application.home, pointer.id)
    return device if device is not None and device.epoch == application.epoch else None


def create(
    tx: Transaction,
    call: Call,
    application: Application,
    parameters: Mapping[str, str],
    attributes: Mapping[str, str],
) -> Device:
    """The device with these attributes: the one that is there, or a new one.

    parameters: those that the request names by itself, Token among them, which count before others.
    """
    id = call.new_id()
    resource = f"endpoint/{application.platform}/{application.name}/{id}"
    arn = arns.make("sns", application.region, application.account, resource)
    made = _changed(
        Device(id, arn, application.platform, application.epoch, ""), attributes, _of_attribute
    )
    made = _changed(made, parameters, InvalidParameterException.of)
    found = of_token(tx, application, made.token)
    if found is None:
        _save(tx, application, made)
        _announce(tx, call, application, made, "EndpointCreated")
        return made
    if (found.enabled, found.user_data) != (made.enabled, made.user_data):
        raise _taken(found)
    return found


def change(tx: Transaction, call: Call, arn: str, attributes: Mapping[str, str]) -> None:
    application, found = find(tx, arn)
    made = _changed(found, attributes, _of_attribute)
    other = of_token(tx, application, made.token)
    if other is not None and other.id != made.id:
        raise _taken(other)
    if made.token != found.token:
        TOKENS.delete(tx, application.home, found.token)
    _save(tx, application, made)
    if made != found:
        _announce(tx, call, application, made, "EndpointUpdated")


def delete(tx: Transaction, call: Call, arn: str) -> None:
    """Idempotent, says the action's page; subscriptions of it stay."""
    found = look(tx, arn)
    if found is None:
        return
    application, device = found
    _forget(tx, application.home, device)
    _announce(tx, call, application, device, "EndpointDeleted")


def _of_attribute(name: str, reason: str = "") -> InvalidParameterException:
    more = f": {reason}" if reason else ""
    return InvalidParameterException.of("Attributes", f"Invalid value for attribute: {name}{more}")


Refusal = Callable[..., InvalidParameterException]
"""Made of a name and, if it is known what AWS says, a reason."""


def _changed(device: Device, attributes: Mapping[str, str], refusal: Refusal) -> Device:
    """A device with these attributes; raises what SNS refuses."""
    for name, value in attributes.items():
        if name == "Token":
            token = _token(device.platform, value, refusal)
            device = msgspec.structs.replace(device, token=token)
        elif name == "Enabled":
            if value.lower() not in ("true", "false"):
                raise refusal("Enabled")
            device = msgspec.structs.replace(device, enabled=value.lower() == "true")
        elif name == "CustomUserData":
            if len(value.encode()) > USER_DATA_BYTES_MAX:
                raise refusal(name, _at_most(USER_DATA_BYTES_MAX))
            device = msgspec.structs.replace(device, user_data=value)
        else:
            raise InvalidParameterException.of("Attributes", f"{name} is not an attribute")
    return device


def _at_most(size: int) -> str:
    return f"must be at most {size} bytes long in UTF-8 encoding"


def _token(platform: str, given: str, refusal: Refusal) -> str:
    """A device's token as it is kept; raises if it is none of the platform's."""
    if not given:
        raise refusal("Token", "cannot be empty")
    if platform.startswith(("APNS", "MACOS")):
        if not APPLE_TOKEN.fullmatch(given):
            raise refusal(
                "Token", "iOS device tokens must be no more than 400 hexadecimal characters"
            )
        # "The device token for the iOS platform is returned in lowercase" (SetEndpointAttributes).
        return given.lower()
    if len(given.encode()) > TOKEN_BYTES_MAX:
        raise refusal("Token", _at_most(TOKEN_BYTES_MAX))
    if not given.isprintable():
        raise refusal("Token")
    return given


def _taken(found: Device) -> InvalidParameterException:
    """The sentence from which clients read the ARN (docs: sns-fcm-endpoint-management)."""
    return InvalidParameterException.of(
        "Token",
        f"Endpoint {found.arn} already exists with the same Token, but different attributes.",
    )


def _save(tx: Transaction, application: Application, made: Device) -> None:
    TABLE.put(tx, made, application.home, made.id)
    TOKENS.put(tx, Pointer(made.id), application.home, made.token)


def _forget(tx: Transaction, home: Home, device: Device) -> None:
    TABLE.delete(tx, home, device.id)
    pointer = TOKENS.get(tx, home, device.token)
    if pointer is not None and pointer.id == device.id:
        TOKENS.delete(tx, home, device.token)


def _announce(
    tx: Transaction, call: Call, application: Application, device: Device, event: str
) -> None:
    """Publish an event of the application to the topic that is set for it, as its account.

    docs.aws.amazon.com/sns/latest/dg/application-event-notifications.html
    """
    topic_arn = application.attributes.get(f"Event{event}")
    if not topic_arn:
        return
    message = {
        "EventType": event,
        "EndpointArn": device.arn,
        "Resource": application.arn,
        "Service": "SNS",
        "Time": envelopes.timestamp(call.now),
    }
    account = application.account
    owner = Principal("root", account, f"arn:aws:iam::{account}:root", id=account)
    sender = call.as_principal(owner).in_place(account, application.region)
    deliveries.post(
        tx, sender, application.home, "sns", "Publish",
        {"TopicArn": topic_arn, "Message": json.dumps(message)},
    )  # fmt: skip


def post_sweep(tx: Transaction, call: Call, home: Home, application: Application) -> None:
    """Owe it to a deleted application that its devices go. home: of this transaction."""
    deliveries.post(
        tx, call, home, "sns", "sweep_devices",
        {"Application": application.arn, "Epoch": application.epoch, "After": ""},
    )  # fmt: skip


def _home_of_sweep(call: Call, request: Fields) -> Home:
    return Home(request["Application"])


@SERVICE.duty(home=_home_of_sweep)
def sweep_devices(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Forget the devices of a deleted application, a page at a time."""
    home, after = Home(request["Application"]), request["After"]
    start = bytes.fromhex(after) + b"\x00" if after else None
    rows = TABLE.scan(tx, home, limit=SWEEP_PAGE, start=start)
    for _, row in rows:
        if row.epoch == request["Epoch"]:  # The name may have a new application meanwhile.
            _forget(tx, home, row)
    if len(rows) == SWEEP_PAGE:
        rest = {**request, "After": rows[-1][0].hex()}
        deliveries.post(tx, call, home, "sns", "sweep_devices", rest)
    return {}
