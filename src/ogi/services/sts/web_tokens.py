"""Web identity tokens: JSON Web Tokens that an OIDC issuer signed, read and proved. Pure.

Law: nothing of a token is believed before `Token.prove`, but where to look for its key.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html: "Timestamps
in the token must be formatted as either an integer or a long integer. Tokens must be signed using
either RSA keys (RS256, RS384, or RS512) or ECDSA keys (ES256, ES384, or ES512)."
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ogi.access.providers import Provider
from ogi.errors import AwsError
from ogi.service import Fields
from ogi.services.sts.errors import (
    ExpiredTokenException,
    IDPRejectedClaimException,
    InvalidIdentityTokenException,
)

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
ALGORITHMS = ("RS256", "RS384", "RS512", *CURVES)
MODULUS_BYTES = range(2048 // 8, 8192 // 8 + 1)
"""Of RSA keys: shorter ones are weak, longer ones cost too much to verify with."""
KEYS_TRIED_MAX = 4
"""Of a token that does not say which key signed it."""
SKEW_S_MAX = 300
"""How far the issuer's clock may be ahead of ours."""
TAGS = "https://aws.amazon.com/tags"
SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"

NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)
"""With two blanks, as AWS says it (github.com/awslabs/aws-sdk-rust/issues/827)."""
NO_JWT = (
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
)

Jwk = dict[str, Any]


class Token(NamedTuple):
    text: str
    algorithm: str
    key_id: str | None
    claims: Fields
    issuer: str

    def prove(self, keys: Sequence[Jwk]) -> None:
        """Raise unless one of the issuer's keys signed this token."""
        # Imported at need: most servers never see such a token.
        import jwt

        fitting = [key for key in keys if _fits(key, self.algorithm, self.key_id)]
        if not fitting:
            raise InvalidIdentityTokenException(NO_KEY)
        for key in fitting[:KEYS_TRIED_MAX]:
            try:
                jwt.PyJWS().decode(
                    self.text, jwt.PyJWK(key, self.algorithm), algorithms=[self.algorithm]
                )
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            return
        raise InvalidIdentityTokenException("The ID Token's signature is not valid.")


def read(text: str) -> Token:
    """What a token says. Nothing of it is proved."""
    parts = text.split(".")
    if len(parts) != 3:
        raise InvalidIdentityTokenException(NO_JWT)
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, key_id = header.get("alg"), header.get("kid")
    # An extension that must be understood is not understood here (RFC 7515, 4.1.11).
    if algorithm not in ALGORITHMS or "crit" in header or not isinstance(key_id, str | None):
        raise InvalidIdentityTokenException(NO_JWT)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise _missing("iss")
    return Token(text, algorithm, key_id, claims, issuer)


def _object(part: str) -> Fields:
    try:
        raw = base64.urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidIdentityTokenException(NO_JWT) from None
    if not isinstance(found, dict):
        raise InvalidIdentityTokenException(NO_JWT)
    return found


def _missing(claim: str) -> AwsError:
    return InvalidIdentityTokenException(f"Missing a required claim: {claim}")


def _fits(key: Jwk, algorithm: str, key_id: str | None) -> bool:
    """Whether a key is of the kind that the algorithm wants: an RSA key never checks an HMAC."""
    if key_id is not None and key.get("kid") != key_id:
        return False
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    if algorithm in CURVES:
        return key.get("kty") == "EC" and key.get("crv") == CURVES[algorithm]
    modulus, exponent = key.get("n"), key.get("e")
    if key.get("kty") != "RSA" or not isinstance(modulus, str) or not isinstance(exponent, str):
        return False
    return len(modulus) * 3 // 4 in MODULUS_BYTES and len(exponent) <= 8


# -- claims ---------------------------------------------------------------------------------------


class Subject(NamedTuple):
    """Who a proved token speaks of."""

    subject: str
    audience: str
    """What the trust policy sees as `aud`: `azp` where the token has one."""
    original_audience: str | None
    """`aud` where the token has an `azp`."""
    methods: tuple[str, ...]
    """`amr`: how the subject logged in."""
    source_identity: str
    tags: dict[str, str]
    transitive: tuple[str, ...]


def check_times(token: Token, now: float) -> None:
    """Raise if the token is over, or not yet good."""
    expires, issued = _moment(token, "exp"), _moment(token, "iat")
    if expires is None or issued is None:
        raise _missing("exp" if expires is None else "iat")
    if now >= expires:
        raise ExpiredTokenException(
            f"Token expired: current date/time {int(now)} must be before the expiration "
            f"date/time {expires}"
        )
    not_before = _moment(token, "nbf")
    if max(issued, not_before or 0) > now + SKEW_S_MAX:
        raise IDPRejectedClaimException("The ID Token is not valid yet.")


def _moment(token: Token, claim: str) -> int | None:
    found = token.claims.get(claim)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int):
        raise InvalidIdentityTokenException(NO_JWT)
    return found


def subject_of(token: Token, provider: Provider) -> Subject:
    """Who the token speaks of, and that it was made for one of the provider's clients."""
    claims = token.claims
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _missing("sub")
    audiences = _texts(claims.get("aud"))
    if not audiences:
        raise _missing("aud")
    party = claims.get("azp")
    named = [party] if isinstance(party, str) and party else audiences
    audience = next((name for name in named if name in provider.client_ids), None)
    if audience is None:
        raise InvalidIdentityTokenException("Incorrect token audience")
    original = audiences[0] if audience == party else None
    tags, transitive = _tags(claims)
    source = claims.get(SOURCE_IDENTITY, "")
    if not isinstance(source, str):
        raise InvalidIdentityTokenException(NO_JWT)
    methods = tuple(_texts(claims.get("amr")))
    return Subject(subject, audience, original, methods, source, tags, transitive)


def _texts(claim: Any) -> list[str]:
    found = claim if isinstance(claim, list) else [claim]
    return [text for text in found if isinstance(text, str) and text]


def _tags(claims: Fields) -> tuple[dict[str, str], tuple[str, ...]]:
    """Session tags in both formats of the documentation: nested, and flattened.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
    """
    nested = claims.get(TAGS)
    nested = nested if isinstance(nested, dict) else {}
    given = nested.get("principal_tags", {})
    flat = f"{TAGS}/principal_tags/"
    pairs = [*(given.items() if isinstance(given, dict) else ()),
             *((name.removeprefix(flat), value) for name, value in claims.items()
               if name.startswith(flat))]  # fmt: skip
    tags: dict[str, str] = {}
    for name, value in pairs:
        texts = _texts(value)
        if len(texts) != 1:
            raise InvalidIdentityTokenException(f"The session tag {name} must have one value.")
        tags[name] = texts[0]
    keys = nested.get("transitive_tag_keys", claims.get(f"{TAGS}/transitive_tag_keys"))
    return tags, tuple(_texts(keys))
