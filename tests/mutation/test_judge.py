"""What finds a mutant; that nothing counts which fails without it; what the report says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from support import CHECKOUT

from mutation import report
from mutation.judge import STAGES, Finder, Verdict, first_seed, judge
from mutation.mutants import Mutant, all_mutants, mutants
from mutation.survivors import Survivor, entry_of, gone, read
from mutation.workshop import Seen, Workshop

MUTANT, OTHER = mutants("core/x.py", b"def f():\n    a = b and c\n")[:2]
FIRST = first_seed(7, MUTANT)


class Fake:
    """A workshop: what fails with the mutant, what always, and what only once."""

    def __init__(self, wrong: set[str], always: set[str], once: set[str]) -> None:
        self._wrong, self._always, self._once = wrong, always, once
        self._is_mutated = False

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        self._is_mutated = True
        yield
        self._is_mutated = False

    def simulate(self, first: int, n: int) -> Seen | None:
        return self._first([str(seed) for seed in range(first, first + n)])

    def test(self, words: tuple[str, ...]) -> Seen | None:
        left = {word for at, word in enumerate(words) if at and words[at - 1] == "--deselect"}
        tests = [f"{word}/test_a.py" if word in STAGES[0] else word for word in words]
        return self._first([test for test in tests if test not in left])

    def _first(self, names: list[str]) -> Seen | None:
        failing = self._always | self._once | (self._wrong if self._is_mutated else set())
        found = next((name for name in names if name in failing), None)
        if found is None:
            return None
        self._once -= {found}
        return Seen(found, "wrong")


def tried(wrong: set[str], always: set[str] | None = None, once: set[str] | None = None) -> Verdict:
    fake = Fake(wrong, always or set(), once or set())
    return judge(MUTANT, cast(Workshop, fake), 7, 100)


def test_the_first_seed_that_fails_finds_a_mutant() -> None:
    verdict = tried({str(FIRST + 41), str(FIRST + 77)})

    assert verdict.finder is Finder.SIMULATION
    assert verdict.seen == Seen(str(FIRST + 41), "wrong")
    assert verdict.tried == 42


def test_a_seed_that_fails_without_the_mutant_finds_nothing() -> None:
    verdict = tried({str(FIRST + 77)}, always={str(FIRST + 41)})

    assert verdict.finder is Finder.SIMULATION
    assert verdict.tried == 78
    assert verdict.false_alarms == (Seen(str(FIRST + 41), "wrong"),)


def test_tests_find_what_seeds_let_pass() -> None:
    test = f"{STAGES[0][1]}/test_a.py"

    verdict = tried({test})

    assert (verdict.finder, verdict.seen) == (Finder.UNIT, Seen(test, "wrong"))


def test_a_test_that_fails_without_the_mutant_finds_nothing() -> None:
    test = f"{STAGES[0][0]}/test_a.py"

    verdict = tried(set(), always={test})

    assert verdict.finder is Finder.NOTHING
    assert verdict.false_alarms == (Seen(test, "wrong"),)


def test_a_test_that_fails_once_finds_nothing() -> None:
    test = f"{STAGES[0][0]}/test_a.py"

    verdict = tried(set(), once={test})

    assert verdict.finder is Finder.NOTHING
    assert verdict.false_alarms == (Seen(test, "wrong"),)


def test_tests_that_can_not_be_loaded_find_nothing_and_are_tried_no_more() -> None:
    verdict = tried(set(), always={STAGES[1][0]})

    assert verdict.finder is Finder.NOTHING
    assert verdict.false_alarms == (Seen(STAGES[1][0], "wrong"),)


def test_each_mutant_has_seeds_of_its_own() -> None:
    assert first_seed(7, MUTANT) == FIRST
    assert first_seed(7, OTHER) != FIRST
    assert first_seed(8, MUTANT) != FIRST


def test_a_mutant_is_in_a_copy_and_is_found_there(tmp_path: Path) -> None:
    """A master that hears nothing at all: any seed shows it."""
    (mutant,) = (
        each
        for each in all_mutants(CHECKOUT / "zmr")
        if each.function == "Master.handle" and each.before == "self._receive(peer, frame, now)"
    )
    before = (CHECKOUT / "zmr" / mutant.module).read_bytes()

    verdict = judge(mutant, Workshop(CHECKOUT, tmp_path / "copy"), 7, 3)

    assert verdict.finder is Finder.SIMULATION
    assert not verdict.false_alarms
    assert (CHECKOUT / "zmr" / mutant.module).read_bytes() == before
    assert (tmp_path / "copy" / "zmr" / mutant.module).read_bytes() == before


def entry(kind: str = "equivalent", function: str = "f") -> Survivor:
    return Survivor("core/x.py", function, MUTANT.before, MUTANT.after, kind, "it is so")


def test_the_report_counts_and_says_what_is_known(tmp_path: Path) -> None:
    verdicts = [tried({str(FIRST)}), tried({f"{STAGES[0][0]}/test_a.py"}), tried(set())]

    text = report.text(verdicts, [entry()])

    (row,) = (line.split() for line in text.splitlines() if line.startswith("core/x.py"))
    assert row == ["core/x.py", "3", "1", "1", "1"]
    assert "the simulator finds 1 of 3 (33.3%) of all" in text
    assert "2 of 3 (66.7%) of all, 2 of 2 (100.0%) of those that are not equivalent" in text
    assert "equivalent: it is so" in text
    report.write_json(tmp_path / "report.json", verdicts, [entry()], 7)
    rows = json.loads((tmp_path / "report.json").read_text())["mutants"]
    assert [row["found_by"] for row in rows] == ["simulation", "unit tests", "nothing"]
    assert rows[2]["kind"] == "equivalent"


def test_a_run_that_was_cut_short_goes_on_from_its_report(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    verdict = tried({str(FIRST + 41)}, always={str(FIRST)})
    assert report.read_json(file, [MUTANT], 7) == []

    report.write_json(file, [verdict], [], 7)

    assert report.read_json(file, [OTHER, MUTANT], 7) == [verdict]
    assert report.read_json(file, [OTHER], 7) == []
    assert report.read_json(file, [MUTANT], 8) == []


def test_what_is_classified_and_no_mutant_any_more_is_told() -> None:
    entries = [entry(), entry(function="g")]

    assert gone([MUTANT, OTHER], entries) == entries[1:]
    assert entry_of(OTHER, entries) is None


def test_a_survivor_that_is_not_classified_is_named() -> None:
    verdict = tried(set())

    assert not report.unclassified([verdict], [entry()])
    assert report.unclassified([verdict], [entry(function="g")]) == [verdict]
    assert "not classified" in report.text([verdict], [])


def test_the_classified_survivors_have_a_kind_and_a_reason(tmp_path: Path) -> None:
    entries = read()

    words = [(e.module, e.function, e.before, e.after, e.nth) for e in entries]
    assert len(words) == len(set(words))
    bad = tmp_path / "survivors.toml"
    row = {"module": "a", "function": "f", "before": "x", "after": "y", "reason": "because"}
    bad.write_text(
        "[[mutant]]\n" + "".join(f'{k} = "{v}"\n' for k, v in row.items()) + 'kind = "so"\n'
    )
    with pytest.raises(ValueError, match="a kind of equivalent, performance, reporting, hole"):
        read(bad)
