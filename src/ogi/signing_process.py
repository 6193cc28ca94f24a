"""The process that signs. It hears K, a private key as PEM, and S, a number, a version and a
digest; that is answered with number, version and signature (PKCS #1 v1.5), a few at a time.
"""

from __future__ import annotations

import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ogi.lines import Line, framed

ASKED = struct.Struct(">Qc")
TOGETHER = 4
"""Signatures that wait for each other before they are sent: each that is sent wakes the server."""
PREHASHED = {"1": Prehashed(hashes.SHA1()), "2": Prehashed(hashes.SHA256())}
"""By SNS's SignatureVersion."""


def sign(key: RSAPrivateKey, digest: bytes, version: str) -> bytes:
    return key.sign(digest, padding.PKCS1v15(), PREHASHED[version])


def main() -> None:
    line = Line(int(sys.argv[1]))
    key: RSAPrivateKey | None = None
    for frames in line.hear():
        ready: list[bytes] = []
        for letter, text in frames:
            if letter == b"K":
                loaded = load_pem_private_key(text, password=None)
                key = loaded if isinstance(loaded, RSAPrivateKey) else None
                continue
            assert key is not None
            number, version = ASKED.unpack_from(text)
            signature = sign(key, text[ASKED.size :], version.decode())
            ready.append(framed(b"S", ASKED.pack(number, version) + signature))
            if len(ready) == TOGETHER:
                line.pass_on(b"".join(ready))
                ready.clear()
        if ready:
            line.pass_on(b"".join(ready))


if __name__ == "__main__":
    main()
