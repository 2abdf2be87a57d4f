"""From the rows of a job's input to its map tasks."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from zmr.core.plan import (
    SHARED_TASK_BYTES,
    SHARED_TASKS,
    SMALLEST_SPLIT_BYTES,
    SPLIT_BYTES,
    count_pieces,
    plan,
    split_bytes_of,
)
from zmr.messages import InputFile, Split

MIB = 1024 * 1024


def splittable(name: str, size_bytes: int) -> InputFile:
    return InputFile(name, size_bytes, splittable=True)


def planned(files: list[InputFile], split_bytes: int = SPLIT_BYTES) -> list[tuple[Split, ...]]:
    return list(plan(files, split_bytes))


def test_a_file_is_a_task() -> None:
    files = [splittable("b", 10), splittable("a", 0), InputFile("c.gz", 10**12, splittable=False)]
    assert planned(files) == [(Split("b"),), (Split("a"),), (Split("c.gz"),)]


def test_no_files_are_no_tasks() -> None:
    assert planned([]) == []


def test_a_large_file_is_cut_into_even_pieces() -> None:
    assert planned([splittable("whole", SPLIT_BYTES)]) == [(Split("whole"),)]
    cut = planned([splittable("cut", SPLIT_BYTES + 1)])
    assert cut == [
        (Split("cut", 0, SPLIT_BYTES // 2),),
        (Split("cut", SPLIT_BYTES // 2, SPLIT_BYTES // 2 + 1),),
    ]


def test_a_split_knows_what_size_its_file_had() -> None:
    large, small = splittable("cut", 2 * SPLIT_BYTES), splittable("whole", 17)
    for files in ([large, small], [*[splittable("", 17)] * 500, large, small]):
        *_, first, second, last = planned(files)
        assert [split.file_bytes for split in first + second] == [2 * SPLIT_BYTES] * 2
        assert {split.file_bytes for split in last} == {17}


def test_a_shared_task_takes_exactly_as_much_as_it_may() -> None:
    half, tiny = splittable("half", SHARED_TASK_BYTES // 2), splittable("tiny", 1)
    tasks = planned([half, half, *[tiny] * 500])
    assert tasks[0] == (Split("half"),) * 2
    assert {split.path for split in tasks[1]} == {"tiny"}


def test_a_file_of_that_size_shares_with_none_however_small() -> None:
    whole, empty = splittable("whole", SHARED_TASK_BYTES), splittable("empty", 0)
    tasks = planned([whole, *[empty] * 500])
    assert tasks[0] == (Split("whole"),)


def test_a_file_that_is_not_cut_counts_as_one_piece() -> None:
    files = [splittable("a", 0), splittable("b", 10), InputFile("c.gz", 10**12, splittable=False)]
    assert [count_pieces([file], 10) for file in files] == [1, 1, 1]
    assert count_pieces([splittable("d", 21), *files], 10) == 3 + 3


def test_very_many_small_files_share_tasks_in_their_order() -> None:
    files = [splittable(f"{n}", 1000) for n in range(1000)]
    tasks = planned(files)
    # Few tasks, and enough of them to keep the slots of a cluster busy.
    assert SHARED_TASKS / 2 < len(tasks) <= SHARED_TASKS
    assert [split.path for task in tasks for split in task] == [file.path for file in files]


def test_neighbours_share_only_while_they_are_small_together() -> None:
    files = [splittable(f"{n}", 300_000) for n in range(2000)]
    sizes = [300_000 * len(task) for task in planned(files)]
    assert max(sizes) <= SHARED_TASK_BYTES
    assert min(sizes[:-1]) == 900_000


def test_a_large_file_among_many_small_ones_keeps_its_own_tasks() -> None:
    files = [splittable(f"{n}", 10) for n in range(500)]
    files[100] = splittable("large", 3 * SPLIT_BYTES)
    files[200] = InputFile("alone", 2 * MIB, splittable=False)
    tasks = planned(files)
    assert [task for task in tasks if task[0].path == "large"] == [
        (Split("large", n * SPLIT_BYTES, SPLIT_BYTES),) for n in range(3)
    ]
    assert (Split("alone"),) in tasks


ROWS = st.builds(
    lambda size_bytes, splittable, starts: (size_bytes, splittable, starts),
    st.integers(0, 400),
    st.booleans(),
    st.sampled_from([0] * 9 + [1]),
)


@given(st.lists(ROWS, max_size=300), st.integers(1, 500))
def test_every_byte_is_in_one_task_and_in_order(
    rows: list[tuple[int, bool, int]], split_bytes: int
) -> None:
    numbers = accumulate(starts for _, _, starts in rows)  # of the inputs that files are of
    files = [
        InputFile(f"{n}", size_bytes, splittable, number)
        for n, ((size_bytes, splittable, _), number) in enumerate(zip(rows, numbers, strict=True))
    ]
    tasks = planned(files, split_bytes)

    flat = iter(split for task in tasks for split in task)
    for file in files:
        end = 0
        while True:
            split = next(flat)
            assert (split.path, split.offset, split.input) == (file.path, end, file.input)
            if split.length == -1:
                assert not end
                break
            assert 0 < split.length <= split_bytes
            end += split.length
            if end == file.size_bytes:
                break
    assert next(flat, None) is None
    assert all(tasks)
    assert all(len({split.input for split in task}) == 1 for task in tasks)
    assert len(tasks) <= count_pieces(files, split_bytes)


def test_of_little_input_splits_are_small_and_of_much_not_large() -> None:
    def of(*sizes: int) -> int:
        return split_bytes_of([splittable("x", size) for size in sizes])

    assert of() == of(1000) == of(64 * MIB, 64 * MIB) == SMALLEST_SPLIT_BYTES
    assert of(100 * MIB, 220 * MIB) == 20 * MIB
    assert of(10**9, 10**9) == SPLIT_BYTES
    assert split_bytes_of([InputFile("x.gz", 10**12, splittable=False)]) == SMALLEST_SPLIT_BYTES
    assert split_bytes_of([splittable("x", 10**12)], most_bytes=100) == 100


def test_a_plan_of_a_million_tasks_is_as_small_as_its_input() -> None:
    tasks = plan([splittable("huge", 1_000_000 * SPLIT_BYTES), splittable("last", 1)])
    assert len(tasks) == 1_000_001
    assert tasks[999_999] == (Split("huge", 999_999 * SPLIT_BYTES, SPLIT_BYTES),)
    assert tasks[-2:] == [tasks[999_999], (Split("last"),)]
    assert len(tasks._groups) == 2
