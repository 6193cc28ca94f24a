"""Topic policies: which actions their statements may name. Pure.

SNS expands what a statement's Action names, and refuses the policy if any of it is not an action
on a topic: `sns:*`, `sns:CreateTopic` (github.com/hashicorp/terraform/issues/12740),
`sns:SetSubscriptionAttributes` (github.com/aws/aws-cli/issues/3143). Which ones are:
docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
"""

from __future__ import annotations

import json
from typing import Any

from ogi.access.patterns import wildcard
from ogi.services.sns.errors import InvalidParameterException

_OF_TOPICS = (
    "addpermission", "confirmsubscription", "deletetopic", "getdataprotectionpolicy",
    "gettopicattributes", "listsubscriptionsbytopic", "listtagsforresource", "publish",
    "putdataprotectionpolicy", "receive", "removepermission", "settopicattributes", "subscribe",
    "tagresource", "untagresource",
)  # fmt: skip
"""`Receive` is none any more, but taken (the issue of aws-cli above)."""
_OF_OTHERS = (
    "checkifphonenumberisoptedout", "createplatformapplication", "createplatformendpoint",
    "createsmssandboxphonenumber", "createtopic", "deleteendpoint", "deleteplatformapplication",
    "deletesmssandboxphonenumber", "getendpointattributes", "getplatformapplicationattributes",
    "getsmsattributes", "getsmssandboxaccountstatus", "getsubscriptionattributes",
    "listendpointsbyplatformapplication", "listoriginationnumbers", "listphonenumbersoptedout",
    "listplatformapplications", "listsmssandboxphonenumbers", "listsubscriptions", "listtopics",
    "optinphonenumber", "setendpointattributes", "setplatformapplicationattributes",
    "setsmsattributes", "setsubscriptionattributes", "unsubscribe", "verifysmssandboxphonenumber",
)  # fmt: skip


def check_actions(policy: str) -> None:
    """Refuse a policy, known to be one, that names an action that is none on a topic."""
    for statement in _listed(json.loads(policy).get("Statement", [])):
        if not all(map(_is_of_topics, _listed(statement.get("Action", [])))):
            raise InvalidParameterException.of("Policy statement action out of service scope!")


def _is_of_topics(action: str) -> bool:
    service, _, name = action.lower().partition(":")
    if service != "sns":
        return False
    matches = wildcard(name)
    return any(map(matches, _OF_TOPICS)) and not any(map(matches, _OF_OTHERS))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
