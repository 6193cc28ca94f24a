"""Signatures made ahead are the same as others, and nobody depends on them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ogi.signing import WANTED, Signing

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
async def signing() -> AsyncIterator[Signing]:
    signing = Signing()
    yield signing
    await signing.close()


async def test_they_are_what_the_key_signs(signing: Signing) -> None:
    texts = [b"text %d" % number for number in range(20)]
    asked = [signing.ask("key", PEM, hashlib.sha256(text).digest(), "2") for text in texts]
    asked.append(signing.ask("key", PEM, hashlib.sha1(b"old").digest(), "1"))
    await asyncio.gather(*filter(None, asked))
    for text in texts:
        found = signing.find("key", hashlib.sha256(text).digest())
        assert found == KEY.sign(text, padding.PKCS1v15(), hashes.SHA256())
    found = signing.find("key", hashlib.sha1(b"old").digest())
    assert found == KEY.sign(b"old", padding.PKCS1v15(), hashes.SHA1())


async def test_those_of_an_earlier_key_are_not_found(signing: Signing) -> None:
    digest = hashlib.sha256(b"text").digest()
    await (signing.ask("key", PEM, digest, "2") or asyncio.sleep(0))
    assert signing.find("key", digest)
    assert signing.find("other", digest) is None


async def test_nobody_waits_for_a_process_that_is_gone(signing: Signing) -> None:
    digest = hashlib.sha256(b"text").digest()
    await (signing.ask("key", PEM, digest, "2") or asyncio.sleep(0))
    assert signing._process is not None
    os.kill(signing._process.pid, signal.SIGKILL)
    waits = signing.ask("key", PEM, hashlib.sha256(b"next").digest(), "2")
    if waits is not None:
        await asyncio.wait_for(waits, 5)
    assert signing.find("key", hashlib.sha256(b"next").digest()) is None
    assert signing.ask("key", PEM, digest, "2") is None


def test_only_what_needed_one_not_long_ago_is_signed_ahead() -> None:
    signing = Signing()
    assert not signing.wants("topic")
    signing.needed("topic")
    assert [signing.wants("topic") for _ in range(WANTED + 1)] == [True] * WANTED + [False]
