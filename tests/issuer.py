"""An OIDC issuer for tests: a real HTTP(S) server with keys of its own, that signs tokens."""

from __future__ import annotations

import datetime
import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT = "sts.amazonaws.com"
DISCOVERY = "/.well-known/openid-configuration"
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


class Issuer:
    """`answers` are the documents by path; a test may put others there, or take them away."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, body = issuer.answers.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Clients that do not trust the certificate hang up."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/realm"
        self.keys = {"RS256": _RSA, **{a: ec.generate_private_key(c) for a, c in _EC.items()}}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.publish([self.jwk(algorithm) for algorithm in self.keys])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """As ARNs and condition keys have it."""
        return self.url.partition("://")[2]

    def publish(self, keys: list[Any], **discovery: Any) -> None:
        found = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **discovery}
        self.answers["/realm" + DISCOVERY] = (200, json.dumps(found).encode())
        self.answers["/realm/keys"] = (200, json.dumps({"keys": keys}).encode())

    def jwk(self, algorithm: str, **rest: Any) -> dict[str, Any]:
        kind: Any = RSAAlgorithm if algorithm.startswith("RS") else ECAlgorithm
        key: Any = self.keys[algorithm]
        found = json.loads(kind.to_jwk(key.public_key()))
        return {**found, "kid": f"key-{algorithm}", "use": "sig", **rest}

    def token(
        self, now: float, algorithm: str = "RS256", headers: Any = None, **claims: Any
    ) -> str:
        """A token of an hour; a claim that is None is left out."""
        key: Any = self.keys["RS256" if algorithm.startswith("RS") else algorithm]
        kid = "key-RS256" if algorithm.startswith("RS") else f"key-{algorithm}"
        said = {"iss": self.url, "aud": CLIENT, "sub": "user-0001", "iat": int(now),
                "exp": int(now) + 3600, **claims}  # fmt: skip
        said = {name: claim for name, claim in said.items() if claim is not None}
        return jwt.encode(said, key, algorithm, {"kid": kid, **(headers or {})})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def self_signed(folder: Path) -> tuple[Path, str]:
    """A PEM file with a certificate that no authority signed and its key; its thumbprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "issuer.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    der = certificate.public_bytes(serialization.Encoding.DER)
    return path, hashlib.sha1(der, usedforsecurity=False).hexdigest()
