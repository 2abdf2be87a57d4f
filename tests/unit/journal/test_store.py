"""The journal's file gives back what was written, whoever dies, or says that it can't."""

from __future__ import annotations

import os
import pickle
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CHECKOUT
from support.strategies import records

from zmr import messages as m
from zmr.core import journal as j
from zmr.errors import JournalError, StateError
from zmr.journal.codec import CorruptRecord, decode, encode
from zmr.journal.store import Journal

KINDS = records()


def submitted(job_id: str = "job") -> j.JobSubmitted:
    spec = m.JobSpec(job_id, "Job", "job", b"source", "", (), 2, "/out")
    return j.JobSubmitted(m.Submit(spec, (m.InputFile("/in", 5, splittable=True),)), 100, "words")


def closed(job_id: str = "job") -> j.JobClosed:
    spec = m.JobSpec(job_id, "Job", "job", b"", "", (), 2, "/out")
    status = m.JobStatus(job_id, "Job", "done", 1, 1, 2, 2)
    return j.JobClosed(spec, status, "", False, "words")


def hand_outs(n: int, job_id: str = "job") -> list[j.Record]:
    return [j.HandedOut(job_id, m.TaskKind.MAP, i, i, b"worker") for i in range(n)]


def write(folder: Path, *turns: list[Any]) -> None:
    """Write these turns, and close the journal as a process does that is killed: not at all."""
    code = "import sys, pickle, os; from zmr.journal.store import Journal\n"
    code += "journal = Journal(sys.argv[1])\n"
    code += "for turn in pickle.load(sys.stdin.buffer): journal.append(turn); journal.commit()\n"
    code += "os.kill(os.getpid(), 9)"
    ended = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=pickle.dumps(turns),
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL


def outcome_of_reading(folder: Path) -> tuple[list[j.Record], str]:
    """What the journal holds, or what is told of it."""
    try:
        return read(folder), ""
    except StateError as error:
        return [], str(error)


def read(folder: Path) -> list[j.Record]:
    journal = Journal(str(folder))
    try:
        return list(journal.read())
    finally:
        journal.close()


# --- records -----------------------------------------------------------------------------------


def test_the_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    # Given a process that lets others read what it makes, and a file of an earlier version
    folder = tmp_path / "state"
    before = os.umask(0)
    try:
        journal = Journal(str(folder))
        journal.append([submitted()])
        journal.commit()
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        journal.close()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert set(modes.values()) == {0o600}
        assert {"journal.sqlite", "turns"} <= set(modes)
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            (folder / name).touch()
            (folder / name).chmod(0o644)
        again = Journal(str(folder))
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        again.close()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}


def test_every_kind_of_record_is_covered() -> None:
    assert set(get_args(j.Record)) == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_record_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    record = data.draw(KINDS[kind])
    again = decode(encode(record))
    assert (type(again), again) == (type(record), record)
    assert j.about(again) == j.about(record)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_record_or_a_bad_one(data: bytes) -> None:
    with suppress(CorruptRecord):
        assert type(decode(data)) in KINDS


# --- the file ----------------------------------------------------------------------------------


def test_what_was_committed_is_there_after_a_kill(tmp_path: Path) -> None:
    first, second = [submitted(), *hand_outs(3)], [j.CommitGranted("job", 1)]
    write(tmp_path / "new" / "state", first, second)
    assert read(tmp_path / "new" / "state") == [*first, *second]


def test_what_was_not_committed_is_not(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.append(hand_outs(2))
    journal.commit()
    journal.append(hand_outs(5))
    journal.close()
    assert read(tmp_path) == hand_outs(2)


def test_what_is_void_is_dropped(tmp_path: Path) -> None:
    joined = j.WorkerJoined(b"w", m.Register("w", "host", 1, 2))
    journal = Journal(str(tmp_path))
    journal.append([j.EpochBegun(1), joined, submitted("one"), *hand_outs(9, "one")])
    journal.append([submitted("two"), closed("one"), j.WorkerGone(b"w"), j.EpochBegun(2)])
    journal.commit()
    journal.append([closed("two"), j.JobForgotten("one")])
    journal.commit()
    assert journal.last_epoch() == 0
    journal.close()
    assert read(tmp_path) == [j.EpochBegun(2), closed("two")]


def test_things_are_read_one_after_the_other_each_in_its_order(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    two, one = hand_outs(3, "two"), hand_outs(3, "one")
    joined = j.WorkerJoined(b"w", m.Register("w", "host", 1, 2))
    journal.append([submitted("two"), j.EpochBegun(1), two[0], submitted("one"), *one, *two[1:]])
    journal.append([joined])
    journal.commit()
    journal.close()
    again = Journal(str(tmp_path))
    assert list(again.firsts()) == [joined, submitted("two"), j.EpochBegun(1), submitted("one")]
    # Workers come first: attempts are handed out to them.
    whole = [joined, submitted("two"), *two, j.EpochBegun(1), submitted("one"), *one]
    assert list(again.read()) == list(again.read()) == whole
    assert again.last_epoch() == 1
    again.close()


def test_a_long_journal_is_read_without_being_kept(tmp_path: Path) -> None:
    n = 20_000
    journal = Journal(str(tmp_path))
    journal.append([submitted(), *hand_outs(n)])
    journal.commit()
    journal.close()
    tracemalloc.start()
    try:
        again = Journal(str(tmp_path))
        assert sum(1 for _ in again.read()) == n + 1
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    again.close()
    assert most_bytes < 5 * n


def test_the_file_stays_small_over_many_jobs(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    for n in range(30):
        journal.append([submitted(f"job-{n}"), *hand_outs(2000, f"job-{n}")])
        journal.commit()
        journal.append([closed(f"job-{n}"), *([j.JobForgotten(f"job-{n - 5}")] if n > 5 else [])])
        journal.commit()
    journal.close()
    one_job_bytes = 2000 * 100
    assert (tmp_path / "journal.sqlite").stat().st_size < 2 * one_job_bytes
    assert len(read(tmp_path)) == 6  # the first one was never dropped


def test_a_second_master_is_told(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    code = f"from zmr.journal.store import Journal; Journal({str(tmp_path)!r})"
    second = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    journal.close()
    assert f"StateError: another master uses {tmp_path}: stop it, or choose" in second.stderr


# --- damage ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[j.Record]]:
    """A journal whose master was killed, with records in the file and others in SQLite's log."""
    folder = tmp_path_factory.mktemp("killed")
    many: list[j.Record] = [submitted(), *hand_outs(3000)]
    last = [[j.CommitGranted("job", n)] for n in range(20)]
    journal = Journal(str(folder))
    journal.append(many)
    journal.commit()
    journal.close()  # with all in the file
    write(folder, *last)
    assert (folder / "journal.sqlite-wal").stat().st_size > 20 * 4096
    return folder, [*many, *chain.from_iterable(last)]


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal", "turns"])
def test_flipped_bytes_are_noticed_or_change_nothing(
    killed: tuple[Path, list[j.Record]], name: str, tmp_path: Path
) -> None:
    folder, written = killed
    rng = random.Random(1)
    noticed = 0
    for case in range(60):
        copy = Path(shutil.copytree(folder, tmp_path / str(case)))
        data = bytearray((copy / name).read_bytes())
        for _ in range(rng.choice([1, 1, 8])):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        (copy / name).write_bytes(data)
        found, told = outcome_of_reading(copy)
        if told:
            noticed += 1
            assert "\n" not in told
            assert "choose another --state-dir" in told
        else:
            assert found == written
        shutil.rmtree(copy)
    assert noticed > 20


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal"])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.9])
def test_a_cut_file_is_noticed(
    killed: tuple[Path, list[j.Record]], name: str, left: float, tmp_path: Path
) -> None:
    folder, _ = killed
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    os.truncate(copy / name, int((copy / name).stat().st_size * left))
    with pytest.raises(StateError, match="is damaged"):
        Journal(str(copy))


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal"])
def test_a_missing_file_is_noticed(
    killed: tuple[Path, list[j.Record]], name: str, tmp_path: Path
) -> None:
    folder, _ = killed
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / name).unlink()
    with pytest.raises(StateError, match="is damaged"):
        Journal(str(copy))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM records WHERE seq = 5",
        "UPDATE records SET data = x'00' WHERE seq = 5",
        "UPDATE records SET seq = 9999 WHERE seq = 5",
        "INSERT INTO records SELECT about, 9999, data, checksum FROM records WHERE seq = 5",
        "DELETE FROM totals",
        "UPDATE totals SET turns = 'many'",
        "DROP TABLE records",
    ],
)
def test_records_that_were_changed_or_removed_are_noticed(change: str, tmp_path: Path) -> None:
    write(tmp_path, hand_outs(10))
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute(change)
    database.close()
    with pytest.raises(StateError, match="is damaged"):
        Journal(str(tmp_path))


def test_a_record_that_means_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("zmr.journal.store.encode", lambda record: b"\x07")
        journal = Journal(str(tmp_path))
        journal.append(hand_outs(1))
        journal.commit()
        journal.close()
    with pytest.raises(StateError, match="is damaged"):
        read(tmp_path)


def test_another_version_and_another_program_s_file_are_told_apart(tmp_path: Path) -> None:
    for pragma, told in (
        ("user_version = 2", "is of version 2, this zmr writes version 1"),
        ("application_id = 7", "is no journal of zmr"),
    ):
        folder = tmp_path / pragma
        write(folder, hand_outs(1))
        with sqlite3.connect(folder / "journal.sqlite") as database:
            database.execute(f"PRAGMA {pragma}")
        database.close()
        with pytest.raises(StateError, match=told):
            Journal(str(folder))


def test_a_folder_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"can't use .*file \(--state-dir\): "):
        Journal(str(tmp_path / "file"))
    (tmp_path / "folder" / "journal.sqlite").mkdir(parents=True)
    with pytest.raises(StateError, match=r"can't use .*journal.sqlite \(--state-dir\): "):
        Journal(str(tmp_path / "folder"))


def test_a_full_disk_ends_the_writing_and_loses_nothing_that_was_written(tmp_path: Path) -> None:
    # Given a limit on the size of files, which SQLite meets as it would a full disk.
    journal = Journal(str(tmp_path))
    journal.append(hand_outs(100))
    journal.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        journal.append(hand_outs(20_000))
        with pytest.raises(JournalError, match=r"can't write the journal .*: .*The master ends"):
            journal.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    journal.close()
    assert read(tmp_path) == hand_outs(100)
