"""The manifest: what says that an output is complete, and which files it has."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR

import pytest

import zmr
from zmr import OutputError
from zmr.messages import OutputFile, Stats
from zmr.output.manifest import read_manifest, require_files, success_manifest, write_success
from zmr.output.partition_file import PartitionFile


def test_only_finished_output_is_read_and_in_the_order_of_partitions(tmp_path: Path) -> None:
    sizes_bytes = {10: 4, 2: 8}
    files = [OutputFile(f"mr-out-{i}", size, "") for i, size in sizes_bytes.items()]
    (tmp_path / "mr-out-2").write_text("a␉b\t1\n")
    (tmp_path / "mr-out-10").write_text("c\t2\n")
    with pytest.raises(OutputError, match="no finished output"):
        zmr.read(tmp_path)
    manifest = success_manifest("j", [("p", "v")], files, (("seen", 3),), Stats(records_in=5))
    write_success(str(tmp_path), manifest)
    assert list(zmr.read(tmp_path)) == [("a\tb", "1"), ("c", "2")]
    told = json.loads((tmp_path / "_SUCCESS").read_text())
    assert (told["counters"], told["stats"]["records_in"]) == ({"seen": 3}, 5)


def files_of(*types: tuple[str, str], output: str = "Text") -> list[OutputFile]:
    """Files with these types of keys and values."""
    return [OutputFile(f"mr-out-{n}", 0, "", output, *both) for n, both in enumerate(types)]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([("str", "int"), ("", ""), ("str", "int or None")], ("str", "int or None")),
        ([("int", "float"), ("int", "int")], ("int", "str")),
        ([("(str, int)", "None"), ("(None, int)", "str")], ("(str or None, int)", "str")),
        ([("(str, int)", "date"), ("(str)", "date")], ("str", "date")),
        ([("", "")], ("", "")),
    ],
)
def test_the_types_are_those_of_all_files(
    tmp_path: Path, types: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    for order in (types, types[::-1]):
        write_success(str(tmp_path), success_manifest("j", [], files_of(*order), (), Stats()))
        manifest = read_manifest(tmp_path)
        assert (manifest.key_type, manifest.value_type) == expected


def test_without_types_all_is_text_and_what_is_no_text_is_not_read(tmp_path: Path) -> None:
    typed, older = files_of(("int", "int")), [OutputFile("mr-out-1", 0, "")]
    for name in ("mr-out-0", "mr-out-1"):
        (tmp_path / name).write_text("1\t2\n")
    for files in (older, typed + older):
        files = [replace(file, size_bytes=4) for file in files]
        write_success(str(tmp_path), success_manifest("j", [], files, (), Stats()))
        assert list(zmr.read(tmp_path)) == [("1", "2")] * len(files)
    for output in ("Raw", "PairsOutput", "Text2"):
        files = files_of(("", ""), output=output)
        write_success(str(tmp_path), success_manifest("j", [], files, (), Stats()))
        for read in (list, zmr.Result.to_arrow):
            with pytest.raises(OutputError, match=f"holds what {output} writes"):
                read(zmr.read(tmp_path))
        assert zmr.read(tmp_path).files == [str(tmp_path / "mr-out-0")]


@pytest.mark.parametrize(
    ("value_type", "line", "message"),
    [
        ("int", "a\tb", "line 2 is no str with int, as _SUCCESS says"),
        ("bool", "a\tnull", "line 2 is no str with bool"),
        ("(int)", 'a\t["1"]', "line 2 is no str with"),
        ("(int)", "a\t[1,2]", "line 2 is no str with"),
        ("date", "a\t2020-02-30", "line 2 is no str with date"),
        ("Decimal", "a\tx", "line 2 is no str with Decimal"),
        ("", "a\tb", ""),
    ],
)
def test_what_does_not_fit_its_manifest_is_told(
    tmp_path: Path, value_type: str, line: str, message: str
) -> None:
    good = {"int": "1", "bool": "true", "(int)": "[1]", "date": "2020-01-01", "Decimal": "0.1"}
    text = f"a\t{good.get(value_type, '')}\n{line}\n"
    (tmp_path / "mr-out-0").write_text(text)
    n_bytes = len(text) if value_type else 1
    files = [replace(files_of(("str", value_type))[0], size_bytes=n_bytes)]
    write_success(str(tmp_path), success_manifest("j", [], files, (), Stats()))
    message = message if value_type else f"was changed: it has {len(text)} bytes, not 1"
    with pytest.raises(OutputError, match=message):
        list(zmr.read(tmp_path))


def test_a_type_that_is_not_known_is_text_and_figures_that_are_none_are_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "mr-out-0").write_text("1\t[1]\n")
    files = [replace(files_of(("complex", "(int, list)"))[0], size_bytes=6)]
    manifest = success_manifest("j", [], files, (), Stats())
    manifest |= {"counters": 3, "stats": dict.fromkeys(Stats._fields, "many")}
    write_success(str(tmp_path), manifest)
    result = zmr.read(tmp_path)
    assert list(result) == [("1", "[1]")]
    assert (result.counters, result.stats) == ({}, Stats())
    os.unlink(tmp_path / "mr-out-0")
    with pytest.raises(OutputError, match=r"can't read .*mr-out-0: No such file"):
        list(result)


def test_a_link_of_somebody_else_is_not_written_through(tmp_path: Path) -> None:
    # Given a link in the place where the manifest is made
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    output = tmp_path / "out"
    output.mkdir()
    (output / "_SUCCESS.part").symlink_to(precious)
    write_success(str(output), success_manifest("j", [], [], (), Stats()))
    assert precious.read_text() == "as it was"
    assert json.loads((output / "_SUCCESS").read_text())["job"] == "j"
    assert not (output / "_SUCCESS").is_symlink()


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../other", "..", "", ".hidden", "a/b", "mr\0out", 3, None, [], "mr\nout"],
)
def test_a_manifest_names_only_files_of_its_folder(tmp_path: Path, name: object) -> None:
    file = {"name": name, "size_bytes": 0, "checksum": ""}
    (tmp_path / "_SUCCESS").write_text(json.dumps({"files": [file]}))
    with pytest.raises(OutputError, match="names a file that no job writes"):
        zmr.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": 3}', "[" * 100_000, '"\udcff"'])
def test_a_damaged_manifest_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "_SUCCESS").write_text(text, errors="surrogateescape")
    with pytest.raises(OutputError, match="_SUCCESS: it is damaged, or not zmr's"):
        zmr.read(tmp_path)


def test_an_output_is_complete_only_with_all_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "mr-out-0").write_bytes(b"12345")
    require_files(str(tmp_path), [OutputFile("mr-out-0", 5, "")])
    with pytest.raises(OutputError, match=r"changed .*: mr-out-0: 5 bytes, not 6"):
        require_files(str(tmp_path), [OutputFile("mr-out-0", 6, "")])
    with pytest.raises(OutputError, match=r"changed .*: mr-out-1: No such file or directory"):
        require_files(str(tmp_path), [OutputFile("mr-out-1", 5, "")])


def test_what_can_not_be_declared_complete_leaves_no_rest(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS" / "taken").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_success(str(tmp_path), {"files": []})
    assert os.listdir(tmp_path) == ["_SUCCESS"]


def test_the_names_of_all_files_are_on_the_disk_before_the_output_is_declared_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []  # what the folder had each time

    def sync(descriptor: int) -> None:
        if S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(sorted(name for name in os.listdir(tmp_path) if name[0] != "."))

    monkeypatch.setattr(os, "fsync", sync)
    for number in range(3):
        file = PartitionFile(str(tmp_path), "j1", f"mr-out-{number}", 1)
        file.finish()
        file.publish()
    write_success(str(tmp_path), {"files": []})
    names = ["mr-out-0", "mr-out-1", "mr-out-2"]
    assert synced == [names, ["_SUCCESS", *names]]
