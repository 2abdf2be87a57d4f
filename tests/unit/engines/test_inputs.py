from __future__ import annotations

import os
from pathlib import Path

import pytest

from zmr import Csv, InputError, Lines, Parquet
from zmr.engines.inputs import list_inputs


def names(base: Path, *paths: Path) -> list[str]:
    return [os.path.relpath(row.path, base) for row in list_inputs(map(str, paths))]


def fill(base: Path, *files: str) -> None:
    for name in files:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_arguments_keep_their_order_and_folders_are_sorted_by_the_bytes_of_paths(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "in/b", "in/a/z", "in/a-b", "in/a.txt", "in/é", "in/Z", "one")
    found = names(tmp_path, tmp_path / "one", tmp_path / "in", tmp_path / "one")
    assert found == ["one", "in/Z", "in/a-b", "in/a.txt", "in/a/z", "in/b", "in/é", "one"]


def test_hidden_files_and_markers_are_no_input_unless_they_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "in/data", "in/.hidden", "in/_SUCCESS", "in/.git/config", "in/_log/0", "in/b/_x")
    assert names(tmp_path, tmp_path / "in") == ["in/data"]
    assert names(tmp_path, tmp_path / "in/_SUCCESS") == ["in/_SUCCESS"]
    assert names(tmp_path, tmp_path / "in/_log") == ["in/_log/0"]
    for pattern, expected in (
        ("in/*", ["in/data"]),
        ("in/**", ["in/data"]),
        ("in/_*", ["in/_log/0"]),
        ("in/**/_*", ["in/_log/0", "in/b/_x"]),
        ("in/_log/*", ["in/_log/0"]),
        ("in/.h*", ["in/.hidden"]),
    ):
        assert names(tmp_path, tmp_path / pattern) == expected
    everything = ["in/.git/config", "in/.hidden", "in/_log/0", "in/b/_x", "in/data"]
    for path in ("in", "in/**"):
        found = list_inputs([str(tmp_path / path)], Lines(), hidden_files=True)
        assert [os.path.relpath(row.path, tmp_path) for row in found] == everything


def test_rows_have_what_planning_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "five").write_text("12345")
    monkeypatch.chdir(tmp_path)
    (row,) = list_inputs(["five"], Lines())
    assert (row.path, row.size_bytes, row.splittable) == (str(tmp_path / "five"), 5, True)


def test_an_empty_folder_has_no_inputs(tmp_path: Path) -> None:
    assert names(tmp_path, tmp_path) == []


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    fill(tmp_path, "in/a", "elsewhere/b")
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path, tmp_path / "in") == ["in/a", "in/linked/b"]
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "in")
    with pytest.raises(InputError, match="leads back"):
        names(tmp_path, tmp_path / "in")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    fill(tmp_path, "good")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/dangling").symlink_to("nowhere")
    paths = [tmp_path / name for name in ("missing", "good", "pipe", "in", "good/below")]
    with pytest.raises(InputError) as error:
        names(tmp_path, *paths)
    assert str(error.value) == (
        f"can't read the inputs {tmp_path}/missing: No such file or directory; "
        f"{tmp_path}/pipe: neither a regular file nor a folder; "
        f"{tmp_path}/in/dangling: No such file or directory; "
        f"{tmp_path}/good/below: Not a directory"
    )


def test_many_problems_are_told_in_few_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"-: only `zmr run` reads standard input; .* is \./-"):
        list_inputs(["-"])
    with pytest.raises(InputError, match="and 90 more") as error:
        names(tmp_path, *(tmp_path / f"missing{i}" for i in range(100)))
    assert len(str(error.value)) < 2500


def test_a_name_that_no_message_can_carry_is_refused(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(InputError, match=r"xff'.*not UTF-8"):
        names(tmp_path, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_found_before_anything_starts(tmp_path: Path) -> None:
    fill(tmp_path, "secret")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(InputError, match="secret: Permission denied"):
        names(tmp_path, tmp_path / "secret")


# --- patterns ---


def test_a_pattern_names_the_files_that_match_in_the_order_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "in/b.txt", "in/a.txt", "in/c.csv", "in/.d.txt", "in/sub/e.txt", "in/_SUCCESS")
    assert names(tmp_path, tmp_path / "in/*.txt") == ["in/a.txt", "in/b.txt"]
    assert names(tmp_path, tmp_path / "in/?.[tc]*") == ["in/a.txt", "in/b.txt", "in/c.csv"]
    assert names(tmp_path, tmp_path / "in/**/*.txt") == ["in/a.txt", "in/b.txt", "in/sub/e.txt"]
    assert names(tmp_path, tmp_path / "in/.*.txt") == ["in/.d.txt"]
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path, Path("in/[!a].txt")) == ["in/b.txt"]


@pytest.mark.parametrize("pattern", ["in/**/*.txt", "in/*/e.txt", "i*/*/*.txt", "in/sub/*.txt"])
def test_a_folder_that_a_pattern_can_not_search_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    fill(tmp_path, "in/a.txt", "in/b/e.txt", "in/sub/e.txt", "in/_own/e.txt")
    closed = str(tmp_path / "in/sub"), str(tmp_path / "in/_own")
    # As for an account that may not; root may search every folder.
    monkeypatch.setattr(os, "access", lambda path, mode: path not in closed)
    with pytest.raises(InputError, match="in/sub: Permission denied") as error:
        names(tmp_path, tmp_path / pattern)
    assert "_own" not in str(error.value)


def test_a_pattern_gives_each_file_once_and_searches_folders(tmp_path: Path) -> None:
    fill(tmp_path, "in/a", "in/sub/b", "in/sub/_SUCCESS", "in/sub/.c")
    everything = ["in/a", "in/sub/b"]
    for pattern in ("in*", "in/*", "in/**", "**/in/**"):
        assert names(tmp_path, tmp_path / pattern) == everything
    assert names(tmp_path, tmp_path / "in/*", tmp_path / "in/a") == [*everything, "in/a"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "[x]/a*", "[x]/ab", "x/ab")
    assert names(tmp_path, tmp_path / "[x]/a*") == ["[x]/a*"]
    assert names(tmp_path, tmp_path / "[x]") == ["[x]/a*", "[x]/ab"]
    monkeypatch.chdir(tmp_path / "[x]")
    assert names(tmp_path, Path("?b")) == ["[x]/ab"]


def test_a_pattern_without_a_match_is_an_error_that_shows_it(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    with pytest.raises(InputError) as error:
        names(tmp_path, tmp_path / "*.csv", tmp_path / "missing", tmp_path / "*.txt")
    assert str(error.value) == (
        f"can't read the inputs {tmp_path}/*.csv: no file matches the pattern; "
        f"{tmp_path}/missing: No such file or directory"
    )


def test_the_format_says_which_files_may_be_split_and_which_hold_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "a.csv", "b.csv.gz", "_metadata", "c.parquet")
    for input_format, expected in [
        (Lines(), {"a.csv", "c.parquet", "_metadata"}),
        (Csv(split=False), set()),
        (Parquet(), {"a.csv", "b.csv.gz", "c.parquet"}),
        (None, set()),
    ]:
        rows = list_inputs([str(tmp_path)], input_format, hidden_files=True)
        assert {os.path.basename(row.path) for row in rows if row.splittable} == expected


def test_what_is_read_twice_or_not_at_all_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").write_text("x")
    a, data, empty = (str(tmp_path / name) for name in ("data/a", "data", "empty"))

    assert len(list_inputs([a, data])) == 3
    assert len(list_inputs([data, data])) == 4
    assert list_inputs([empty]) == ()
    assert len(list_inputs([a, str(tmp_path / "data" / "b")])) == 2

    assert [record.message for record in caplog.records] == [
        f"{a} is named as input more than once, and read as often",
        f"{a} is named as input more than once, and read as often; so are 1 more",
        f"{empty} has no files that are read",
    ]
