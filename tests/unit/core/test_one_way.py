"""There is one way in which a fact of the journal comes about, live and after a restart.

A record is applied by one method of `Cluster`; the turn that decides it gets there by `commit`, and
a restart by `apply`. The first half of this file goes through a run and its replay and looks at all
kinds of records. The second half reads the sources: nothing but the owners of the state changes it,
so no policy has a way of its own. Each check is shown to fail for a second way.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from support.story import Cluster as Story
from support.story import Work

from zmr import messages as m
from zmr.core import cluster as owner
from zmr.core.journal import JobForgotten, Record
from zmr.core.master import Master
from zmr.messages import TaskKind

CORE = Path(owner.__file__).parent
KINDS: tuple[type, ...] = get_args(Record)


# --- a run, and its replay ---------------------------------------------------------------------


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """All records that a method of the cluster applies from now on."""
    applied: list[Record] = []

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def apply(self: Any, record: Any, now: float) -> Any:
            applied.append(record)
            return method(self, record, now)

        return apply

    for kind, method in tuple(owner._APPLY.items()):
        monkeypatch.setitem(owner._APPLY, kind, watched(method))
    return applied


def eventful() -> Story:
    """A run with records of all kinds."""
    story = Story(workers=3, journal=True)
    story.plan(Work(fails="ValueError"), TaskKind.MAP, index=1, times=1)
    lost = story.submit(maps=4, reduces=3)
    story.run(lambda: len(story.attempts("succeeded", TaskKind.MAP)) == 4)
    story.workers["w1"].crash()
    story.run(lambda: lost in story.outcomes)
    steps = (m.Step("First", (), 1), m.Step("Second", (), 1))
    pipeline = story.submit(1, 1, steps=steps, ask=True)
    story.run(lambda: pipeline in story.outcomes)
    story.workers["w2"].interrupt()
    story.run_for(10.0)
    return story


def test_every_kind_of_record_has_one_method_of_its_own() -> None:
    assert owner._APPLY.keys() == set(KINDS)
    assert len(set(owner._APPLY.values())) == len(KINDS)


def test_a_run_and_its_replay_go_through_the_same_methods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zmr.core.phases._ENDED_JOBS_KEPT", 1)
    applied = watch(monkeypatch)
    story = eventful()
    # All that a method made true in the run was written, in this order, and the other way round.
    assert applied == story.records
    assert {type(record) for record in applied} == set(KINDS)

    applied.clear()
    Master(1000, story.settings).restore(story.records, story.now)
    assert applied[: len(story.records)] == story.records


def test_a_second_way_of_the_live_turn_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmr.core.phases._ENDED_JOBS_KEPT", 1)
    applied = watch(monkeypatch)
    right = owner.Cluster.commit

    def commit(self: owner.Cluster, record: Record, now: float) -> Any:
        if not isinstance(record, JobForgotten):
            return right(self, record, now)
        self._record(record)
        self.ended.remove(record.job_id)  # as the method does, but not by it
        del self.jobs[record.job_id]
        return ()

    monkeypatch.setattr(owner.Cluster, "commit", commit)
    story = eventful()
    missing = Counter(map(type, story.records)) - Counter(map(type, applied))
    assert missing == {JobForgotten: 1}


# --- the sources -------------------------------------------------------------------------------

# These have a part of the state each. All others in the core of the master decide.
OWNERS = ("cluster", "jobs", "tasks", "pace", "workers", "scheduler", "output_checks")
# Not of the master; or without state.
APART = ("worker", "slots", "slot_exit", "states", "__init__")
POLICIES = sorted(p for p in CORE.glob("*.py") if p.stem not in (*OWNERS, *APART))

# What changes a list, a dict, a set or a deque.
CHANGES = (
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("popleft", "remove", "setdefault", "update"),
)
# These change what only they themselves look at: what was computed before, and what is to be looked
# at next.
CACHES = ("_summarize", "_all_sources", "task_message", "next_idle", "next_grant")
# What a policy may call by such a name: itself, the cluster, and other policies.
DECIDING = ("self", "cluster", "outbox", "phases", "life")


def functions(names: tuple[str, ...]) -> Iterator[ast.FunctionDef]:
    for name in names:
        for node in ast.walk(ast.parse((CORE / f"{name}.py").read_text())):
            if isinstance(node, ast.FunctionDef):
                yield node


def called(node: ast.AST) -> str:
    """The name of the method that is called here, or nothing."""
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return node.func.attr if is_method else ""  # type: ignore[attr-defined]


def receiver(node: Any) -> ast.expr:
    """What the called method is of; for `a.b[c].d(e).f()` it is `a.b`."""
    return base(node.func.value)


def base(at: ast.expr) -> ast.expr:
    """What this is a part of, or was got from by a method: for `a.b[c].d(e)[f]` it is `a.b`."""
    while True:
        match at:
            case ast.Call(ast.Attribute(value)) | ast.Subscript(value):
                at = value
            case _:
                return at


def targets(node: ast.AST) -> list[ast.expr]:
    """What is assigned to, or deleted, here."""
    match node:
        case ast.Assign(nodes) | ast.Delete(nodes):
            return [each for n in nodes for each in getattr(n, "elts", [n])]
        case ast.AugAssign(target) | ast.AnnAssign(target):
            return [target]
    return []


def mutators() -> set[str]:
    """The names of all methods of the parts of the cluster that change it."""
    parts = tuple(name for name in OWNERS if name != "cluster")
    methods = [f for f in functions(parts) if f.name not in (*CACHES, "__init__")]
    found: set[str] = set()
    while True:
        more = {
            method.name
            for method in methods
            for node in ast.walk(method)
            if called(node) in found
            or (called(node) in CHANGES and not isinstance(receiver(node), ast.Name))
            or any(isinstance(t, ast.Attribute | ast.Subscript) for t in targets(node))
        }
        if more <= found:
            return found
        found |= more


def is_own(node: ast.expr) -> bool:
    """Whether this is an attribute of `self`, or a local variable."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self"
    return isinstance(node, ast.Name)


def may_change(node: ast.expr) -> bool:
    """Whether this is a policy, the cluster, or the table of a machine."""
    if isinstance(node, ast.Name):
        return node.id in DECIDING or node.id.isupper()
    return is_own(node)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def second_ways(source: str) -> list[str]:
    """What in this source of a policy changes the cluster, but by a public method of it."""
    changing = mutators()
    kinds = {kind.__name__ for kind in KINDS}
    found = []
    for node in ast.walk(ast.parse(source)):
        for target in targets(node):
            at = base(target)
            counts = isinstance(at, ast.Attribute) and at.attr == "ignored"
            if not (is_own(at) or counts):
                found.append(ast.unparse(target))
        name = called(node)
        is_change = name in CHANGES and not is_own(receiver(node))
        if is_change or (name in changing and not may_change(receiver(node))):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node):
            found.append(ast.unparse(node))
        if isinstance(node, ast.MatchClass) and ast.unparse(node.cls) in kinds:
            found.append(f"case {ast.unparse(node.cls)}")
    return found


def test_there_are_policies_to_look_at() -> None:
    assert {"attempts", "membership", "phases", "restore"} <= {path.stem for path in POLICIES}
    assert {"move", "hand_out", "count_failure", "update", "forgets"} <= mutators()


@pytest.mark.parametrize("path", POLICIES, ids=[path.stem for path in POLICIES])
def test_a_policy_changes_nothing_by_itself(path: Path) -> None:
    ways = second_ways(path.read_text())
    if path.stem == "journal":  # says what a record is about
        ways = [way for way in ways if not way.startswith("case ")]
    assert ways == []


@pytest.mark.parametrize(
    "second_way",
    [
        "job.move('start')",
        "attempt.state = LOST",
        "worker.credit = 1",
        "worker.attempts.clear()",
        "task.count_failure(peer, False)",
        "self._cluster.active.pop(job.id)",
        "self._cluster.jobs[job.id] = job",
        "del self._cluster.queued[job.id]",
        "self._cluster.running += 1",
        "self._cluster.scheduler.update(worker)",
        "self._cluster.workers.lose(worker)",
        "job.maps.complete(attempt, done, None, now)",
        "worker.health.failed(task, now)",
        "self._cluster._complete(record, now)",
        "cluster._APPLY[Completed](cluster, record, now)",
        "match record:\n    case HandedOut(): pass",
    ],
)
def test_a_second_way_is_found(second_way: str) -> None:
    assert second_ways(second_way)


def test_the_methods_of_records_are_named_nowhere_else() -> None:
    names = [method.__name__ for method in owner._APPLY.values()]
    tree = ast.parse((CORE / "cluster.py").read_text())
    used = Counter(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    assert {name: used[name] for name in names} == dict.fromkeys(names, 1)
