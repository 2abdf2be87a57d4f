"""Values in an order of their own: by value, by what a method gives, and on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.tasks import output_of, run_as_tasks

from zmr import Collect, First, Identity, Job, Range
from zmr.tasks.errors import TaskError


class Sessions(Job):
    """Lines are user, time, page."""

    def sort_values(self, value: tuple[int, str]) -> int:
        return value[0]

    def map(self, line: str) -> Iterator[tuple[Any, tuple[int, str]]]:
        user, time, page = line.split()
        yield self.key(user), (int(time), page)

    def key(self, user: str) -> Any:
        return user

    def reduce(self, user: Any, values: Iterator[tuple[int, str]]) -> Iterator[tuple[Any, Any]]:
        yield user, [page for _, page in values]


class Pairs(Sessions):
    def key(self, user: str) -> Any:
        return user[:1], user


class Firsts(Sessions):
    reduce: Any = First()


class Ranges(Sessions):
    partition = Range(["u3"])
    reduce: Any = Identity()


class Alone(Sessions):
    def key(self, user: str) -> Any:
        return (user,)


class Plain(Job):
    sort_values = True
    reduce = Collect()

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        user, _, page = line.split()
        yield user, page


def lines(n: int, users: int = 5) -> list[tuple[str, int, str]]:
    rng = Random(7)
    return [(f"u{rng.randrange(users)}", rng.randrange(n // 4), f"p{i}") for i in range(n)]


def outcome(job: Job, rows: list[tuple[str, int, str]], folder: Path, **given: Any) -> list[str]:
    text = folder / "in"
    text.write_text("".join(f"{user} {time} {page}\n" for user, time, page in rows))
    run_as_tasks(job, [text], folder / "tasks", given.pop("n_reduce", 2), **given)
    found = output_of(folder / "tasks" / "out")
    return [line for _, data in sorted(found.items()) for line in data.decode().splitlines()]


def in_order(rows: list[tuple[str, int, str]], user: str) -> list[str]:
    return [page for its, _, page in sorted(rows, key=lambda row: row[1]) if its == user]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 16])
@pytest.mark.parametrize("job", [Sessions(), Pairs()])
def test_values_come_by_what_the_method_gives_and_else_as_in_the_input(
    tmp_path: Path, job: Job, memory_bytes: int
) -> None:
    rows = lines(20_000)
    found = outcome(job, rows, tmp_path, memory_bytes=memory_bytes, split_bytes=50_000)
    expected = []
    for user in {user for user, _, _ in rows}:
        pages = ",".join(f'"{page}"' for page in in_order(rows, user))
        key = f'["u","{user}"]' if isinstance(job, Pairs) else user
        expected.append(f"{key}\t[{pages}]")
    assert sorted(found) == sorted(expected)


def test_reducers_for_which_order_means_something_have_it(tmp_path: Path) -> None:
    rows = lines(400)
    users = sorted({user for user, _, _ in rows})
    firsts = [line.split("\t") for line in outcome(Firsts(), rows, tmp_path / "a")]
    assert sorted(user for user, _ in firsts) == users
    for user, value in firsts:
        assert f'"{in_order(rows, user)[0]}"' in value
    ranged = outcome(Ranges(), rows, tmp_path / "b")
    assert [line.partition('"')[2].partition('"')[0] for line in ranged] == [
        page for user in users for page in in_order(rows, user)
    ]
    for line in outcome(Plain(), rows, tmp_path / "c"):
        user, _, pages = line.partition("\t")
        of_user = sorted(page for its, _, page in rows if its == user)
        assert pages == "[" + ",".join(f'"{page}"' for page in of_user) + "]"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()


class ByTimeAndPage(Sessions):
    def sort_values(self, value: tuple[int, str]) -> Any:
        return value[0] // 100, value[1]


def test_values_may_be_sorted_by_tuples_and_keys_be_tuples_of_one(tmp_path: Path) -> None:
    rows = lines(600)
    for line in outcome(ByTimeAndPage(), rows, tmp_path / "a"):
        user, _, pages = line.partition("\t")
        of_user = sorted((time // 100, page) for its, time, page in rows if its == user)
        assert pages == "[" + ",".join(f'"{page}"' for _, page in of_user) + "]"
    found = outcome(Alone(), rows, tmp_path / "b")
    assert sorted(line.partition("\t")[0] for line in found) == [f'["u{n}"]' for n in range(5)]


@pytest.mark.parametrize("bound", [3, ("u", 3)])
def test_bounds_of_another_type_than_the_keys_are_refused(tmp_path: Path, bound: Any) -> None:
    class Wrong(Ranges):
        partition = Range([bound])

    with pytest.raises(TaskError, match=r"a bound of Range\(\), and str"):
        outcome(Wrong(), lines(20), tmp_path / "a")
