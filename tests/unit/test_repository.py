"""What the files around the code promise to each other."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise

from support import CHECKOUT

PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
README = (CHECKOUT / "README.md").read_text()


def shell_blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL)


def test_the_readme_begins_with_a_job_in_one_line_and_the_tests_in_one_line() -> None:
    job, tests = shell_blocks()[:2]
    assert job == "bin/setup && .venv/bin/zmr run wordcount input/"
    assert tests == "bin/setup test && .venv/bin/tox"


def test_ci_runs_the_readmes_test_command() -> None:
    assert shell_blocks()[1] in (CHECKOUT / ".ci" / "run").read_text().splitlines()


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
