"""Runs: what one run of a transaction's body draws and notes; a re-run starts with a new one."""

from __future__ import annotations

import hashlib
from typing import Any, Final

SEED_BYTES: Final = 32
"""What more is derived from; what a seed has beyond is given out as it is."""
ENTROPY_BLOCK_BYTES: Final = 136
"""What SHAKE256 yields at once."""


class Run:
    """One run: random bytes derived from its seed, and the hops that it notes."""

    __slots__ = ("_block", "_blocks", "notes", "seed")

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self._block = seed[SEED_BYTES:]
        self._blocks = 0

    def note(self, trace: str, kind: str, fields: dict[str, Any]) -> None:
        self.notes.append((trace, kind, fields))

    def entropy(self, size: int) -> bytes:
        """Each byte of the blocks is given out once: a block costs what sixteen bytes would."""
        block = self._block
        if len(block) < size:
            if not self.seed:
                # An empty seed would give everybody the same bytes: keys that all can guess.
                raise RuntimeError("a call that has not begun has no entropy")
            self._blocks += 1
            drawn = hashlib.shake_256(self.seed[:SEED_BYTES] + self._blocks.to_bytes(8, "big"))
            block = drawn.digest(max(size, ENTROPY_BLOCK_BYTES))
        self._block = block[size:]
        return block[:size]
