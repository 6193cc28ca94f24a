"""The scribe: all that writes a data folder's journal and tree. It knows nothing of who asks."""

from __future__ import annotations

from pathlib import Path

from ogi.storage import Changes
from ogi.storage.journal import Journal, JournalDamaged, Turned
from ogi.storage.tree import DataFolderError, TreeWriter

TREE = "ogi.db"


class Scribe:
    """One folder's writer. `fold` may run beside `append`, on another thread; nothing else may."""

    def __init__(self, folder: Path) -> None:
        self._tree = TreeWriter(folder / TREE)
        try:
            self._journal = Journal(folder)
        except BaseException:
            self._tree.close()
            raise
        try:
            self._recover(folder)
        except BaseException:
            self.close()
            raise

    def _recover(self, folder: Path) -> None:
        """Bring into the tree what the journal holds beyond it: the last writer was killed."""
        changes: Changes = {}
        try:
            for one in self._journal.replay(self._tree.applied):
                changes.update(one)
        except JournalDamaged as damage:
            raise DataFolderError(
                f"{folder} is damaged: {damage}. Acknowledged changes would be lost; restore the"
                " folder from a backup."
            ) from None
        if changes:
            self._tree.fold(changes, self._journal.number)

    def append(self, payload: bytes) -> int:
        """Put an encoded write-set on disk; the bytes that were written."""
        return self._journal.append(payload)

    def turn(self) -> Turned:
        """What is to be folded next: all that was appended since the last turn."""
        return self._journal.turn()

    def fold(self, turned: Turned) -> Changes:
        """Bring it into the tree, durably; the control records in it."""
        return self._tree.fold(turned.merged(), turned.number)

    def empty(self) -> None:
        """Forget all entries."""
        self._journal.turn()
        self._tree.empty(self._journal.number)

    def close(self) -> None:
        self._journal.close()
        self._tree.close()
