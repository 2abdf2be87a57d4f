"""The journal's file: SQLite in the folder of `--state-dir`.

    DIR/journal.sqlite    the records, and how many there must be
    DIR/turns             how many transactions have been committed, at least

`commit` writes a turn's records in one transaction and returns when they are on the disk. Opening
gives them back exactly as they were written, or raises: each record has a checksum, all of them
together have another one, and what a damaged write-ahead log would silently take back is missed by
the count in `turns`. SQLite's lock on the file keeps a second master out, and ends with its
process.

The file holds the unfinished jobs, the latest ended ones, and the workers that are known; what a
later record makes void is deleted with it.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from zmr.checksum import crc32
from zmr.core.journal import CLEARS, CLEARS_ITSELF, EpochBegun, Record, about, reading_order
from zmr.errors import JournalError, StateError
from zmr.journal.codec import CorruptRecord, decode, encode

# Of the records' meaning, the plan of a job included: another meaning is another version.
VERSION = 1

_APPLICATION_ID = 0x7A6D726A  # "zmrj"
# SQLite's errors that are the file system's; all others mean that the file is damaged.
_CANT_BE_USED = (
    "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_READONLY",
)  # fmt: skip
_COUNT = struct.Struct("<QI")  # of turns; its checksum

_SCHEMA = f"""
BEGIN;
CREATE TABLE records (
    about TEXT, seq INTEGER, data BLOB, checksum INTEGER, PRIMARY KEY (about, seq)
) WITHOUT ROWID;
CREATE TABLE totals (turns INTEGER, records INTEGER, checksum INTEGER);
INSERT INTO totals VALUES (0, 0, 0);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


def _make_private(path: str) -> None:
    """Have the file be there, and be for its owner alone: the journal has jobs' sources and
    parameters, and the identities of workers. Raises OSError.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return
    # Of an earlier version. Not by opening it: to close it lets go of this process's locks on it.
    if os.stat(path).st_mode & 0o077:
        with suppress(PermissionError):  # another's, or of a file system that has no permissions
            os.chmod(path, 0o600)


class Journal:
    """The journal in this folder, which is made if need be. Raises `StateError`.

    What it held when it was opened is looked at then, and given back by `read` and `firsts`, which
    keep none of it. Only one process at a time can have it open.
    """

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)
        self._path = os.path.join(self.folder, "journal.sqlite")
        self._pending: list[Record] = []
        self._turns = self._n = self._checksum = self._seq = 0
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            counter = os.path.join(self.folder, "turns")
            # SQLite gives the files that it makes beside it the permissions that it has.
            beside = [self._path + suffix for suffix in ("-wal", "-shm")]
            for path in (self._path, counter, *filter(os.path.exists, beside)):
                _make_private(path)
            self._counter = os.open(counter, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            what = error.filename or self.folder
            raise StateError(f"can't use {what} (--state-dir): {error.strerror}") from None
        try:
            # Another master's lock is not waited for.
            self._database = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            os.close(self._counter)
            raise self._unusable(error) from None
        try:
            self._firsts = self._open()
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from None
            if isinstance(error, TypeError | ValueError):  # a value of another type than written
                raise self._damaged(str(error)) from None
            raise

    def last_epoch(self) -> int:
        """That of the latest start of a master; 0 before the first."""
        latest = [self._first(what) for what in self._firsts if what == about(EpochBegun(0))]
        return latest[0].epoch if latest and isinstance(latest[0], EpochBegun) else 0

    def firsts(self) -> Iterator[Record]:
        """What was first recorded of each thing, as far as it counts: how a job was submitted, or
        how it ended; how a worker joined. Before anything is written. Raises `StateError`.
        """
        return map(self._first, self._firsts)

    def read(self) -> Iterator[Record]:
        """All that was written: in its order about each thing, and one thing after the other, in
        the `reading_order` of their first records. Before anything is written. Raises `StateError`.
        """
        for what in self._firsts:
            yield from self._select("about = ? ORDER BY seq", what)

    def append(self, records: Iterable[Record]) -> None:
        """Have these written by the next `commit`."""
        self._pending += records

    def commit(self) -> None:
        """Write what was appended, all of it or nothing. Raises `JournalError`."""
        if not self._pending:
            return
        try:
            self._database.execute("BEGIN")
            self._write(self._pending)
            self._turns += 1
            self._database.execute(
                "UPDATE totals SET turns = ?, records = ?, checksum = ?",
                (self._turns, self._n, self._checksum),
            )
            self._database.execute("COMMIT")
            self._count_turns()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"can't write the journal {self._path}: {error}. The master ends; started again "
                "when that is mended, it goes on"
            ) from None
        self._pending.clear()

    def close(self) -> None:
        """Give the folder free."""
        with suppress(sqlite3.Error):
            self._database.close()
        os.close(self._counter)

    # --- writing ---

    def _write(self, records: Iterable[Record]) -> None:
        rows: list[tuple[str, int, bytes, int]] = []
        for record in records:
            what = about(record)
            if isinstance(record, CLEARS):
                self._insert(rows)
                rows = []
                self._clear(what)
            if not isinstance(record, CLEARS_ITSELF):
                data = encode(record)
                self._seq += 1
                rows.append((what, self._seq, data, _checksum(what, self._seq, data)))
        self._insert(rows)

    def _insert(self, rows: list[tuple[str, int, bytes, int]]) -> None:
        self._database.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
        self._n += len(rows)
        self._checksum += sum(row[3] for row in rows)

    def _clear(self, what: str) -> None:
        ((n, checksum),) = self._database.execute(
            "SELECT count(*), coalesce(sum(checksum), 0) FROM records WHERE about = ?", (what,)
        )
        self._database.execute("DELETE FROM records WHERE about = ?", (what,))
        self._n -= n
        self._checksum -= checksum

    def _count_turns(self) -> None:
        """Note that so many turns are on the disk. It need not be there before the next one is."""
        count = self._turns.to_bytes(8, "little")
        os.pwrite(self._counter, _COUNT.pack(self._turns, crc32(count)), 0)

    # --- reading ---

    def _open(self) -> dict[str, int]:
        database = self._database
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA cell_size_check = ON")
        committed = self._counted()
        database.execute("BEGIN IMMEDIATE")  # takes the lock, or raises
        is_new = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        ((application,),) = database.execute("PRAGMA application_id")
        ((version,),) = database.execute("PRAGMA user_version")
        database.execute("COMMIT")
        if is_new and not application:
            if committed is not None:
                raise self._damaged("it is empty")
            return self._create()
        if application != _APPLICATION_ID:
            raise StateError(f"{self._path} is no journal of zmr: choose another --state-dir")
        if version != VERSION:
            raise StateError(
                f"the journal {self._path} is of version {version}, this zmr writes version "
                f"{VERSION}: go on with the zmr that wrote it, or choose another --state-dir"
            )
        if committed is None:
            # The first count was not written: then there has been no turn.
            committed = 0
        self._make_durable()
        return self._check(committed)

    def _create(self) -> dict[str, int]:
        self._make_durable()
        self._database.executescript(_SCHEMA)
        self._count_turns()
        for descriptor in (self._counter, os.open(self.folder, os.O_RDONLY)):
            os.fsync(descriptor)
        os.close(descriptor)
        return {}

    def _make_durable(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        # On macOS, fsync alone leaves data in the cache of the disk. No other system knows this.
        self._database.execute("PRAGMA fullfsync = ON")

    def _counted(self) -> int | None:
        """How many turns there were, at least; None if that was never written."""
        data = os.pread(self._counter, _COUNT.size + 1, 0)
        if not data:
            return None
        try:
            turns, checksum = _COUNT.unpack(data)
        except struct.error:
            raise self._damaged("the file `turns` beside it is damaged") from None
        if checksum != crc32(data[:8]):
            raise self._damaged("the file `turns` beside it is damaged")
        return int(turns)

    def _check(self, committed: int) -> dict[str, int]:
        """What the records are about, and the number of the first of each, in the order of these.

        Raises `StateError` unless the records are what was written.
        """
        database = self._database
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise self._damaged(" ".join(verdict.split()))
        ((turns, n, total),) = database.execute("SELECT turns, records, checksum FROM totals")
        if turns < committed:
            raise self._damaged(f"it ends with turn {turns}, but {committed} were written")
        firsts: dict[str, int] = {}
        found = checksums = 0
        # In the order of the file: to sort a million records takes longer than to read them.
        for what, seq, data, checksum in database.execute(
            "SELECT about, seq, data, checksum FROM records ORDER BY about, seq"
        ):
            if checksum != _checksum(what, seq, data):
                raise self._damaged(f"record {seq} is not what was written")
            checksums += checksum
            found += 1
            if what not in firsts:
                firsts[what] = seq
            if seq > self._seq:
                self._seq = seq
        if (found, checksums) != (n, total):
            raise self._damaged(f"it holds {found} records, but {n} were written")
        self._turns, self._n, self._checksum = turns, n, total
        return dict(sorted(firsts.items(), key=lambda item: reading_order(*item)))

    def _first(self, what: str) -> Record:
        (record,) = self._select("about = ? AND seq = ?", what, self._firsts[what])
        return record

    def _select(self, condition: str, *values: str | int) -> Iterator[Record]:
        select = f"SELECT data FROM records WHERE {condition}"
        try:
            for (data,) in self._database.execute(select, values):
                yield decode(data)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        except CorruptRecord as error:
            raise self._damaged(str(error)) from None

    # --- what is wrong ---

    def _damaged(self, why: str) -> StateError:
        return StateError(
            f"the journal {self._path} is damaged ({why}), so nothing can go on from it: "
            "restore it from a copy, or choose another --state-dir to start anew"
        )

    def _unusable(self, error: sqlite3.Error) -> StateError:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_BUSY"):
            return StateError(
                f"another master uses {self.folder}: stop it, or choose another --state-dir"
            )
        if name.startswith(_CANT_BE_USED):
            return StateError(f"can't use {self._path} (--state-dir): {error}")
        return self._damaged(str(error))


def _checksum(what: str, seq: int, data: bytes) -> int:
    return crc32(data, crc32(f"{what} {seq}".encode()))
