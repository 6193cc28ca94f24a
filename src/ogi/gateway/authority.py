"""A certificate authority of this server's own, for clients that speak TLS to it without a
certificate from anybody else: by its endpoint's name, and by AWS's names.

Laws: its key lies in the data folder sealed by the vault, its certificate in the clear; it can sign
for AWS's names, this machine and the endpoint alone (RFC 5280, 4.2.1.10), so that who trusts it
trusts it with nothing else. What it signs lives as long as the process.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import ssl
import tempfile
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ogi.settings import Settings
from ogi.vault import NONCE_BYTES, Vault

CERTIFICATE, KEY = "ca.pem", "ca.key"
"""Files of the data folder."""
DOMAINS: Final = ("amazonaws.com", "amazonaws.com.cn")
NETWORKS: Final = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)
"""This machine and private networks."""
NAMES: Final = ("localhost", "host.docker.internal")
DAYS: Final = 3650
DAYS_OF_LEAF: Final = 397
"""Longer ones are refused by some clients."""
_PURPOSE: Final = "tls/authority"


class Uncovered(Exception):
    """The authority that is there may not sign for a name that is needed."""


def context(settings: Settings, vault: Vault) -> ssl.SSLContext:
    """TLS as this machine, the endpoint and AWS; the authority is made if there is none."""
    hosts = _hosts(settings)
    key, certificate = _authority(settings.data, vault, hosts)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    for host in hosts:
        if not _covers(constraints, host):
            raise Uncovered(
                f"The authority {settings.data / CERTIFICATE} may not sign for {host}. Delete it"
                f" and {KEY} beside it, and a new one is made, which clients must be given anew."
            )
    return _context(settings.data, _leaf(key, certificate, [*hosts, *aws_names(settings)]))


def aws_names(settings: Settings) -> list[str]:
    """Wildcards for AWS's endpoints: a star stands for one label only."""
    text = files("botocore").joinpath("data/partitions.json").read_text()
    found = {f"*.{domain}": None for domain in DOMAINS}
    for partition in json.loads(text)["partitions"]:
        domain = partition["outputs"]["dnsSuffix"]
        if domain in DOMAINS:
            for region in (*partition["regions"], settings.region):
                found |= {f"*.{region}.{domain}": None, f"*.s3.{region}.{domain}": None}
    return list(found)


def is_aws(host: str) -> bool:
    """Whether a host's name is one of AWS's endpoints."""
    return host.lower().endswith(tuple(f".{domain}" for domain in DOMAINS))


def _hosts(settings: Settings) -> list[str]:
    """What this server is called, without AWS's names."""
    found = [*NAMES, "127.0.0.1", "::1", socket.gethostname(), settings.host]
    found.append(urlsplit(settings.endpoint).hostname or "localhost")
    return [host for host in dict.fromkeys(found) if host not in ("0.0.0.0", "::") and host]


# -- the authority itself -------------------------------------------------------------------------


def _authority(
    data: Path, vault: Vault, hosts: list[str]
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    if not (data / CERTIFICATE).exists():
        _make(data, vault, hosts)
    # The key is written first: where there is a certificate, there is its key.
    key = load_pem_private_key(vault.open(_PURPOSE, (data / KEY).read_bytes()), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificate((data / CERTIFICATE).read_bytes())


def _make(data: Path, vault: Vault, hosts: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"Ogi on {socket.gethostname()}"[:64])]
    )
    certificate = (
        _dated(x509.CertificateBuilder(), DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_constraints(hosts), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(data / KEY, vault.seal(_PURPOSE, pem, os.urandom(NONCE_BYTES)), 0o600)
    _write(data / CERTIFICATE, certificate.public_bytes(Encoding.PEM), 0o644)


def rewrap(data: Path, vault: Vault) -> int:
    """Seal the authority's key anew under the vault's newest generation where that is due."""
    path = data / KEY
    if not path.exists():
        return 0
    sealed = path.read_bytes()
    if vault.is_newest(_PURPOSE, sealed):
        return 0
    _write(path, vault.seal(_PURPOSE, vault.open(_PURPOSE, sealed), os.urandom(NONCE_BYTES)), 0o600)
    return 1


def _write(path: Path, content: bytes, mode: int) -> None:
    """In one piece, or not at all."""
    made = path.with_suffix(f"{path.suffix}.new")
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)


def _constraints(hosts: list[str]) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in DOMAINS]
    permitted += [x509.IPAddress(ip_network(network)) for network in NETWORKS]
    for host in hosts:
        name = _general(host)
        if isinstance(name, x509.IPAddress):
            name = x509.IPAddress(ip_network(host))
        permitted.append(name)
    return x509.NameConstraints(permitted, None)


def _covers(constraints: x509.NameConstraints, host: str) -> bool:
    name = _general(host)
    for permitted in constraints.permitted_subtrees or ():
        if isinstance(permitted, x509.DNSName) and isinstance(name, x509.DNSName):
            if host == permitted.value or host.endswith(f".{permitted.value}"):
                return True
        elif isinstance(permitted, x509.IPAddress) and isinstance(name, x509.IPAddress):
            network = permitted.value
            if isinstance(network, IPv4Network | IPv6Network) and ip_address(host) in network:
                return True
    return False


# -- what it signs --------------------------------------------------------------------------------


def _leaf(
    key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate, names: list[str]
) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A key, and its certificate for these names followed by its issuer's, in PEM."""
    own = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _dated(x509.CertificateBuilder(), DAYS_OF_LEAF)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ogi")]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
        .sign(key, hashes.SHA256())
    )
    return own, certificate.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)


def _context(data: Path, leaf: tuple[ec.EllipticCurvePrivateKey, bytes]) -> ssl.SSLContext:
    key, chain = leaf
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL's binding takes files only; this one is its owner's, and is gone at once.
    with tempfile.NamedTemporaryFile(dir=data) as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
        file.flush()
        made.load_cert_chain(file.name)
    return made


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _dated(builder: x509.CertificateBuilder, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=days)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
