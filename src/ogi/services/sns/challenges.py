"""Challenges: what an endpoint that answers 401 is told of the name and password in its URL. Pure.

"Basic and Digest Access Authentication - This allows you to specify a username and password in the
HTTPS URL" (docs: sns-http-https-endpoint-as-subscriber); RFC 7617 and RFC 7616.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def credentials(parts: SplitResult) -> tuple[str, str] | None:
    """(name, password) in a URL."""
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def answer(
    challenges: Sequence[str], name: str, password: str, method: str, target: str, nonce: str
) -> str | None:
    """The Authorization header for the best challenge that is understood; None if none is.

    `nonce` is the client's own, and new each time.
    """
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "digest":
            made = _digest(rest, name, password, method, target, nonce)
            if made is not None:
                return made
    if any(challenge.partition(" ")[0].lower() == "basic" for challenge in challenges):
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    return None


def _digest(
    challenge: str, name: str, password: str, method: str, target: str, nonce: str
) -> str | None:
    # Few endpoints ask for a digest; this brings Python's own HTTP client with it.
    from urllib.request import parse_http_list, parse_keqv_list

    try:
        asked = {k.lower(): v for k, v in parse_keqv_list(parse_http_list(challenge)).items()}
        realm, theirs = asked["realm"], asked["nonce"]
    except (ValueError, KeyError, IndexError):
        return None
    algorithm = asked.get("algorithm", "MD5").upper()
    if algorithm not in _HASHES or '"' in name:
        return None

    def hashed(*words: str) -> str:
        return _HASHES[algorithm](":".join(words).encode(), usedforsecurity=False).hexdigest()

    who, what = hashed(name, realm, password), hashed(method, target)
    said = {"username": name, "realm": realm, "nonce": theirs, "uri": target}
    bare = {"algorithm": algorithm}
    if "qop" not in asked:
        said["response"] = hashed(who, theirs, what)
    elif "auth" in (one.strip() for one in asked["qop"].split(",")):
        count = "00000001"
        said["cnonce"] = nonce
        said["response"] = hashed(who, theirs, count, nonce, "auth", what)
        bare |= {"qop": "auth", "nc": count}
    else:
        return None
    if "opaque" in asked:
        said["opaque"] = asked["opaque"]
    quoted = [f'{k}="{_quoted(v)}"' for k, v in said.items()]
    return "Digest " + ", ".join([*quoted, *(f"{k}={v}" for k, v in bare.items())])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
