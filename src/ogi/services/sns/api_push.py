"""Mobile push, in AWS's words: docs.aws.amazon.com/sns/latest/api/

There is no push service here: messages go to the outbox, and all else is as it would be.
"""

from __future__ import annotations

from ogi.access.authorise import authorise_pass_role
from ogi.service import Call, Fields
from ogi.services.sns import applications, devices, pages, statuses
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.service import SERVICE
from ogi.storage import Home, Reader, Transaction, control


def _on_new(tx: Reader, call: Call, request: Fields) -> str:
    return call.arn("sns", f"app/{request['Platform']}/{request['Name']}")


def _on_application(tx: Reader, call: Call, request: Fields) -> str:
    return str(applications.parse(request["PlatformApplicationArn"]))


def _home_of_application(call: Call, request: Fields) -> Home:
    found = applications.parse(request["PlatformApplicationArn"])
    return control(found.account, found.region)


def _home_of_devices(call: Call, request: Fields) -> Home:
    return Home(str(applications.parse(request["PlatformApplicationArn"])))


@SERVICE.operation(on=_on_new)
def create_platform_application(tx: Transaction, call: Call, request: Fields) -> Fields:
    _check_pass(tx, call, request["Attributes"], _on_new(tx, call, request))
    asked = applications.new(call, request["Name"], request["Platform"])
    made = applications.changed(tx, asked, request["Attributes"])
    found = applications.look(tx, made.arn)
    if found is None:
        applications.save(tx, made)
        return {"PlatformApplicationArn": made.arn}
    if applications.changed(tx, found, request["Attributes"]) != found:
        raise InvalidParameterException.of(
            "Name", "An application with the same name but different properties already exists"
        )
    return {"PlatformApplicationArn": found.arn}


def _check_pass(tx: Reader, call: Call, attributes: Fields, arn: str) -> None:
    """Who has deliveries logged hands the roles for it to SNS (iam:PassRole)."""
    for name in ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn"):
        if attributes.get(name):
            authorise_pass_role(tx, call, SERVICE, attributes[name], statuses.PRINCIPAL, arn)


@SERVICE.operation(on=_on_application, reads=True)
def get_platform_application_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    found = applications.find(tx, request["PlatformApplicationArn"])
    return {"Attributes": applications.shown(found)}


@SERVICE.operation(on=_on_application, home=_home_of_application)
def set_platform_application_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    found = applications.find(tx, request["PlatformApplicationArn"])
    _check_pass(tx, call, request["Attributes"], found.arn)
    applications.save(tx, applications.changed(tx, found, request["Attributes"]))
    return {}


@SERVICE.operation(on=_on_application, home=_home_of_application)
def delete_platform_application(tx: Transaction, call: Call, request: Fields) -> Fields:
    found = applications.look(tx, request["PlatformApplicationArn"])
    if found is not None:
        home = control(found.account, found.region)
        applications.TABLE.delete(tx, home, found.platform, found.name)
        devices.post_sweep(tx, call, home, found)
    return {}


@SERVICE.operation(reads=True)
def list_platform_applications(tx: Reader, call: Call, request: Fields) -> Fields:
    start = pages.start(request.get("NextToken"))
    rows = applications.TABLE.scan(tx, call.home, limit=pages.PAGE + 1, start=start)
    result: Fields = {
        "PlatformApplications": [
            {"PlatformApplicationArn": row.arn, "Attributes": applications.shown(row)}
            for _, row in rows[: pages.PAGE]
        ]
    }
    if len(rows) > pages.PAGE:
        result["NextToken"] = pages.token(rows[pages.PAGE - 1][0])
    return result


@SERVICE.operation(on=_on_application, home=_home_of_devices)
def create_platform_endpoint(tx: Transaction, call: Call, request: Fields) -> Fields:
    application = applications.find(tx, request["PlatformApplicationArn"])
    named: dict[str, str] = {
        name: request[name] for name in ("Token", "CustomUserData") if name in request
    }
    made = devices.create(tx, call, application, named, request.get("Attributes", {}))
    return {"EndpointArn": made.arn}


@SERVICE.operation(on=_on_application, reads=True)
def list_endpoints_by_platform_application(tx: Reader, call: Call, request: Fields) -> Fields:
    application = applications.find(tx, request["PlatformApplicationArn"])
    start = pages.start(request.get("NextToken"))
    rows = devices.TABLE.scan(tx, application.home, limit=pages.PAGE + 1, start=start)
    result: Fields = {
        "Endpoints": [
            {"EndpointArn": row.arn, "Attributes": row.shown()}
            for _, row in rows[: pages.PAGE]
            if row.epoch == application.epoch
        ]
    }
    if len(rows) > pages.PAGE:
        result["NextToken"] = pages.token(rows[pages.PAGE - 1][0])
    return result


def _on_endpoint(tx: Reader, call: Call, request: Fields) -> str:
    found, _, _ = devices.parse(request["EndpointArn"])
    return str(found)


@SERVICE.operation(on=_on_endpoint, reads=True)
def get_endpoint_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"Attributes": devices.find(tx, request["EndpointArn"])[1].shown()}


@SERVICE.operation(on=_on_endpoint, home=devices.home_of)
def set_endpoint_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    devices.change(tx, call, request["EndpointArn"], request["Attributes"])
    return {}


@SERVICE.operation(on=_on_endpoint, home=devices.home_of)
def delete_endpoint(tx: Transaction, call: Call, request: Fields) -> Fields:
    devices.delete(tx, call, request["EndpointArn"])
    return {}
