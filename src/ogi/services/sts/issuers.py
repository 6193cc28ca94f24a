"""Issuers: the public keys of OIDC providers, fetched where their discovery document says.

Kept in memory for a while. Nobody signs the requests that lead here, so that an issuer is asked
again only after a pause, by one at a time, and whatever it answers is bounded.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ogi import outbound
from ogi.access.providers import Provider
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.sts.errors import IDPCommunicationErrorException, InvalidIdentityTokenException
from ogi.services.sts.web_tokens import NO_KEY, Jwk
from ogi.storage import Store

DISCOVERY = "/.well-known/openid-configuration"
FETCH_S_MAX = 5.0
"""Of each of the two documents: https://repost.aws/knowledge-center/iam-sts-invalididentitytoken"""
DOCUMENT_BYTES_MAX = 256 * 1024
KEYS_MAX = 200
""" "a maximum of 100 RSA keys and 100 EC keys" (the page above)."""
KEPT_S = 3600.0
PAUSE_S = 10.0
"""Before an issuer is asked again that has failed, or that did not have a key."""
ISSUERS_MAX = 256


@dataclass
class Known:
    """What is known of one issuer."""

    asked: float = float("-inf")
    """When it was asked last; seconds since the epoch."""
    fetched: float = float("-inf")
    """When its keys came."""
    keys: tuple[Jwk, ...] = ()
    failure: AwsError | None = None
    """What came of asking last, if no keys did."""
    one: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """The keys of all issuers, as one server knows them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], Known] = {}

    async def keys(self, call: Call, provider: Provider, key_id: str | None) -> tuple[Jwk, ...]:
        """The issuer's keys, fetched anew if they are old or lack `key_id`."""
        name = (provider.issuer, provider.thumbprints)
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= ISSUERS_MAX:
                self._known.clear()
            known = self._known[name] = Known()
        async with known.one:
            now = call.ports.clock.now()
            if self._must_ask(known, key_id, now):
                await self._ask(call, provider, known, now)
            if known.failure is not None:
                raise known.failure
            return known.keys

    def _must_ask(self, known: Known, key_id: str | None, now: float) -> bool:
        if now < known.asked + PAUSE_S:
            return False
        if known.failure is not None or now >= known.fetched + KEPT_S:
            return True
        return key_id is not None and all(key.get("kid") != key_id for key in known.keys)

    async def _ask(self, call: Call, provider: Provider, known: Known, now: float) -> None:
        known.asked = now
        try:
            known.keys = await _fetch(call, provider)
        except AwsError as failure:
            known.failure = failure
        else:
            known.fetched, known.failure = now, None


async def _fetch(call: Call, provider: Provider) -> tuple[Jwk, ...]:
    found = await _document(call, provider, provider.issuer.rstrip("/") + DISCOVERY)
    # "The issuer value returned MUST be identical to the Issuer URL" (OpenID Connect Discovery
    # 1.0, 4.3): else one issuer could hand out keys for another.
    if found.get("issuer") != provider.issuer or not isinstance(found.get("jwks_uri"), str):
        raise InvalidIdentityTokenException(NO_KEY)
    keys = (await _document(call, provider, found["jwks_uri"])).get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= KEYS_MAX:
        raise InvalidIdentityTokenException(NO_KEY)
    return tuple(key for key in keys if isinstance(key, dict))


async def _document(call: Call, provider: Provider, url: str) -> dict[str, Any]:
    schemes = ("https",) if provider.secure else ("https", "http")
    if not any(outbound.split(url, scheme) for scheme in schemes):
        raise InvalidIdentityTokenException(NO_KEY)
    settings = call.ports.settings
    bounds = outbound.Bounds(
        FETCH_S_MAX, settings.oidc_networks, DOCUMENT_BYTES_MAX, provider.thumbprints
    )
    headers = [("Accept", "application/json"), ("User-Agent", "Ogi")]
    try:
        answer = await outbound.request(settings, "GET", url, headers, b"", bounds)
    except outbound.WrongCertificate:
        raise InvalidIdentityTokenException(
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
        ) from None
    except outbound.NotAllowed:
        raise InvalidIdentityTokenException(NO_KEY) from None
    except outbound.Unreachable:
        raise IDPCommunicationErrorException() from None
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = None
    if answer.status != 200 or not isinstance(found, dict):
        raise InvalidIdentityTokenException(NO_KEY)
    return found


def of(store: Store) -> Issuers:
    """The issuers as the server of this store knows them."""
    return store.beside(Issuers)
