"""Each kind of mistake is made as it says, and keeps its name; a draw follows from its seed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support import CHECKOUT

from mutation.mutants import Mutant, all_mutants, draw, modules, mutants

ZMR = CHECKOUT / "zmr"


def changes(source: str) -> set[str]:
    """What the statements of a function become."""
    body = "".join(f"    {line}\n" for line in source.splitlines())
    return {each.after for each in mutants("core/x.py", f"def f():\n{body}".encode())}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.x = b < c", {"a.x = b <= c", "a.x = b >= c", "pass"}),
        ("a.x = b >= c", {"a.x = b > c", "a.x = b < c", "pass"}),
        ("a.x = b is not c", {"a.x = b is c", "pass"}),
        ("a.x = b not in c", {"a.x = b in c", "pass"}),
        ("a = b == c", {"a = b != c"}),
        ("a = b in c == d", {"a = b not in c == d", "a = b in c != d"}),
        ("a = b and c", {"a = b or c", "a = b", "a = c"}),
        ("a = (b or c) and d", {
            "a = (b and c) and d", "a = (b) and d", "a = (c) and d",
            "a = (b or c) or d", "a = (b or c)", "a = d",
        }),
        ("a = not b", {"a = b"}),
        ("a = not (b or c)", {
            "a = (b or c)", "a = not (b and c)", "a = not (b)", "a = not (c)",
        }),
        ("if a:\n    f", {"if True", "if False", "pass"}),
        ("while a:\n    f", {"while False", "pass"}),
        ("a = b if c else d", {"a = b if True else d", "a = b if False else d"}),
        ("a = [b for b in c if d]", {
            "a = [b for b in c if True]", "a = [b for b in c if False]",
        }),
        ("a = 3", {"a = 4", "a = 2"}),
        ("a = 0", {"a = 1", "a = (-1)"}),
        ("a = 0.5", {"a = 1.5", "a = (-0.5)"}),
        ("a = f(b, c=True)", {"a = f(b, c=False)"}),
        ("a = b + c", {"a = b - c"}),
        ("a = b // c", {"a = b * c"}),
        ("a = b | c", {"a = b & c"}),
        ("a = b + 'text'", set()),
        ("a = isinstance(b, int | m.Task | Cancel)", set()),
        ("a = Task | m.Cancel | Ack", set()),
        ("a = b | LIMIT", {"a = b & LIMIT"}),
        ("a += b", {"a -= b", "pass"}),
        ("a = min(b, c)", {"a = max(b, c)"}),
        ("a = any(b)", {"a = all(b)"}),
        ("a.queue.append(b)", {"a.queue.appendleft(b)", "pass"}),
        ("a.rows.append(b)", {"pass"}),
        ("a = b.popleft()", {"a = b.pop()"}),
        ("return a", {"return None"}),
        ("return a == b", {"return a != b", "return True", "return False"}),
        ("return", {"pass"}),
        ("return None", {"pass"}),
        ("return False", {"pass", "return True"}),
        ("raise E", {"pass"}),
        ("del a[b]", {"pass"}),
        ("f(b)", {"pass"}),
        ("for a in b:\n    continue", {"pass", "break"}),
        ("for a in b:\n    break", {"continue"}),
        ("match a:\n    case b if c:\n        f", {"b if True", "b if False", "pass"}),
    ],
)  # fmt: skip
def test_a_mistake_is_what_it_says(source: str, expected: set[str]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Words > 3 about it."""',
        "import a",
        "assert a > 3",
        'self._log(3, f"{a + b}")',
        'self._outbox.log(level, "3" if a > b else "4")',
        'self.ignored["of a past epoch"] += 1',
        'a = f"{b + 1} of {c - 1}"',
        "a: Literal[3] = b",
        "def validate():\n    a.x = 3",
        "def g(a: b | c) -> b | c:\n    x = y",
    ],
)
def test_text_types_and_checks_are_as_they_were(source: str) -> None:
    assert not changes(source)


def test_an_amount_is_as_it_was_but_not_a_small_number_or_one_of_a_function() -> None:
    source = b"LIMIT = 1000\nWAIT_S = 0.5\nTIMES = 2\nIS_ON = True\nclass Level:\n    HIGH = 30\n"

    found = {each.after for each in mutants("core/x.py", source)}

    assert found == {"TIMES = 3", "TIMES = 1", "IS_ON = False"}
    assert changes("n = 30") == {"n = 31", "n = 29"}


CLASS = b'''"""A module."""


class Thing:
    def act(self):
        if self.a and self.b:  # both
            self.n += 1
            self.n += 1
'''


def test_a_mutant_is_known_by_its_words_wherever_they_stand() -> None:
    here = mutants("core/x.py", CLASS)
    below = mutants("core/x.py", CLASS.replace(b"class", b"N = ''\n\n\nclass"))

    assert [each.id for each in here] == [each.id for each in below]
    assert [each.line + 3 for each in here] == [each.line for each in below]
    assert len({each.id for each in here}) == len(here)
    twice = [each.nth for each in here if each.after == "self.n -= 1"]
    assert twice == [1, 2]
    assert {each.function for each in here} == {"Thing.act"}
    assert here[0].before == "if self.a and self.b"


def test_the_diff_of_a_mutant_is_its_line() -> None:
    (mutant,) = [
        each for each in mutants("core/x.py", CLASS) if each.after == "if self.a or self.b"
    ]

    lines = mutant.diff(CLASS).splitlines()

    assert "-        if self.a and self.b:  # both" in lines
    assert "+        if self.a or self.b:  # both" in lines
    assert sum(line[0] in "+-" for line in lines) == 4  # with those of the file's name


@pytest.fixture(scope="module")
def of_zmr() -> list[Mutant]:
    return all_mutants(ZMR)


def test_a_draw_follows_from_its_seed(of_zmr: list[Mutant]) -> None:
    drawn = draw(of_zmr, 7, 50)

    assert drawn == draw(all_mutants(ZMR), 7, 50)
    assert drawn != draw(of_zmr, 8, 50)
    assert len({each.id for each in drawn}) == 50
    assert sorted(draw(of_zmr, 7, 10**6), key=of_zmr.index)[:99] == of_zmr[:99]


def test_every_mutant_has_a_name_of_its_own_and_is_python(of_zmr: list[Mutant]) -> None:
    assert len({each.id for each in of_zmr}) == len(of_zmr)
    for mutant in draw(of_zmr, 1, 60):
        ast.parse(mutant.apply((ZMR / mutant.module).read_bytes()))


def test_generated_code_and_checks_have_no_mutants() -> None:
    names = modules(ZMR)

    assert "core/master.py" in names
    assert "wire/codec.py" in names
    generated = {"wire/converters.py", "wire/task_converters.py", "wire/zmr_pb2.py"}
    assert not {*generated, "core/invariants.py"} & set(names)
    assert all(Path(ZMR, name).is_file() for name in (*names, *generated))
