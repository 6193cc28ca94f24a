"""Platform applications: an app as a push service knows it. Its devices are in `devices`.

Law: credentials of push services are not kept, since nothing here uses them: what stays is a digest
that tells whether they are the same again.
docs.aws.amazon.com/sns/latest/api/API_SetPlatformApplicationAttributes.html; what is said of ARNs,
tokens and attributes here and in `devices`: the tests of
github.com/ballerina-platform/module-ballerinax-aws.sns, which run on AWS.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from ogi import arn as arns
from ogi.errors import unsupported
from ogi.service import Call
from ogi.services.sns import feedback, topics
from ogi.services.sns.errors import (
    InvalidParameterException,
    NotFoundException,
    check_elements,
    check_slashes,
)
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
PLATFORMS = frozenset((
    "ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX",
    "GCM", "MPNS", "WNS",
))  # fmt: skip
"""docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html;
Baidu, which wants other attributes of its devices, is refused by name."""
EVENTS = ("EndpointCreated", "EndpointDeleted", "EndpointUpdated", "DeliveryFailure")
_SECRETS = ("PlatformCredential", "PlatformPrincipal")
_PLAIN = frozenset(("ApplePlatformTeamID", "ApplePlatformBundleID", "AppleCertificateExpiryDate"))
FEEDBACK = frozenset(
    ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate")
)
VALUE_BYTES_MAX = 32 * 1024


class Application(msgspec.Struct, frozen=True):
    name: str
    platform: str
    account: str
    region: str
    epoch: str
    """Which of the applications that had this name in turn: devices belong to one of them."""
    attributes: dict[str, str] = {}
    digests: dict[str, str] = {}
    method: str = ""
    """How it would prove itself to the push service, as AuthenticationMethod tells."""

    @property
    def arn(self) -> str:
        return arns.make("sns", self.region, self.account, f"app/{self.platform}/{self.name}")

    @property
    def home(self) -> Home:
        """Where its devices lie."""
        return Home(self.arn)


TABLE = Table("sns.application", Application)


def parse(arn: str) -> arns.Arn:
    check_elements(arn, "PlatformApplicationArn")
    found = arns.parse(arn)
    if found is not None and found.service == "sns":
        check_slashes(found.resource, 2, "PlatformApplicationArn")
    if found is None or found.service != "sns" or not re.fullmatch(
        r"app/[A-Z_]+/[A-Za-z0-9_.-]{1,256}", found.resource
    ):  # fmt: skip
        raise InvalidParameterException.of("PlatformApplicationArn")
    return found


def look(tx: Reader, arn: str) -> Application | None:
    found = parse(arn)
    _, platform, name = found.resource.split("/")
    return TABLE.get(tx, control(found.account, found.region), platform, name)


def find(tx: Reader, arn: str) -> Application:
    found = look(tx, arn)
    if found is None:
        raise NotFoundException("PlatformApplication does not exist")
    return found


def save(tx: Transaction, made: Application) -> None:
    TABLE.put(tx, made, control(made.account, made.region), made.platform, made.name)


def new(call: Call, name: str, platform: str) -> Application:
    if not NAME.fullmatch(name):
        raise InvalidParameterException.of("Name")
    if platform == "BAIDU":
        raise unsupported("the platform BAIDU")
    if platform not in PLATFORMS:
        raise InvalidParameterException.of("Platform", f"{platform} is not supported")
    return Application(name, platform, call.account, call.region, epoch=call.new_id())


def changed(tx: Reader, found: Application, attributes: Mapping[str, str]) -> Application:
    """An application with these attributes; raises what SNS refuses."""
    plain, digests, method = dict(found.attributes), dict(found.digests), found.method
    for name, value in attributes.items():
        if len(value.encode()) > VALUE_BYTES_MAX:
            raise InvalidParameterException.of("Attributes", f"{name} is too long")
        if name == "PlatformPrincipal" and found.platform == "GCM" and not value:
            continue  # AWS's example for Java sends it for all platforms: SNSMobilePush.
        if name in _SECRETS:
            if not value:
                raise _invalid(name, "cannot be empty")
            digests[name] = hashlib.sha256(value.encode()).hexdigest()
            if name == "PlatformCredential":
                method = _method(found.platform, value)
        elif name in FEEDBACK:
            if value:
                _check_feedback(found.account, name, value)
            plain[name] = value
        elif name in _PLAIN or name.removeprefix("Event") in EVENTS:
            if name not in _PLAIN and value:
                _check_topic(tx, found, name, value)
            plain[name] = value
        else:
            raise InvalidParameterException.of("Attributes", f"{name} is not an attribute")
    for name in _SECRETS:
        if name not in digests and not (name == "PlatformPrincipal" and found.platform == "GCM"):
            raise _invalid(name, "cannot be empty")
    if found.platform != "GCM" and plain.get("ApplePlatformTeamID"):
        method = "token"
    made = {name: value for name, value in plain.items() if value}
    return msgspec.structs.replace(found, attributes=made, digests=digests, method=method)


def _method(platform: str, credential: str) -> str:
    if platform == "GCM":
        return "token" if credential.lstrip().startswith("{") else "key"
    return "certificate" if platform.startswith(("APNS", "MACOS")) else ""


def _check_feedback(account: str, name: str, value: str) -> None:
    try:
        feedback.check(account, name, value)
    except InvalidParameterException as error:
        reason = error.message.removeprefix("Invalid parameter: ")
        raise InvalidParameterException.of(
            "Attributes", f"Invalid value for attribute: {reason}"
        ) from error


def _check_topic(tx: Reader, found: Application, name: str, topic_arn: str) -> None:
    topic = topics.look(tx, topic_arn)
    if topic is None or (topic.account, topic.region) != (found.account, found.region):
        raise _invalid(name, "must be a topic of the same account and region")


def _invalid(name: str, reason: str) -> InvalidParameterException:
    return InvalidParameterException.of(
        "Attributes", f"Invalid value for attribute: {name}: {reason}"
    )


def shown(found: Application) -> dict[str, str]:
    """As GetPlatformApplicationAttributes answers them: no credentials."""
    told = {"Enabled": "true", **found.attributes}
    if found.method:
        told["AuthenticationMethod"] = found.method
    return told
