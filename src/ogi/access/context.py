"""The context of a request: what conditions and policy variables can ask for, made on demand.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ogi.access.conditions import Values
from ogi.access.grants import NOTHING, Grants
from ogi.service import Call, Principal
from ogi.storage import Reader

_TAG: Final = "aws:principaltag/"
_RESOURCE_TAG: Final = "aws:resourcetag/"
_IAM_TAG: Final = "iam:resourcetag/"

_TELLING_OWNER: Final = frozenset({"cloudwatch.amazonaws.com"})
"""The services that still tell aws:SourceOwner, an older aws:SourceAccount: an alarm may publish to
a topic that has but its default policy; S3 must be let in by a statement of its own
(docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html and
docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html)."""

PRINCIPAL_TYPES: Final = {
    "root": "Account",
    "user": "User",
    "federated": "FederatedUser",
    "role": "AssumedRole",
    "anonymous": "Anonymous",
}


class Asked:
    """One request for one action on one resource, as a policy sees it."""

    __slots__ = ("_given", "_lower", "_resource", "_tx", "call", "grants", "owner", "principal")

    def __init__(
        self,
        call: Call,
        given: Mapping[str, Any],
        owner: str,
        grants: Grants = NOTHING,
        tx: Reader | None = None,
        resource: str = "",
    ) -> None:
        """tx, resource: where the resource's tags are found; None: they are not looked for."""
        self.call = call
        self.principal: Principal = call.principal
        self.grants = grants
        self.owner = owner
        """The account that owns the resource."""
        self._given = given
        self._tx = tx
        self._resource = resource
        self._lower: dict[str, Any] | None = None

    def values(self, key: str) -> Values:
        lower = self._lower
        if lower is None:
            lower = self._lower = {k.lower(): v for k, v in self._given.items()}
        value = lower.get(key)
        if value is None:
            compute = _COMPUTED.get(key)
            if compute is not None:
                value = compute(self)
            elif key.startswith(_TAG):
                value = self._tag(key[len(_TAG) :])
            elif key.startswith(_RESOURCE_TAG):
                value = self._resource_tag(key[len(_RESOURCE_TAG) :])
            elif key.startswith(_IAM_TAG) and self._resource.startswith("arn:aws:iam:"):
                value = self._resource_tag(key[len(_IAM_TAG) :])
        return None if value is None else _texts(value)

    def lookup(self, name: str) -> str | None:
        """A key with several values cannot be a variable."""
        values = self.values(name)
        return values[0] if values is not None and len(values) == 1 else None

    def _tag(self, name: str) -> str | None:
        """Session tags go before the tags of the role."""
        for key, value in self.principal.tags:
            if key.lower() == name:
                return value
        return self.grants.tags.get(name)

    def _resource_tag(self, name: str) -> str | None:
        """ "aws:ResourceTag/tag-key": names of keys are compared without regard to case.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourcetag
        """
        if self._tx is None:
            return None
        for key, value in _tags_at(self._tx, self.call, self._resource).items():
            if key.lower() == name:
                return value
        return None


def tag_keys(tx: Reader, call: Call, resource: str) -> dict[str, str]:
    """The tags of a resource as keys of a context that is kept."""
    tags = _tags_at(tx, call, resource).items()
    prefixes = ("aws:ResourceTag/", "iam:ResourceTag/")
    known = prefixes if resource.startswith("arn:aws:iam:") else prefixes[:1]
    return {f"{prefix}{key}": value for prefix in known for key, value in tags}


def _tags_at(tx: Reader, call: Call, resource: str) -> Mapping[str, str]:
    parts = resource.split(":", 3)
    service = call.ports.services.get(parts[2]) if len(parts) == 4 else None
    if service is None or service.tags_of is None:
        return {}
    return service.tags_of(tx, resource) or {}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list | tuple | set | frozenset):
        return [text for entry in value for text in _texts(entry)]
    return [str(value)]


def _principal_arn(asked: Asked) -> str | None:
    principal = asked.principal
    if principal.kind in ("service", "anonymous", "web-identity"):
        return None
    return principal.role_arn if principal.kind == "role" else principal.arn


def _username(asked: Asked) -> str | None:
    return asked.principal.arn.rpartition("/")[2] if asked.principal.kind == "user" else None


def _service_name(asked: Asked) -> str | None:
    return asked.principal.arn if asked.principal.kind == "service" else None


def _source_owner(asked: Asked) -> str | None:
    principal = asked.principal
    if principal.kind != "service":
        return principal.account or None
    source = asked.values("aws:sourceaccount") if principal.arn in _TELLING_OWNER else None
    return source[0] if source else None


def _current_time(asked: Asked) -> str:
    return datetime.fromtimestamp(asked.call.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _multi_factor(asked: Asked) -> bool | None:
    """ "This key is not present when API or CLI commands are called with long-term credentials";
    there are no devices here, so that temporary ones were always got without.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-multifactorauthpresent
    """
    return None if asked.values("aws:tokenissuetime") is None else False


def _called_via(asked: Asked, at: int) -> str | None:
    chain = asked.values("aws:calledvia")
    return chain[at] if chain else None


_COMPUTED: Final[dict[str, Callable[[Asked], Any]]] = {
    "aws:principalarn": _principal_arn,
    "aws:principalaccount": lambda asked: asked.principal.account or None,
    "aws:principaltype": lambda asked: PRINCIPAL_TYPES.get(asked.principal.kind),
    "aws:principalisawsservice": lambda asked: asked.principal.kind == "service",
    "aws:principalservicename": _service_name,
    "aws:principalservicenameslist": _service_name,
    "aws:userid": lambda asked: asked.principal.id or None,
    "aws:username": _username,
    "aws:currenttime": _current_time,
    "aws:epochtime": lambda asked: int(asked.call.now),
    "aws:requestedregion": lambda asked: asked.call.region,
    "aws:sourceowner": _source_owner,
    "aws:resourceaccount": lambda asked: asked.owner or None,
    "aws:multifactorauthpresent": _multi_factor,
    "s3:resourceaccount": lambda asked: asked.owner or None,
    # A client's request says how it came. What services ask of each other goes by no wire at all,
    # and by TLS on AWS, so that a policy against plain HTTP lets a topic's copies in.
    "aws:securetransport": lambda asked: True,
    "aws:viaawsservice": lambda asked: False,
    "aws:calledviafirst": lambda asked: _called_via(asked, 0),
    "aws:calledvialast": lambda asked: _called_via(asked, -1),
}
