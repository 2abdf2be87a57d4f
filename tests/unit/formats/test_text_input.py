"""Text in any encoding and under any name is the same text, and what is no text is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from support.reading import cut, in_pieces, read, read_batches, write_input

from zmr import BadRecord, Csv, InputError, JsonLines, Lines, TextBlocks
from zmr.engines.inputs import list_inputs
from zmr.formats import INVALID_UTF8
from zmr.messages import Split

BOTH = pytest.mark.parametrize("how", [read, read_batches])
EVERYWHERE = range(1, 10_000)
MARKED = ["utf-8-sig", "utf-16", "utf-32"]
FORMATS: list[tuple[Callable[..., Any], str, list[Any]]] = [
    (Lines, "ü\n語\n", ["ü", "語"]),
    (TextBlocks, "ü\n語\n", ["ü\n語\n"]),
    (JsonLines, '{"ü": "語"}\n', [{"ü": "語"}]),
    (Csv, "ü\n語\n", [{"ü": "語"}]),
]
CJK = Path(sysconfig.get_path("stdlib")) / "test" / "cjkencodings"


@BOTH
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", [*MARKED, "utf-16-be with mark", "utf-32-be with mark"])
@pytest.mark.parametrize(("make", "text", "records"), FORMATS)
def test_text_with_a_byte_order_mark_is_read_as_what_it_is(
    path: Path, how: Any, compress: Any, encoding: str, make: Any, text: str, records: list[Any]
) -> None:
    name, _, has_mark = encoding.partition(" with ")
    write_input(path, compress((("\N{BYTE ORDER MARK}" if has_mark else "") + text).encode(name)))
    for splits in ([Split(str(path))], cut(path, EVERYWHERE)):
        found = how(make(), *splits)
        if make is TextBlocks:  # which end where splits do
            found = found._replace(records=["".join(found.records)])
        assert (found.records, found.counters) == (records, {})


@BOTH
@pytest.mark.parametrize(("make", "text", "records"), FORMATS)
def test_text_in_an_encoding_that_is_said_is_read_in_it(
    path: Path, how: Any, make: Any, text: str, records: list[Any]
) -> None:
    for encoding in ("gb18030", "UTF_16_LE", "shift_jisx0213", "utf-7"):
        write_input(path, text.encode(encoding))
        for splits in ([Split(str(path))], cut(path, EVERYWHERE)):
            assert how(make(encoding=encoding), *splits).records == records
    assert make(encoding="utf-8-sig").encoding == "utf-8"
    for nonsense in ("klingon", "hex", ""):
        with pytest.raises(ValueError, match=f"encoding='{nonsense}'"):
            make(encoding=nonsense)


def test_text_in_another_encoding_is_the_same_in_any_pieces(path: Path) -> None:
    @given(st.text(st.sampled_from("a語\n\r\N{GRINNING FACE}")), st.integers(1, 9))
    def check(text: str, piece_bytes: int) -> None:
        write_input(path, text.encode("utf-16"))
        *lines, last = text.split("\n")
        expected = [line.removesuffix("\r") for line in lines] + [last] * bool(last)
        for how in (read, read_batches):
            assert how(in_pieces(Lines(), piece_bytes), *cut(path, EVERYWHERE)).records == expected

    check()


@BOTH
def test_what_is_not_valid_in_its_encoding_is_counted(path: Path, how: Any) -> None:
    for encoding, data, line, n in (
        ("ascii", b"a\xc3\xbcb", "a��b", 2),  # not the ü that it is in UTF-8
        ("utf-8", b"\xff\xfea\0\0\xd8b\0", "a�b", 1),
        ("gbk", b"a\xff", "a�", 1),
        ("utf-16-le", b"\xfd\xff", "�", 0),  # which stands there
    ):
        write_input(path, data)
        found = how(Lines(encoding=encoding), Split(str(path)))
        assert (found.records, found.counters.get(INVALID_UTF8, 0)) == ([line], n)


@pytest.mark.parametrize("text", [True, False])
def test_bytes_are_read_as_they_are(path: Path, text: bool) -> None:
    data = "a\n".encode("utf-16")
    write_input(path, data)
    found = read(Lines(text=text), Split(str(path))).records
    assert found == (["a"] if text else data.split(b"\n"))
    write_input(path, gzip.compress(b"a\n"))
    found = read(Lines(text=text), Split(str(path))).records
    assert found == ["a"] if text else b"".join(found).startswith(b"\x1f\x8b")


@BOTH
def test_a_line_is_located_in_text_of_another_encoding(path: Path, how: Any) -> None:
    write_input(path, '{"a": 1}\n\n{"a": "ü"\n'.encode("utf-16"))
    with pytest.raises(BadRecord, match="line 3: no JSON"):
        how(JsonLines(), Split(str(path)))
    assert JsonLines().locate(Split(str(path)), 1) == "line 3"
    write_input(path, 'a,b\n"1\n",2\n3\n'.encode("utf-16"))
    with pytest.raises(BadRecord, match="line 4: Expected 2 columns"):
        how(Csv(), Split(str(path)))


def zipped(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("folder")
        file.writestr("folder/a.txt", data)
        file.writestr("__MACOSX/folder/._a.txt", b"of a system")
    return archive.getvalue()


COMPRESSED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("zip", zipped),
    ("bzip2", bz2.compress),
    ("xz", lzma.compress),
    ("zstd", lambda data: pa.compress(data, codec="zstd", asbytes=True)),
    ("lz4", lambda data: pa.compress(data, codec="lz4", asbytes=True)),
]


@BOTH
@pytest.mark.parametrize(("kind", "compress"), COMPRESSED)
@pytest.mark.parametrize("text", ["", "a\nb\n"])
def test_compressed_text_under_another_name_is_read(
    path: Path, how: Any, kind: str, compress: Any, text: str
) -> None:
    write_input(path, compress(text.encode()))
    for splits in ([Split(str(path))], cut(path, EVERYWHERE)):
        assert how(Lines(), *splits).records == text.split()
    write_input(path, gzip.compress(compress(text.encode())))
    with pytest.raises(BadRecord, match=f"this is {kind} data within other compressed data"):
        how(Lines(), Split(str(path)))


def other_files(folder: Path) -> dict[str, bytes]:
    """Return files that are no text, by a word for what they are."""
    parquet.write_table(pa.table({"a": [1]}), folder / "parquet")
    return {
        "Parquet": (folder / "parquet").read_bytes(),
        "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "SQLite": b"SQLite format 3\0\x10\0",
        "PDF": b"%PDF-1.7\n%\xc3\xa4\xc3\xbc\n",
        "DVI": b"\xf7\x02\x01\x83\x92\xc0\x1c\x3b\0\0",
        "GIF": b"GIF89a\x01\0\x01\0",
        "Java": b"\xca\xfe\xba\xbe\0\0\0\x37",
    }


@BOTH
@pytest.mark.parametrize("make", [Lines, TextBlocks, JsonLines, Csv])
def test_what_is_no_text_is_named(tmp_path: Path, how: Any, make: Any) -> None:
    path = tmp_path / "in.txt"
    for word, data in other_files(tmp_path).items():
        for stored in (data, gzip.compress(data)):
            write_input(path, stored)
            for splits in ([Split(str(path))], cut(path, [len(stored) // 2])):
                with pytest.raises(BadRecord, match=f"this is an? .*{word}.* and not text"):
                    how(make(), *splits)


@BOTH
def test_text_that_begins_like_another_file_is_text(path: Path, how: Any) -> None:
    for text in (
        "PAR1,b\n1,2\n",
        "% PDF\n",
        "GIF 89a\n",
        "OggS wOF2\n",
        "PK\n",
        "BZh9 is a word\n",
        "PAR1\nPAR1x",
    ):
        assert how(Lines(), write_input(path, text)).records == text.splitlines()


def test_a_large_file_that_is_no_text_is_found_before_anything_starts(tmp_path: Path) -> None:
    for name, data in other_files(tmp_path).items():
        (tmp_path / name).write_bytes(data + b"\0" * (1 << 20) + data[-4:])
    for name, n in (("PNG", 1), ("Parquet", 2)):
        with pytest.raises(InputError, match=f"{name}: this is an? .* and not text") as error:
            list_inputs([str(tmp_path / name)] * n, Lines())
        assert str(error.value).count("this is") == n
    for encoding, large in (("utf-16", False), ("latin-1", False), ("utf-8", True)):
        (tmp_path / "text").write_bytes(("ü" * (1 << 20)).encode(encoding))
        made = Lines(encoding="latin-1") if encoding == "latin-1" else Lines()
        assert list_inputs([str(tmp_path / "text")], made)[0].splittable is large


@pytest.mark.skipif(not CJK.is_dir(), reason="this Python is installed without its tests")
@pytest.mark.parametrize("how", [read, read_batches])
def test_texts_of_pythons_own_tests_are_read_in_their_encodings(how: Any) -> None:
    names = [path.stem for path in CJK.glob("*.txt") if not path.stem.endswith("-utf8")]
    assert len(names) >= 15
    for name in names:
        found = how(Lines(encoding=name), Split(str(CJK / f"{name}.txt")))
        expected = how(Lines(), Split(str(CJK / f"{name}-utf8.txt")))
        assert (found.records, found.counters) == (expected.records, {})
