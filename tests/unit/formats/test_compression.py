from __future__ import annotations

import bz2
import gzip
import lzma
import random
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reading import in_pieces, read, read_batches

from zmr import Csv, FixedRecords, InputFormat, JsonLines, Lines, Parquet, TextBlocks, WholeFiles
from zmr.formats import compression
from zmr.formats.compression import is_compressed, open_input
from zmr.messages import Split

Compress = Callable[[bytes], bytes]
CODECS: dict[str, Compress] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    ".lz4": lambda data: pa.compress(data, codec="lz4", asbytes=True),
}
GZIP_LIBRARIES = [".gz by isal", ".gz by zlib"]
NOISE = random.Random(1).randbytes(100_000)
# What the command line tools of zstd and lz4 make of b"abc\n": frames with a checksum.
WITH_CHECKSUM = {
    ".zst": bytes.fromhex("28b52ffd04582100006162630a 2d6e4c82"),
    ".lz4": bytes.fromhex("04224d186440a704000080 6162630a 00000000 6c3e7b08"),
}


@pytest.fixture(params=[*GZIP_LIBRARIES, *(suffix for suffix in CODECS if suffix != ".gz")])
def suffix(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the suffix of a kind of compression, with each library that may read it."""
    found, _, library = request.param.partition(" by ")
    with gzip_read_by(library) if library else nullcontext():
        yield found


@contextmanager
def gzip_read_by(library: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if library == "zlib":
            patch.setitem(sys.modules, "isal", None)
        compression._gzip_decompressor.cache_clear()
        try:
            made = type(compression._gzip_decompressor()()).__name__
            assert made == {"isal": "IgzipDecompressor", "zlib": "Decompress"}[library]
            yield
        finally:
            compression._gzip_decompressor.cache_clear()


def content(path: Path) -> bytes:
    with open_input(str(path)) as file:
        return file.read()


@pytest.mark.parametrize(
    ("input_format", "text"),
    [
        (Lines(), "a\r\nü\n\nlast"),
        (TextBlocks(5), "a\r\nü\n\nlast"),
        (WholeFiles(), "a\r\nü\n\nlast"),
        (JsonLines(), '{"a": 1}\n\n{"a": 2}'),
        (Csv(), '\na,b\n1,"2\n"\n3,4'),
        (Csv(quoted_newlines=False), "a,b\n1,2\n3,4\n"),
        (FixedRecords(3), "abcdefghi"),
    ],
)
def test_every_format_reads_compressed_files_as_if_they_were_not(
    tmp_path: Path, suffix: str, input_format: InputFormat, text: str
) -> None:
    plain, packed = tmp_path / "in.txt", tmp_path / f"in.txt{suffix}"
    plain.write_text(text, newline="")
    packed.write_bytes(CODECS[suffix](text.encode()))
    if isinstance(input_format, WholeFiles):
        assert read(input_format, Split(str(packed))).records == [(str(packed), text)]
        return
    for how in (read, read_batches):
        found = how(in_pieces(input_format, 5), Split(str(packed)))
        assert found == how(input_format, Split(str(plain)))
        assert found.records
    last = len(found.records) - 1
    assert input_format.locate(Split(str(packed)), last) == input_format.locate(
        Split(str(plain)), last
    )


def test_a_compressed_file_is_not_split_and_belongs_to_its_beginning(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"in{suffix.upper()}"
    path.write_bytes(CODECS[suffix](b"abc\n" * 100))
    assert is_compressed(str(path))
    assert not any(each.can_split(str(path)) for each in (Lines(), FixedRecords(3)))
    (tmp_path / "gz").touch()
    assert Lines().can_split(str(tmp_path / "gz"))
    assert Parquet().can_split("in.parquet")
    n = path.stat().st_size // 2
    for input_format, expected in ((Lines(), 100), (FixedRecords(4), 100)):
        head, tail = Split(str(path), 0, n), Split(str(path), n, n)
        assert len(read(input_format, head).records) == expected
        assert read(input_format, tail).records == []


def test_members_one_after_the_other_are_one_text(tmp_path: Path, suffix: str) -> None:
    pack = CODECS[suffix]
    path = tmp_path / f"in{suffix}"
    path.write_bytes(pack(b"ab\nc") + pack(b"") + pack(b"d\n" * 100_000) + pack(NOISE))
    assert content(path) == b"ab\ncd\n" + b"d\n" * 99_999 + NOISE
    path.write_bytes(b"")
    assert content(path) == b""


@pytest.mark.parametrize("suffix", [*GZIP_LIBRARIES, ".xz"], indirect=True)
def test_zeros_after_a_member_are_padding(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    path.write_bytes(CODECS[suffix](b"ab\n") + bytes(300_000) + CODECS[suffix](b"c") + bytes(512))
    assert content(path) == b"ab\nc"


def test_what_is_damaged_or_cut_off_is_an_error_that_names_the_file(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"in{suffix}"
    packed = CODECS[suffix](NOISE)
    for damaged in (
        packed[:-1],
        packed[: len(packed) // 2],
        packed[:3],
        b"no such data",
        packed + b"garbage",
        packed + packed[:-5],
    ):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=r"the \w+ data is damaged or cut off") as error:
            content(path)
        assert error.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as missing:
        open_input(f"/nowhere{suffix}")
    assert (missing.value.strerror, missing.value.filename) == (
        "No such file or directory", f"/nowhere{suffix}"
    )  # fmt: skip


def test_a_flipped_bit_is_noticed_where_there_is_a_checksum(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    packed = bytearray(WITH_CHECKSUM.get(suffix) or CODECS[suffix](b"abc\n"))
    path.write_bytes(packed)
    assert content(path) == b"abc\n"
    packed[packed.index(b"abc") if b"abc" in packed else len(packed) // 2] ^= 1
    path.write_bytes(packed)
    with pytest.raises(OSError, match="damaged"):
        content(path)


PACKED = gzip.compress(b"some text\n" * 9, mtime=1)


@pytest.mark.parametrize("library", ["isal", "zlib"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PACKED[:-1], "it ends too early"),
        (PACKED[:5], "it ends too early"),
        (PACKED[:1], "it ends too early"),
        (PACKED + b"x", "a gzip header is missing"),
        (PACKED + bytes(9) + b"trailing junk", "a gzip header is missing"),
        (b"no such data", "a gzip header is missing"),
        (PACKED[:-8] + b"\1\2\3\4" + PACKED[-4:], "a checksum is wrong"),
        (PACKED[:-4] + b"\0\0\0\1", "a checksum is wrong"),
        (PACKED[:2] + b"\7" + PACKED[3:], "it can't be decompressed"),
        (PACKED[:10] + b"\xff" + PACKED[11:], "it can't be decompressed"),
    ],
)
def test_the_reason_why_gzip_data_is_refused_depends_on_no_library(
    tmp_path: Path, library: str, data: bytes, reason: str
) -> None:
    path = tmp_path / "in.gz"
    path.write_bytes(data)
    with gzip_read_by(library), pytest.raises(OSError, match="gzip") as error:
        content(path)
    assert error.value.strerror == f"the gzip data is damaged or cut off ({reason})"


MEMBERS = st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 9), st.integers(0, 20)))


def gzip_members(members: list[tuple[bytes, int, int]]) -> bytes:
    """Return what `gzip` makes of each text at its level, with so many zeros after it."""
    return b"".join(
        gzip.compress(text * 20, level, mtime=1) + bytes(n_zeros)
        for text, level, n_zeros in members
    )


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_gzip_data_gives_what_the_gzip_module_reads_or_an_error_where_that_has_one(
    tmp_path: Path, library: str
) -> None:
    path = tmp_path / "in.gz"

    @given(MEMBERS, st.integers(0, 40), st.binary(max_size=12), st.integers(1, 600))
    def check(
        members: list[tuple[bytes, int, int]], n_cut: int, junk: bytes, piece_bytes: int
    ) -> None:
        whole = gzip_members(members)
        packed = whole[: max(0, len(whole) - n_cut)] + junk
        path.write_bytes(packed)
        try:
            expected = gzip.decompress(packed)
        except (OSError, EOFError, zlib.error):
            expected = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compression, "_PIECE_BYTES", piece_bytes)
            if expected is None:
                with pytest.raises(OSError, match="the gzip data is damaged or cut off"):
                    content(path)
            else:
                assert content(path) == expected

    with gzip_read_by(library):
        check()


def gzip_member(text: bytes, extra: bytes, name: bytes, comment: bytes, *, check: bool) -> bytes:
    """Return a gzip member whose header has the parts that are not empty (RFC 1952)."""
    flags = 2 * check + 4 * bool(extra) + 8 * bool(name) + 16 * bool(comment)
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\x02\x03"
    if extra:
        header += len(extra).to_bytes(2, "little") + extra
    header += b"".join(part + b"\0" for part in (name, comment) if part)
    if check:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    body = zlib.compressobj(wbits=-15)
    end = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return header + body.compress(text) + body.flush() + end


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_every_gzip_header_may_come_in_pieces(
    tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.gz"
    kinds = list(product((b"", b"extra\0part"), (b"", b"name"), (b"", b"comment"), (False, True)))
    with gzip_read_by(library):
        for extra, name, comment, check in kinds:
            member = gzip_member(b"some text\n", extra, name, comment, check=check)
            path.write_bytes(member * 3)
            assert gzip.decompress(path.read_bytes()) == b"some text\n" * 3
            for piece_bytes in range(1, len(member) * 2):
                monkeypatch.setattr(compression, "_PIECE_BYTES", piece_bytes)
                assert content(path) == b"some text\n" * 3, (extra, name, comment, check)


def test_a_whole_gzip_header_is_known_to_be_whole() -> None:
    for check in (False, True):
        member = gzip_member(b"", b"extra\0part", b"name", b"comment", check=check)
        size_bytes = 10 + 2 + 10 + 5 + 8 + 2 * check
        assert not any(compression._has_whole_header(member[:n]) for n in range(size_bytes))
        assert compression._has_whole_header(member[:size_bytes])


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_no_flipped_bit_of_gzip_data_gives_another_answer(tmp_path: Path, library: str) -> None:
    path = tmp_path / "in.gz"
    expected = NOISE[:40] + b"text " * 100
    packed = gzip.compress(expected, mtime=1)
    n_noticed = 0
    with gzip_read_by(library):
        for place in range(len(packed) * 8):
            damaged = bytearray(packed)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            try:
                assert content(path) == expected
            except OSError:
                n_noticed += 1
    assert n_noticed >= (len(packed) - 10) * 8  # all but some of the header


@pytest.mark.parametrize(("window", "size"), [(0x88, ""), (0x90, "256 MiB"), (0x8A, "160 MiB")])
def test_the_window_of_zstd_data_that_is_too_large_is_named(
    tmp_path: Path, window: int, size: str
) -> None:
    path = tmp_path / "long.zst"
    # A frame with this window descriptor (RFC 8878), of one raw block.
    path.write_bytes(bytes([0x28, 0xB5, 0x2F, 0xFD, 0, window, 0x21, 0, 0]) + b"abc\n")
    if not size:
        assert content(path) == b"abc\n"
        return
    with pytest.raises(
        OSError, match=rf"needs a window of more than 128 MiB \({size}\), .*--long=27"
    ):
        content(path)


def test_a_bomb_is_read_in_bounded_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb{suffix}"
    n = 30_000_000
    path.write_bytes(CODECS[suffix](bytes(n)))
    tracemalloc.start()
    try:
        with open_input(str(path)) as file:
            assert sum(map(len, iter(lambda: file.read(1 << 16), b""))) == n
        assert tracemalloc.get_traced_memory()[1] < 12_000_000  # of which xz needs 8 for itself
    finally:
        tracemalloc.stop()


def test_a_zip_archive_is_read_if_it_holds_one_file(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"abc" * 1000)
    assert is_compressed(str(path))
    assert content(path) == b"abc" * 1000
    data = path.read_bytes()
    at = data.index(b"PK\1\2") + 16  # the checksum that the directory has
    for damaged in (b"", b"PK", data[:-30], data[:at] + b"\0" + data[at + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="zip data is damaged or cut off"):
            content(path)
    encrypted = bytearray(data)
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[data.index(magic) + flags] |= 1
    path.write_bytes(encrypted)
    with pytest.raises(OSError, match=r"can't be read: .*encrypted.*unpack it"):
        content(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"a")
        archive.writestr("b", b"b")
    with pytest.raises(OSError, match="it holds 2 files, of which only one can be read; unpack"):
        content(path)
