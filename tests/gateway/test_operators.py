"""The operator's socket: for the folder's owner alone, unmoved by what it does not understand."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ogi import keyring
from ogi.gateway import operators
from ogi.gateway.operators import Operators
from ogi.roots import Source
from tests.world import World


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """With a short name: the names of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="ogi-") as name:
        ring = keyring.open(Path(name), Source("file"), {}, fresh=True)
        found = Operators(World("kms", settings={"data": Path(name)}).ports, ring)
        await found.listen(Path(name))
        yield Path(name)
        await found.close()


async def ask(folder: Path, line: bytes) -> Any:
    """The answer, or None if there is none."""
    reader, writer = await asyncio.open_unix_connection(folder / operators.NAME)
    try:
        writer.write(line)
        await writer.drain()
        raw = await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.close()
    return json.loads(raw) if raw else None


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_the_socket_is_for_its_owner(folder: Path) -> None:
    assert (folder / operators.NAME).stat().st_mode & 0o777 == 0o600
    found = await ask(folder, b'{"do":"status"}\n')
    assert found == {"kind": "file"}


@pytest.mark.parametrize(
    "line",
    [b"\n", b"nonsense\n", b"[]\n", b"{}\n", b'{"do":1}\n', b'{"do":"erase"}\n', b"\xff\n",
     b'{"do":"move"}\n', b'{"do":"move","to":"passphrase"}\n', b'{"do":"move","to":"env"}\n',
     b'{"do":"move","to":"passphrase","secret":"short"}\n',
     b'{"do":"move","to":"env","secret":"nonsense"}\n', b'{"do":"move","to":"kms:"}\n'],
)  # fmt: skip
async def test_what_it_does_not_understand_changes_nothing(folder: Path, line: bytes) -> None:
    before = kept(folder)
    found = await ask(folder, line)
    assert found["error"]
    assert before == kept(folder) and {"keyring.json", "root.key"} == before.keys()
    assert (await ask(folder, b'{"do":"status"}\n')) == {"kind": "file"}


async def test_a_line_without_an_end_is_not_gathered(folder: Path) -> None:
    assert await ask(folder, b"x" * (2 * operators.LINE_BYTES_MAX)) is None
    assert (await ask(folder, b'{"do":"status"}\n')) == {"kind": "file"}


async def test_renewals_that_are_asked_for_at_once_come_one_after_the_other(folder: Path) -> None:
    answers = await asyncio.gather(*(ask(folder, b'{"do":"rotate"}\n') for _ in range(5)))
    assert sorted(answer["generation"] for answer in answers) == [1, 2, 3, 4, 5]
    again = keyring.open(folder, Source("file"), {}, fresh=False)
    assert again.vault.generation == 5 and again.settled
