"""Secrets are compared in constant time, and are too long to be guessed."""

from __future__ import annotations

import ast
import re
from base64 import b64decode, b64encode
from pathlib import Path
from random import Random

import pytest

from ogi.access import credentials, identities
from ogi.vault import NONCE_BYTES, Vault
from tests.world import ACCOUNT

SOURCE = Path(__file__).parents[2] / "src" / "ogi"
WORDS = re.compile(r"secret|signature|digest|token|hmac|mac$|password|sealed|credential", re.I)

NO_SECRETS = {
    "access/patterns.py": "tokens of a parser",
    "services/logs/selectors.py": "tokens of a parser",
    "services/sns/devices.py": "how a push service names a device, compared with its owner's own",
    "services/cloudformation": "client request tokens, which the same client repeats",
    "services/s3/checksums.py": "a checksum of the caller's own body",
    "wire/digests.py": "a checksum of the caller's own body",
}
"""Where such words name what nobody need guess."""


def _name(side: ast.AST) -> str:
    """What a side is called: `c` of `a.b.c`, of `c(...)` and of `c[...]`."""
    if isinstance(side, ast.Call):
        return _name(side.func)
    if isinstance(side, ast.Subscript):
        return _name(side.value)
    return side.attr if isinstance(side, ast.Attribute) else str(getattr(side, "id", ""))


def _is_public(side: ast.AST) -> bool:
    """A constant, or how long something is."""
    if isinstance(side, ast.Constant):
        return True
    if isinstance(side, ast.Call) and ast.unparse(side.func) == "len":
        return True
    return _name(side).isupper()


def test_no_secret_is_compared_by_a_way_that_tells_how_much_of_it_was_right() -> None:
    """`==` returns at the first byte that differs; hmac.compare_digest looks at all."""
    wrong = []
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        if any(file.startswith(known) for known in NO_SECRETS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Compare):
                continue
            if not any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
                continue
            sides = [node.left, *node.comparators]
            if any(map(_is_public, sides)):
                continue
            if any(WORDS.search(_name(side)) for side in sides):
                wrong.append(f"{file}:{node.lineno} {ast.unparse(node)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", NO_SECRETS)
def test_the_exceptions_are_still_there(file: str) -> None:
    assert (SOURCE / file).exists()


@pytest.mark.parametrize(
    "file", ["access/sigv4.py", "access/sigv2.py", "access/chunks.py", "services/kms/signatures.py"]
)
def test_what_proves_compares_in_constant_time(file: str) -> None:
    text = (SOURCE / file).read_text()
    assert "compare_digest" in text or "constant_time" in text


def test_a_secret_is_too_long_to_be_guessed() -> None:
    """240 bits: at a million guesses a second the sun is out first."""
    made = {identities.secret(Random(seed).randbytes) for seed in range(100)}
    assert len(made) == 100
    assert all(len(b64decode(secret)) == 30 for secret in made)


def test_a_token_is_sealed_by_what_nobody_guesses() -> None:
    """AES-256-GCM with a tag of 128 bits: a token that was made up opens with luck of 2^-128."""
    vault, random = Vault(b"v" * 32), Random(7)
    made = credentials.mint_session(vault, random.randbytes, credentials.root(ACCOUNT), 0.0, 900)
    raw = b64decode(made.session_token)
    for _ in range(2_000):
        forged = bytearray(raw)
        forged[random.randrange(1 + NONCE_BYTES, len(raw))] ^= 1 << random.randrange(8)
        with pytest.raises(credentials.BadToken):
            credentials._open_token(vault, made.access_key_id, _text(bytes(forged)))


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
