"""Web archives: the same records wherever an archive is cut, and what is none is told."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.reading import cut, in_pieces, read, read_batches, write_input

from zmr import BadRecord, Warc
from zmr.engines.inputs import list_inputs
from zmr.messages import Split

BOTH = pytest.mark.parametrize("how", [read, read_batches])


def warc_record(kind: str, number: int, content: bytes) -> bytes:
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:{number}>\r\n"
        f"WARC-Date: 2026-01-31T12:00:00Z\r\nwarc-target-URI: http://example.com/ü{number}\r\n"
        f"X-Folded: a\r\n b\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return header.encode() + content + b"\r\n\r\n"


def stored(data: bytes) -> bytes:
    """Return a member of gzip with the data as it is, with what looks like a member within."""
    packer = zlib.compressobj(0, wbits=16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CONTENTS = [b"", b"HTTP/1.1 200 OK\r\n\r\nWARC/1.0\r\n", bytes(range(256)) * 9, gzip.compress(b"x")]
RECORDS = [
    warc_record("response" if i % 3 else "request", i, CONTENTS[i % len(CONTENTS)])
    for i in range(40)
]
MEMBERS = b"".join(map(gzip.compress, RECORDS))


def plain(records: list[Any]) -> list[Any]:
    """Return the records with headers as dicts, as which maps don't come back from Arrow."""
    return [record | {"headers": dict(record["headers"])} for record in records]


@BOTH
def test_records_are_the_same_in_any_form_and_wherever_it_is_cut(tmp_path: Path, how: Any) -> None:
    path = tmp_path / "a.warc.gz"
    for name, data in (("a.warc", b"".join(RECORDS)), ("b.warc.gz", gzip.compress(MEMBERS))):
        write_input(tmp_path / name, data if name == "a.warc" else gzip.compress(b"".join(RECORDS)))
    write_input(path, MEMBERS)
    expected = plain(how(Warc(), Split(str(tmp_path / "a.warc"))).records)
    assert [record["content"] for record in expected] == [CONTENTS[i % 4] for i in range(40)]
    assert expected[1]["type"] == "response"
    assert expected[1]["uri"] == "http://example.com/ü1"
    assert expected[1]["headers"]["X-Folded"] == "a b"
    assert plain(how(Warc(), Split(str(tmp_path / "b.warc.gz"))).records) == expected
    for step in (1, 500, 10_000):
        splits = cut(path, range(step, len(MEMBERS), step))
        for piece_bytes in (1, 1 << 20):
            assert plain(how(in_pieces(Warc(), piece_bytes), *splits).records) == expected
    requests = how(Warc(types=["request"]), *splits).records
    assert plain(requests) == [each for each in expected if each["type"] == "request"]


def test_archives_are_cut_if_their_records_are_members(tmp_path: Path) -> None:
    for name, data, cuts in (
        ("a.warc.gz", MEMBERS, True),
        ("b.warc.gz", gzip.compress(b"".join(RECORDS)), False),
        ("c.warc", b"".join(RECORDS), False),
        ("d.warc.gz", b"", False),
    ):
        (tmp_path / name).write_bytes(data)
        assert list_inputs([str(tmp_path / name)], Warc())[0].splittable is cuts
    assert not Warc(split=False).can_split(str(tmp_path / "a.warc.gz"))


def test_an_archive_within_an_archive_is_not_taken_for_its_records(tmp_path: Path) -> None:
    path = tmp_path / "in.warc.gz"
    inner = warc_record("resource", 1, gzip.compress(warc_record("inner", 2, b"")))
    data = gzip.compress(RECORDS[0]) + stored(inner) + gzip.compress(RECORDS[1])
    write_input(path, data)
    assert [r["type"] for r in read(Warc(), Split(str(path))).records] == [
        "request", "resource", "response"
    ]  # fmt: skip
    for at in range(1, len(data)):
        try:
            found = read(Warc(), *cut(path, [at])).records
            assert [record["type"] for record in found] == ["request", "resource", "response"]
        except BadRecord as error:
            assert "Warc(split=False)" in str(error)  # noqa: PT017 -- or the same records


@BOTH
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no archive\n", "byte 0: no WARC record"),
        (RECORDS[0] + b"x", f"byte {len(RECORDS[0])}: no WARC record"),
        (RECORDS[1][:-3], "does not end after 29 bytes"),
        (RECORDS[1][:50], "header of the record is cut off"),
        (RECORDS[1].replace(b"Length: 29", b"Length: x"), "Content-Length is 'x'"),
    ],
)
def test_what_is_no_record_is_told_by_its_place(
    path: Path, how: Any, data: bytes, reason: str
) -> None:
    with pytest.raises(BadRecord, match=reason):
        how(Warc(), write_input(path, data))


def test_a_record_is_located_by_its_id(path: Path) -> None:
    split = write_input(path, b"".join(RECORDS))
    assert Warc().locate(split, 1) == f"byte {len(RECORDS[0])}, <urn:1>"
    assert Warc(["request"]).locate(split, 1).endswith("<urn:3>")
    assert Warc().locate(split, 40) == ""
    with pytest.raises(ValueError, match="takes a list"):
        Warc(types="response")
    ((batch, _),) = Warc().read_batches(split, print)
    assert batch.schema.field("headers").type == pa.map_(pa.string(), pa.string())


def test_records_are_those_that_warcio_and_fastwarc_read(tmp_path: Path) -> None:
    warcio = pytest.importorskip("warcio")
    fastwarc = pytest.importorskip("fastwarc")
    path = tmp_path / "in.warc.gz"
    path.write_bytes(MEMBERS)
    with path.open("rb") as file:
        theirs = [
            (record.rec_type, record.raw_stream.read())
            for record in warcio.ArchiveIterator(file, no_record_parse=True)
        ]
    with path.open("rb") as file:
        others = [
            (record.headers["WARC-Type"], record.reader.read())
            for record in fastwarc.ArchiveIterator(file, parse_http=False)
        ]
    ours = [(r["type"], r["content"]) for r in read(Warc(), *cut(path, [1000, 2000])).records]
    assert ours == theirs == others
