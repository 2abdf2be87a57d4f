"""What a map task reads, as it is seen from within the task and from outside."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reading import in_pieces

from zmr import Csv, FixedRecords, InputFormat, JsonLines, Lines, Parquet, TextBlocks, WholeFiles
from zmr.messages import FailureReason, Split
from zmr.tasks.errors import TaskError
from zmr.tasks.map_input import MapInput
from zmr.tasks.progress import TaskProgress


def map_input(input_format: InputFormat, *splits: Split) -> tuple[MapInput, TaskProgress]:
    progress = TaskProgress()
    return MapInput(input_format, splits, lambda name, n: None, progress), progress


def file(folder: Path, name: str, data: str | bytes) -> Split:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return Split(str(path))


def test_where_and_how_far_the_task_is_can_be_told_at_every_record(tmp_path: Path) -> None:
    first, second = file(tmp_path, "a", "1\n2\n3\n4\n"), file(tmp_path, "b", "5\n6")
    source, progress = map_input(in_pieces(Lines(), 4), first, second)
    assert source.where() == "before the first record"
    seen = [(record, source.where(), progress.read()) for records in source for record in records]
    assert seen == [
        ("1", f"{tmp_path}/a, line 1", (1, 0)),
        ("2", f"{tmp_path}/a, line 2", (2, 0)),
        ("3", f"{tmp_path}/a, line 3", (3, 4)),
        ("4", f"{tmp_path}/a, line 4", (4, 4)),
        ("5", f"{tmp_path}/b, line 1", (5, 8)),
        ("6", f"{tmp_path}/b, line 2", (6, 8)),
    ]
    assert (source.records, source.size_bytes) == (6, 11)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("in_batches", [False, True])
def test_a_file_that_has_grown_or_shrunk_since_it_was_planned_is_an_error(
    tmp_path: Path, suffix: str, in_batches: bool
) -> None:
    path = tmp_path / f"in{suffix}"
    data = b"1\n2\n" if not suffix else gzip.compress(b"1\n2\n")

    def records(changed: bytes, *, while_read: bool) -> int:
        path.write_bytes(data if while_read else changed)
        source, _ = map_input(in_pieces(Lines(), 2), Split(str(path), 0, -1, len(data)))
        n = 0
        for piece in source.batches() if in_batches else source:
            n += len(list(piece))
            path.write_bytes(changed)
        return n

    assert records(data, while_read=True) == 2
    for changed, change in ((data + data, "grown"), (data[:-2], "shrunk"), (b"", "shrunk")):
        for while_read in (False, True):
            with pytest.raises(TaskError, match=rf"the file has .*({change}|shorter)"):
                records(changed, while_read=while_read)


def test_a_batch_is_told_by_where_it_begins(tmp_path: Path) -> None:
    first, second = file(tmp_path, "a", "1\n2\n3\n4\n"), file(tmp_path, "b", "5\n6")
    source, progress = map_input(in_pieces(Lines(), 4), first, second)
    seen = [(batch.to_pylist(), source.where(), progress.read()) for batch in source.batches()]
    assert seen == [
        (["1", "2"], f"{tmp_path}/a, the batch from line 1 on", (2, 0)),
        (["3", "4"], f"{tmp_path}/a, the batch from line 3 on", (4, 4)),
        (["5", "6"], f"{tmp_path}/b, the batch from line 1 on", (6, 8)),
    ]
    assert (source.records, source.size_bytes) == (6, 11)


def test_what_part_of_the_input_is_done_can_be_told_at_every_record(tmp_path: Path) -> None:
    first, second = file(tmp_path, "a", "1\n2\n3\n4\n"), file(tmp_path, "b", "5\n6\n")
    source, progress = map_input(in_pieces(Lines(), 4), first, second)
    seen = [progress.fraction() * 12 for records in source for _ in records]
    assert seen == pytest.approx([0, 2, 4, 6, 8, 10])  # the record at hand is not done

    source, progress = map_input(in_pieces(Lines(), 4), Split(first.path, 4, 4))
    seen = [progress.fraction() * 4 for records in source for _ in records]
    assert seen == pytest.approx([0, 2])

    source, progress = map_input(in_pieces(Lines(), 4), first, second)
    seen = [progress.fraction() * 12 for _ in source.batches()]
    assert seen == pytest.approx([0, 4, 8])


@pytest.mark.parametrize("size_bytes", [-5, None, 10**400, float("nan"), 7])
def test_what_a_format_says_of_sizes_makes_no_bad_fraction(tmp_path: Path, size_bytes: Any) -> None:
    class Odd(Lines):
        def read(self, split: Split, count: Any) -> Iterator[Any]:
            yield ["a", "b", "c"], size_bytes

    source, progress = map_input(Odd(), file(tmp_path, "a", "abc"))
    for _ in (records := next(iter(source))):
        assert 0.0 <= progress.fraction() <= 1.0
    assert list(records) == []
    _, progress = map_input(Odd(), Split("\0"))
    assert progress.fraction() == 0.0


def test_what_part_is_done_of_compressed_input_is_not_known(tmp_path: Path) -> None:
    packed = file(tmp_path, "a.gz", gzip.compress(b"1\n2\n"))
    source, progress = map_input(Lines(), packed)
    assert [progress.fraction() for records in source for _ in records] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("input_format", "data", "place"),
    [
        (TextBlocks(4), "1\n2\n3\n4\n", ", line 3"),
        (JsonLines(), '{"a": 1}\n\n{"a": 2}', ", line 3"),
        (Csv(), 'a\n"1\n"\n2\n', ", line 4"),
        (FixedRecords(2), "1122", ", record 2"),
        (WholeFiles(), "1", ""),
    ],
)
def test_every_format_tells_where_a_record_is(
    tmp_path: Path, input_format: InputFormat, data: str, place: str
) -> None:
    source, _ = map_input(input_format, file(tmp_path, "in", data))
    for records in source:
        for _ in records:
            pass
    assert source.where() == f"{tmp_path}/in{place}"


@pytest.mark.parametrize(
    ("input_format", "name", "data", "reason", "message"),
    [
        (Lines(), "a.gz", b"nothing", FailureReason.WORKER_ERROR,
         "the gzip data is damaged or cut off (a gzip header is missing) (reading {path})"),
        (Parquet(), "a", b"PAR1 and no more", FailureReason.WORKER_ERROR, "no Parquet file"),
        (JsonLines(), "a", b"{}\n{,}\n", FailureReason.USER_ERROR,
         "no JSON: Expecting property name enclosed in double quotes (column 2) "
         "(reading {path}, line 2)"),
        (FixedRecords(2), "a", b"abc", FailureReason.USER_ERROR,
         "has only 1 of 2 bytes; the file ends (reading {path}, record 2)"),
        (Csv(types={"b": int}), "a", b"a\n1", FailureReason.USER_ERROR,
         "there is no column 'b'; there are a (reading {path})"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_fails_the_task_in_one_line(
    tmp_path: Path,
    input_format: InputFormat,
    name: str,
    data: bytes,
    reason: FailureReason,
    message: str,
) -> None:
    split = file(tmp_path, name, data)
    ways: list[Any] = [iter, MapInput.batches]
    for way in ways:
        source, _ = map_input(input_format, split)
        with pytest.raises(TaskError) as error:
            list(way(source))
        assert error.value.reason is reason
        assert message.format(path=split.path) in error.value.message
        assert "\n" not in error.value.message


def test_a_file_that_vanished_is_told_without_more_trouble(tmp_path: Path) -> None:
    split = file(tmp_path, "a", "1\n2\n")
    source, _ = map_input(Lines(), split)
    records = next(iter(source))
    next(records)
    Path(split.path).unlink()
    assert source.where() == f"{split.path}, record 1 from byte 0"
    again, _ = map_input(Lines(), split)
    with pytest.raises(TaskError, match=r"No such file or directory \(reading .*/a\)"):
        list(again)


CONTENT = b"\xef\xbb\xbfone\r\n\n{}\ntw\xc3\xb6\n\n  \nlast"
LINES_AT = [3, 8, 9, 12, 17, 18, 21]


def pieces(folder: Path, suffix: str) -> MapInput:
    split = file(folder, f"in{suffix}", gzip.compress(CONTENT) if suffix else CONTENT)
    splits = [split] if suffix else [Split(split.path, n, 5) for n in range(0, len(CONTENT), 5)]
    return map_input(in_pieces(Lines(), 4), *splits)[0]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("asks", ["", "{}"])
def test_the_offset_of_each_record_that_is_asked_for(
    tmp_path: Path, suffix: str, asks: str
) -> None:
    source = pieces(tmp_path, suffix)
    assert source.offset is None
    lines: list[str] = []
    offsets: list[int | None] = []
    for records in source:
        for line in records:
            lines.append(line)
            if not asks or line == asks:
                offsets.append(source.offset)
    assert len(lines) == len(LINES_AT)
    assert offsets == ([LINES_AT[lines.index(asks)]] if asks else LINES_AT)
    source.is_over = True
    assert [source.offset] == [None]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_offset_of_a_batch_and_of_a_part_of_it(tmp_path: Path, suffix: str) -> None:
    source, offsets = pieces(tmp_path, suffix), []
    for batch in source.batches():
        first = source.offset
        for at in range(len(batch)):
            source.enter_part(at)
            offsets.append(source.offset)
        assert first == offsets[-len(batch)]
    assert offsets == LINES_AT


@pytest.mark.parametrize(
    ("records", "content", "offsets"),
    [
        (JsonLines(), b'{}\n\n \r\n{"a": 1}\n', [0, 7]),
        (Csv(), b'a,b\n1,"x\ny"\n2,z\n', [4, 12]),
        (TextBlocks(4), b"one\ntwo\nthree\n", [0, 4, 8]),
        (FixedRecords(3), b"aaabbbccc", [0, 3, 6]),
        (Lines(text=False), b"\xef\xbb\xbf\n\xff\n", [0, 4]),
        (Lines(encoding="latin-1"), "\xe9\n\xe9\n".encode("latin-1"), [0, 3]),
        (WholeFiles(), b"a", [None]),
    ],
)
def test_the_offsets_of_the_formats(
    tmp_path: Path, records: InputFormat, content: bytes, offsets: list[int | None]
) -> None:
    split = file(tmp_path, "in", content)
    source, _ = map_input(records, split)
    assert [source.offset for piece in source for _ in piece] == offsets


def test_an_offset_that_can_not_be_read_is_no_fault_of_the_job(tmp_path: Path) -> None:
    split = file(tmp_path, "in", "a\nb\n")
    source, _ = map_input(Lines(), split)
    records = next(iter(source))
    next(records)
    Path(split.path).unlink()
    with pytest.raises(TaskError, match=r"No such file.*reading .*/in") as failed:
        _ = source.offset
    assert failed.value.reason is FailureReason.WORKER_ERROR
