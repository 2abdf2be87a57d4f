"""Tasks that find out together how many lines come before their pieces of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import Input, Job, Lines
from zmr.core.plan import plan
from zmr.formats.line_blocks import count_line_ends
from zmr.messages import InputFile, Split, Task, TaskKind
from zmr.tasks import line_counts
from zmr.tasks.line_counts import with_line_counts


class Numbered(Job):
    input = Lines(numbers=True)


class OfTwo(Job):
    plain = Input()
    numbered = Input(Lines(numbers=True))


def task(folder: Path, *splits: Split, job_id: str = "j1") -> Task:
    return Task(job_id, TaskKind.MAP, 0, 1, 1, str(folder), splits)


def counting(patch: pytest.MonkeyPatch, cell_bytes: int) -> list[tuple[int, int]]:
    """Have cells of this size. Returns the parts of files that are counted from now on."""
    counted: list[tuple[int, int]] = []

    def noting(path: str, start: int, end: int) -> int:
        if start < end:
            counted.append((start, end))
        return count_line_ends(path, start, end)

    patch.setattr(line_counts, "CELL_BYTES", cell_bytes)
    patch.setattr(line_counts, "count_line_ends", noting)
    return counted


@given(
    st.lists(st.sampled_from([b"\n", b"a", b"\r\n"]), max_size=200).map(b"".join),
    st.integers(1, 50),
    st.integers(1, 20),
    st.randoms(),
    st.booleans(),
)
def test_each_piece_gets_its_lines_before_in_any_order_of_the_tasks(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    split_bytes: int,
    cell_bytes: int,
    order: object,
    is_shared: bool,
) -> None:
    folder = tmp_path_factory.mktemp("counts")
    (folder / "in").write_bytes(data)
    if is_shared:
        (folder / ".zmr-j1").mkdir()
    tasks = [
        task(folder, *splits)
        for splits in plan([InputFile(str(folder / "in"), len(data), True)], split_bytes)
    ]
    order.shuffle(tasks)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        counting(patch, cell_bytes)
        for each in tasks:
            (split,) = with_line_counts(Numbered(), each).splits
            n_before = data[: split.offset].count(b"\n")
            assert split.lines_before == (n_before if split.length >= 0 else -1)


def test_each_cell_is_counted_once_and_by_whose_piece_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"one\ntwo\n" * 100
    (tmp_path / "in").write_bytes(data)
    (tmp_path / ".zmr-j1").mkdir()
    counted = counting(monkeypatch, 100)
    plans = plan([InputFile(str(tmp_path / "in"), len(data), True)], 200)
    for splits in plans:
        with_line_counts(Numbered(), task(tmp_path, *splits))
    assert sorted(counted) == [(n, n + 100) for n in range(0, 600, 100)]
    # A task that runs again, and one of a step of a pipeline, count nothing.
    with_line_counts(Numbered(), task(tmp_path, *plans[-1]))
    step = str(tmp_path / ".zmr-j1" / "step-1")
    with_line_counts(Numbered(), task(Path(step), *plans[-1], job_id="j1.1"))
    assert len(counted) == 6


def test_only_inputs_that_are_numbered_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(b"a\n" * 20)
    counted = counting(monkeypatch, 4)
    path = str(tmp_path / "in")
    plain, numbered = Split(path, 9, 5, 40), Split(path, 9, 5, 40, input=1)
    assert with_line_counts(Job(), task(tmp_path, plain)).splits == (plain,)
    assert with_line_counts(OfTwo(), task(tmp_path, plain)).splits == (plain,)
    assert not counted
    (found,) = with_line_counts(OfTwo(), task(tmp_path, numbered)).splits
    assert found.lines_before == 4
    reduce = Task("j1", TaskKind.REDUCE, 0, 1, 1, str(tmp_path))
    assert with_line_counts(Numbered(), reduce) == reduce


def test_a_file_that_is_gone_is_left_to_who_reads_it(tmp_path: Path) -> None:
    given_task = task(tmp_path, Split(str(tmp_path / "gone"), 5, 5, 10))
    assert with_line_counts(Numbered(), given_task) == given_task
