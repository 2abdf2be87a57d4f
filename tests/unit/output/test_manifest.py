"""The manifest: what says that an output is complete, and which files it has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from stat import S_ISDIR

import pytest

import zmr
from zmr import OutputError
from zmr.messages import OutputFile, Stats
from zmr.output.manifest import require_files, success_manifest, write_success
from zmr.output.partition_file import PartitionFile


def test_only_finished_output_is_read_and_in_the_order_of_partitions(tmp_path: Path) -> None:
    files = [OutputFile(f"mr-out-{i}", 0, "") for i in (10, 2)]
    (tmp_path / "mr-out-2").write_text("a␉b\t1\n")
    (tmp_path / "mr-out-10").write_text("c\t2\n")
    with pytest.raises(OutputError, match="no finished output"):
        next(zmr.read_output(tmp_path))
    manifest = success_manifest("j", [("p", "v")], files, (("seen", 3),), Stats(records_in=5))
    write_success(str(tmp_path), manifest)
    assert list(zmr.read_output(tmp_path)) == [("a\tb", "1"), ("c", "2")]
    told = json.loads((tmp_path / "_SUCCESS").read_text())
    assert (told["counters"], told["stats"]["records_in"]) == ({"seen": 3}, 5)


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
    (tmp_path / "_SUCCESS").write_text(json.dumps({"files": [{"name": name}]}))
    with pytest.raises(OutputError, match="names a file that no job writes"):
        next(zmr.read_output(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": 3}', "[" * 100_000, '"\udcff"'])
def test_a_damaged_manifest_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "_SUCCESS").write_text(text, errors="surrogateescape")
    with pytest.raises(OutputError, match="_SUCCESS: it is damaged, or not zmr's"):
        next(zmr.read_output(tmp_path))


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
