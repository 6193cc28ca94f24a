"""A server whose notifications look like AWS's to those who verify them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.conftest import REGION, Server, proxy_of, start


@dataclass(frozen=True)
class Lookalike:
    """With `--sns-url aws`: subscribers reach AWS's names through its proxy."""

    server: Server
    authority: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a subscriber is started with; nothing of it is known to its code."""
        return {
            **self.server.environment,
            "AWS_REGION": REGION,
            "HTTPS_PROXY": proxy_of(self.server),
            "NO_PROXY": "127.0.0.1,localhost",
            "NODE_EXTRA_CA_CERTS": str(self.authority),
            "REQUESTS_CA_BUNDLE": str(self.authority),
            "SSL_CERT_FILE": str(self.authority),
        }


@pytest.fixture(scope="package")
def lookalike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookalike]:
    folder = tmp_path_factory.mktemp("lookalike")
    running = start(
        folder, "--data", str(folder / "data"), "--credentials", "test:test",
        "--proxy-port", "0", "--sns-url", "aws",
    )  # fmt: skip
    yield Lookalike(running, folder / "data" / "ca.pem")
    assert running.stop() == 0, running.log.read_text()
