"""OIDC providers: which issuers' tokens the account's roles may be assumed with."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from msgspec.structs import replace

from ogi.access import providers
from ogi.access.providers import PROVIDERS, Provider
from ogi.service import Call, Fields
from ogi.services.iam import entities, pages
from ogi.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
    ValidationError,
)
from ogi.services.iam.service import SERVICE, home
from ogi.storage import CONTROL, Reader, Transaction

PROVIDERS_MAX = 100
CLIENT_IDS_MAX = 100
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
THUMBPRINTS_MAX = 5
URL_CHARACTERS_MAX = 255
_THUMBPRINT = re.compile(r"[0-9a-fA-F]{40}")
_CONTEXT = ("ContextProvider", "IdentityCenterInstanceArn")


def _on_new(tx: Reader, call: Call, request: Fields) -> str:
    url = providers.without_scheme(request["Url"])
    return f"arn:aws:iam::{call.account}:oidc-provider/{url}"


def _on(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["OpenIDConnectProviderArn"]
    return arn


@SERVICE.operation(
    on=_on_new,
    home=home,
    keys=entities.condition_keys,
    unsupported=_CONTEXT,
    name="CreateOpenIDConnectProvider",
)
def create_open_id_connect_provider(tx: Transaction, call: Call, request: Fields) -> Fields:
    url, secure = _checked_url(call, request["Url"])
    if providers.find(tx, call.account, url) is not None:
        raise EntityAlreadyExistsException(f"Provider with url {request['Url']} already exists.")
    if len(held(tx, call.account)) == PROVIDERS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {PROVIDERS_MAX}"
        )
    client_ids = tuple(dict.fromkeys(request.get("ClientIDList", [])))
    _check_count(client_ids)
    row = Provider(
        account=call.account,
        url=url,
        created=call.now,
        client_ids=client_ids,
        thumbprints=_checked_thumbprints(request.get("ThumbprintList", [])),
        tags=entities.tags_of(request, entities.exact),
        secure=secure,
    )
    entities.may_tag(tx, call, SERVICE, "OpenIDConnectProvider", row.arn, request)
    _put(tx, row)
    return {"OpenIDConnectProviderArn": row.arn, "Tags": _shown_tags(row)}


@SERVICE.operation(on=_on, reads=True, name="GetOpenIDConnectProvider")
def get_open_id_connect_provider(tx: Reader, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    return {
        "Url": row.url,
        "ClientIDList": list(row.client_ids),
        "ThumbprintList": list(row.thumbprints),
        "CreateDate": row.created,
        "Tags": _shown_tags(row),
    }


@SERVICE.operation(reads=True, name="ListOpenIDConnectProviders")
def list_open_id_connect_providers(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"OpenIDConnectProviderList": [{"Arn": row.arn} for row in held(tx, call.account)]}


@SERVICE.operation(
    on=_on, keys=entities.condition_keys, home=home, name="DeleteOpenIDConnectProvider"
)
def delete_open_id_connect_provider(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Roles that trust it stay as they are; nobody assumes them by it any more."""
    row = _provider(tx, call, request)
    PROVIDERS.delete(tx, CONTROL, row.account, row.url)
    return {}


@SERVICE.operation(
    on=_on, keys=entities.condition_keys, home=home, name="AddClientIDToOpenIDConnectProvider"
)
def add_client_id(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    client_ids = tuple(dict.fromkeys((*row.client_ids, request["ClientID"])))
    _check_count(client_ids)
    _put(tx, replace(row, client_ids=client_ids))
    return {}


@SERVICE.operation(
    on=_on, keys=entities.condition_keys, home=home, name="RemoveClientIDFromOpenIDConnectProvider"
)
def remove_client_id(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    kept = tuple(id for id in row.client_ids if id != request["ClientID"])
    _put(tx, replace(row, client_ids=kept))
    return {}


@SERVICE.operation(
    on=_on, keys=entities.condition_keys, home=home, name="UpdateOpenIDConnectProviderThumbprint"
)
def update_thumbprints(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    _put(tx, replace(row, thumbprints=_checked_thumbprints(request["ThumbprintList"])))
    return {}


@SERVICE.operation(on=_on, keys=entities.condition_keys, home=home, name="TagOpenIDConnectProvider")
def tag(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    _put(tx, replace(row, tags=entities.with_tags(row.tags, request["Tags"], entities.exact)))
    return {}


@SERVICE.operation(
    on=_on, keys=entities.condition_keys, home=home, name="UntagOpenIDConnectProvider"
)
def untag(tx: Transaction, call: Call, request: Fields) -> Fields:
    row = _provider(tx, call, request)
    gone = set(request["TagKeys"])
    _put(tx, replace(row, tags={k: v for k, v in row.tags.items() if k not in gone}))
    return {}


@SERVICE.operation(on=_on, reads=True, name="ListOpenIDConnectProviderTags")
def list_tags(tx: Reader, call: Call, request: Fields) -> Fields:
    return pages.of_list(_shown_tags(_provider(tx, call, request)), request, "Tags")[1]


def held(tx: Reader, account: str) -> list[Provider]:
    """All of an account's."""
    return [row for _, row in PROVIDERS.scan(tx, CONTROL, account, limit=PROVIDERS_MAX)]


def _provider(tx: Reader, call: Call, request: Fields) -> Provider:
    arn = request["OpenIDConnectProviderArn"]
    row = providers.at(tx, arn)
    if row is None or row.account != call.account:
        raise NoSuchEntityException(f"OpenIDConnect Provider not found for arn {arn}")
    return row


def _put(tx: Transaction, row: Provider) -> None:
    PROVIDERS.put(tx, row, CONTROL, row.account, row.url)


def _shown_tags(row: Provider) -> list[dict[str, str]]:
    """ "The returned list of tags is sorted by tag key." """
    return entities.show_tags(dict(sorted(row.tags.items())))


def _checked_url(call: Call, url: str) -> tuple[str, bool]:
    """The URL without its scheme, and whether that is https.

    "The URL must begin with https:// ... path components are allowed but query parameters are not."
    """
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    plain = url.isascii() and not any(c <= " " or c in "?#@\\" for c in url)
    allowed = ("https", "http") if call.ports.settings.oidc_http else ("https",)
    if good and parts.scheme not in allowed:
        # IAM's code in cdk-preflight, rules/iam/pf-iam-oidc-provider-url-https; it says no more.
        raise InvalidInputException("Invalid Open ID Connect Provider URL")
    if not good or not plain or len(url) > URL_CHARACTERS_MAX:
        raise ValidationError("Invalid Open ID Connect Provider URL")
    return providers.without_scheme(url), parts.scheme == "https"


def _check_count(client_ids: tuple[str, ...]) -> None:
    if len(client_ids) > CLIENT_IDS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}"
        )


def _checked_thumbprints(thumbprints: list[str]) -> tuple[str, ...]:
    if len(thumbprints) > THUMBPRINTS_MAX:
        raise InvalidInputException("Thumbprint list must contain fewer than 5 entries.")
    if not all(_THUMBPRINT.fullmatch(text) for text in thumbprints):
        raise InvalidInputException("Thumbprints must be 40 hexadecimal characters.")
    return tuple(text.lower() for text in thumbprints)
