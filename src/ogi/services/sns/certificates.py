"""The key that signs notifications, and its certificate, which is served to whoever verifies them.

The key is made at the first start, kept sealed by the vault in the control home.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from ogi import signing_process
from ogi.http import Request, Response
from ogi.service import Call, Ports
from ogi.settings import Settings
from ogi.storage import CONTROL, Reader, Transaction
from ogi.storage.tables import Table
from ogi.vault import NONCE_BYTES, Vault

if TYPE_CHECKING:
    from ogi.signing import Signing

PATH = "/SimpleNotificationService-"
"""docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html"""
KEY_BITS = 2048
YEARS = 10
_PURPOSE = "sns/signing"


class Signer(msgspec.Struct, frozen=True):
    name: str
    """What the certificate's path names: the beginning of its fingerprint."""
    sealed_key: bytes
    certificate: bytes
    """PEM."""


TABLE = Table("sns.signer", Signer)


async def prepare(ports: Ports) -> None:
    """Make the signing key if there is none."""
    if await ports.store.read(lambda tx: TABLE.get(tx, CONTROL)) is None:
        signer = _made(ports.vault)

        def body(tx: Transaction) -> None:
            if TABLE.get(tx, CONTROL) is None:
                TABLE.put(tx, signer, CONTROL)

        await ports.store.transact(body, CONTROL)


async def rewrap(ports: Ports) -> int:
    """Seal the signing key anew where that is due."""
    vault, nonce = ports.vault, ports.random(NONCE_BYTES)

    def body(tx: Transaction) -> int:
        signer = TABLE.get(tx, CONTROL)
        if signer is None or vault.is_newest(_PURPOSE, signer.sealed_key):
            return 0
        sealed = vault.seal(_PURPOSE, vault.open(_PURPOSE, signer.sealed_key), nonce)
        TABLE.put(tx, msgspec.structs.replace(signer, sealed_key=sealed), CONTROL)
        return 1

    return await ports.store.transact(body, CONTROL)


async def page(ports: Ports, request: Request) -> Response:
    """The certificate, for whoever asks."""
    signer = await ports.store.read(lambda tx: TABLE.get(tx, CONTROL))
    if signer is None or request.path != f"{PATH}{signer.name}.pem":
        return Response(404, [("content-type", "text/plain")], b"Not Found\n")
    return Response(200, [("content-type", "application/x-pem-file")], signer.certificate)


def base_url(settings: Settings, region: str) -> str:
    """What links in a topic's messages begin with.

    AWS's own form is what validators ask for: "https://sns.us-west-2.amazonaws.com/Simple..."
    """
    if settings.sns_url != "aws":
        return settings.sns_url or settings.endpoint
    return f"https://sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def sign(tx: Reader, call: Call, text: str, version: str, base: str) -> tuple[str, str]:
    """The signature in base64, and the URL of the certificate, which begins with `base`."""
    signer = _signer(tx)
    digest, signing = _digest(text, version), call.ports.signing
    signature = None if signing is None else signing.find(signer.name, digest)
    if signature is None:
        signature = signing_process.sign(_key(call.ports.vault, signer), digest, version)
    return base64.b64encode(signature).decode(), f"{base}{PATH}{signer.name}.pem"


def sign_ahead(
    tx: Reader, call: Call, signing: Signing, text: str, version: str
) -> asyncio.Future[None] | None:
    """Have `sign` find the signature of a text; None if nobody can make it meanwhile."""
    signer = _signer(tx)
    return signing.ask(signer.name, _pem(call.ports.vault, signer), _digest(text, version), version)


def _signer(tx: Reader) -> Signer:
    signer = TABLE.get(tx, CONTROL)
    assert signer is not None, "the signing key is made before the first request"
    return signer


def _digest(text: str, version: str) -> bytes:
    raw = text.encode()
    if version == "2":
        return hashlib.sha256(raw).digest()
    return hashlib.sha1(raw, usedforsecurity=False).digest()


@lru_cache(maxsize=4)
def _pem(vault: Vault, signer: Signer) -> bytes:
    return vault.open(_PURPOSE, signer.sealed_key)


@lru_cache(maxsize=4)
def _key(vault: Vault, signer: Signer) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(_pem(vault, signer), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@lru_cache(maxsize=4)
def _made(vault: Vault) -> Signer:
    """One per vault and process, so that a reset need not wait for another key."""
    key = rsa.generate_private_key(65537, KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer(
        name=certificate.fingerprint(hashes.SHA256()).hex()[:32],
        sealed_key=vault.seal(_PURPOSE, pem, os.urandom(NONCE_BYTES)),
        certificate=certificate.public_bytes(Encoding.PEM),
    )
