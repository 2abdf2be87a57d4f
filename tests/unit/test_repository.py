"""What the files around the code promise to each other."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from support import CHECKOUT

PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
README = (CHECKOUT / "README.md").read_text()


DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("**/*.md")])


def anchors(document: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Return the links of a document to files or headings that are not there."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(link)
    return broken


def missing_files(document: str) -> list[str]:
    """Return the files of this repository that a document names and that are not there."""
    named = re.findall(r"`((?:zmr|tests|benchmarks|docs|proto|bin)/[\w/.-]+)`", document)
    return [name for name in named if not (CHECKOUT / name).exists()]


def shell_blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL)


def test_the_readme_begins_with_a_job_in_one_line_and_the_tests_in_one_line() -> None:
    job, tests = shell_blocks()[:2]
    assert job == "bin/setup && .venv/bin/zmr run wordcount input/"
    assert tests == "bin/setup test && .venv/bin/tox"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_of_the_documents_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title, here\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md) [b](other.md#a-title-here) [c](https://nowhere.example)\n")
    assert broken_links(page) == []
    page.write_text("[a](another.md) [b](other.md#a-tale) [c](#here)\n")
    assert broken_links(page) == ["another.md", "other.md#a-tale", "#here"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_files_that_the_documents_name_are_there(path: Path) -> None:
    assert missing_files(path.read_text()) == []


def test_a_missing_file_is_seen() -> None:
    assert missing_files("`zmr/job.py`, `zmr/` and `zmr/core/masters.py`") == [
        "zmr/core/masters.py"
    ]


def test_ci_runs_the_readmes_test_command() -> None:
    assert shell_blocks()[1] in (CHECKOUT / ".ci" / "run").read_text().splitlines()


def test_contributors_get_the_tools_that_tox_has() -> None:
    exact = r"\b(\w+==[\d.]+)"
    named = re.findall(exact, (CHECKOUT / "CONTRIBUTING.md").read_text())
    assert len(named) == 2
    assert set(named) <= set(re.findall(exact, (CHECKOUT / "tox.ini").read_text()))


def test_protobuf_is_at_least_what_the_generated_code_asks_for() -> None:
    generated = (CHECKOUT / "zmr" / "wire" / "zmr_pb2.py").read_text()
    made_with = re.search(r"^# Protobuf Python Version: (\S+)$", generated, flags=re.MULTILINE)
    wanted = [need for need in PYPROJECT["project"]["dependencies"] if "protobuf" in need]
    assert made_with
    assert re.search(r">=([\d.]+)", wanted[0])[1] == made_with[1]  # type: ignore[index]


def test_the_sample_texts_differ_and_are_a_page_each() -> None:
    texts = [(CHECKOUT / "input" / f"file{n}.txt").read_text() for n in range(1, 6)]
    assert all(1_000 <= len(text.encode()) <= 3_000 for text in texts)
    assert all(one.split()[:5] != next_.split()[:5] for one, next_ in pairwise(texts))
    assert any(not text.isascii() for text in texts)
