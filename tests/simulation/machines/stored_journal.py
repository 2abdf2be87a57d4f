"""A journal that is in memory and, beside it, in the real file: torn, full and damaged at any byte.

Few seeds have one, since each turn writes to the disk. Whatever happens to the file, it gives back
what was written, or says that it is damaged.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from zmr.core.journal import Record
from zmr.errors import JournalError, StateError
from zmr.journal.store import Journal as Store

from .journal import Journal

_TORN, _FULL = 0.08, 0.05  # the probabilities that the master dies in a turn, or its disk is full
_DAMAGES = 8  # tried at each start
_WAL = "journal.sqlite-wal"
_MEMORY = Path("/dev/shm")  # a folder of which nothing goes to a disk, where there is one

# In the middle of a transaction. They end with the process.
_FULL_DISKS = (
    "CREATE TEMP TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    "CREATE TEMP TRIGGER full BEFORE UPDATE ON totals BEGIN SELECT RAISE(ABORT, 'disk full'); END",
)

_Files = dict[str, bytes]


class StoredJournal(Journal):
    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.is_calm: Callable[[], bool] = lambda: False  # nothing happens to the file any more
        self._rng = rng
        where = _MEMORY if _MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="zmr-simulation-", dir=where))
        self._store: Store | None = None

    def close(self) -> None:
        """Remove the file."""
        if self._store is not None:
            self._store.close()
        shutil.rmtree(self._folder)

    # --- as its master does ---

    def reopen(self) -> None:
        """The next master opens the file that the last one has left."""
        if self._store is not None:
            self._leave(self._files())
        self._check_damaged()
        self._store = Store(str(self._folder))
        assert list(self._store.read()) == super().read(), "the file holds other records"

    def write(self, records: tuple[Record, ...]) -> None:
        """Raises `JournalError` if the disk is full, or the master dies in the middle."""
        assert self._store is not None
        fate = 1.0 if self.is_calm() else self._rng.random()
        if fate < _TORN:
            self._write_a_part(records)
        elif fate < _TORN + _FULL:
            self._store._database.execute(self._rng.choice(_FULL_DISKS))
        self._store.append(records)
        self._store.commit()
        if fate < 1.0:  # a turn that only removes something needs no room
            self._store._database.execute("DROP TRIGGER IF EXISTS temp.full")
        super().write(records)

    # --- what happens to the file ---

    def _write_a_part(self, records: tuple[Record, ...]) -> None:
        """The process dies, or the machine, before all of the turn is on the disk."""
        assert self._store is not None
        before = self._files()
        self._store.append(records)
        self._store.commit()
        after = self._files()
        old, new = before.get(_WAL, b""), after.get(_WAL, b"")
        if before["journal.sqlite"] != after["journal.sqlite"] or not new.startswith(old):
            self._leave(before)  # SQLite has moved its log into the file: it dies before that
        else:
            self._leave(before | {_WAL: new[: self._rng.randrange(len(old), len(new))]})
        raise JournalError("the master dies in the middle of a turn")

    def _check_damaged(self) -> None:
        """Flip or cut a copy of what is left: that is noticed, or changes nothing."""
        files = {name: data for name, data in self._files().items() if data}
        for _ in range(_DAMAGES if files else 0):
            name = self._rng.choice(sorted(files))
            data, at = bytearray(files[name]), self._rng.randrange(len(files[name]))
            if self._rng.random() < 0.5:
                data[at] ^= 1 << self._rng.randrange(8)
            else:
                del data[at:]
            with tempfile.TemporaryDirectory(dir=self._folder.parent) as copy:
                _put(Path(copy), files | {name: bytes(data)})
                try:
                    store = Store(copy)
                except StateError:
                    continue
                try:
                    assert list(store.read()) == super().read(), f"{name} is damaged at {at}"
                except StateError:
                    pass
                finally:
                    store.close()

    def _files(self) -> _Files:
        return {path.name: path.read_bytes() for path in self._folder.iterdir()}

    def _leave(self, files: _Files) -> None:
        """End the process that has the file open, and leave these files."""
        assert self._store is not None
        self._store.close()  # which tidies up, as no process does that is killed
        self._store = None
        for path in self._folder.iterdir():
            path.unlink()
        _put(self._folder, files)


def _put(folder: Path, files: _Files) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
