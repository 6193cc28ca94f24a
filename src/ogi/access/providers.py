"""OIDC providers: the issuers of web identity tokens that an account trusts, as records.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

import msgspec

from ogi.storage import CONTROL, Reader
from ogi.storage.tables import Table

SCHEMES = ("https", "http")


class Provider(msgspec.Struct, frozen=True):
    account: str
    url: str
    """Without its scheme, as ARNs and condition keys name it: `server.example.org/path`."""
    created: float
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    """SHA-1 of the server's certificate in lower-case hex."""
    tags: dict[str, str] = {}
    secure: bool = True
    """False: the issuer speaks http (a setting allows that for development)."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:oidc-provider/{self.url}"

    @property
    def issuer(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.url}"


PROVIDERS = Table("iam-oidc-providers", Provider)


def find(tx: Reader, account: str, url: str) -> Provider | None:
    """The provider of a URL without its scheme."""
    return PROVIDERS.get(tx, CONTROL, account, url)


def at(tx: Reader, arn: str) -> Provider | None:
    """The provider with exactly this ARN."""
    head, found, url = arn.partition(":oidc-provider/")
    return find(tx, head.rpartition(":")[2], url) if found else None


def without_scheme(url: str) -> str:
    """`https://server.example.org/path` as ARNs have it."""
    return url.partition("://")[2] or url
