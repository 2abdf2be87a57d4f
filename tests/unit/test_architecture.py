"""Rooms import only what they may, the core is pure, modules stay small: read from the sources."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CHECKOUT
from support.imports import Rooms, called, circle, graph, imports, modules_of, room_of

# All of the standard library that decides nothing by itself and touches nothing.
PURE = {
    "__future__", "abc", "array", "bisect", "collections", "dataclasses", "enum", "functools",
    "heapq", "itertools", "math", "operator", "re", "string", "types", "typing",
}  # fmt: skip
IMPURE_BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"}

PURE_ROOMS = {"core", "errors", "fields", "display", "messages", "pipeline_steps"}
ROOMS = Rooms(CHECKOUT / "docs" / "dev" / "rooms.toml")

LONGEST_MODULE_LINES = 500
LONGEST_FUNCTION_LINES = 60  # a screen
MOST_MODULES_OF_A_ROOM = 28

MODULES = modules_of(CHECKOUT / "zmr")
PLACES = {f"zmr.{room_of(module)}" for module in MODULES}
TESTS = sorted((CHECKOUT / "tests").rglob("*.py"))
# Jobs that tests hand to workers run in slots; that one of them is slow may be what is tested.
SLOW_JOBS = CHECKOUT / "tests" / "jobs"


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Return what `source`, as the module of this dotted name, does against the architecture."""
    tree = ast.parse(source)
    room = room_of(module)
    found = []
    for line, name in imports(tree, module, is_package=is_package):
        if name == "zmr" or name.startswith("zmr."):
            other = room_of(name) if f"zmr.{room_of(name)}" in PLACES else "zmr"
            if room in PURE_ROOMS and other not in PURE_ROOMS:
                found.append(f"line {line}: {room} is pure and may not import {name}")
            elif not ROOMS.may_import(room, other):
                found.append(f"line {line}: {room} may not import {name}")
        elif room in PURE_ROOMS and name.split(".")[0] not in PURE:
            found.append(f"line {line}: {room} is pure and may not import {name}")
    if room in PURE_ROOMS:
        found += [
            f"line {line}: {room} is pure and may not call {name}()"
            for line, name in calls(tree)
            if name in IMPURE_BUILTINS
        ]
    return found


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name, as it is written, of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, called(node)


def sleeps(source: str) -> list[str]:
    """Return the lines that wait for a time and not for an event, by whatever name."""
    tree = ast.parse(source)
    names = {"time.sleep", "asyncio.sleep"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio"):
            names |= {a.asname or a.name for a in node.names if a.name == "sleep"}
        elif isinstance(node, ast.Import):
            names |= {f"{a.asname or a.name}.sleep" for a in node.names if a.name == "time"}
    return [f"line {line}: {name}()" for line, name in calls(tree) if name in names]


def long_functions(source: str) -> list[str]:
    return [
        f"line {node.lineno}: {node.name} has {length} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and (length := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION_LINES
    ]


def can_fail(source: str) -> bool:
    """Return whether a test file asserts anything, or expects an error."""
    tree = ast.parse(source)
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree)) or any(
        name in ("pytest.raises", "pytest.fail") for _, name in calls(tree)
    )


def located(path: Path, found: list[str]) -> list[str]:
    return [f"{path.relative_to(CHECKOUT)}, {each}" for each in found]


def test_rooms_import_only_what_they_may_and_the_core_is_pure() -> None:
    found = []
    for module, path in MODULES.items():
        is_package = path.name == "__init__.py"
        found += located(path, violations(module, path.read_text(), is_package=is_package))
    assert found == []


def test_ray_is_imported_by_its_engine_alone_and_not_before_it_runs() -> None:
    found = set()
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text())
        named = imports(tree, module, is_package=path.name == "__init__.py")
        if any(name.partition(".")[0] == "ray" for _, name in named):
            found.add(module)
        at_once = ast.Module([each for each in tree.body if not isinstance(each, ast.If)], [])
        at_once.body = [e for e in at_once.body if isinstance(e, ast.Import | ast.ImportFrom)]
        named = imports(at_once, module, is_package=path.name == "__init__.py")
        assert all(name.partition(".")[0] != "ray" for _, name in named), module
    assert found == {"zmr.engines.ray", "zmr.engines.ray_tasks"}


def test_the_table_has_every_room_and_no_other() -> None:
    assert ROOMS.allowed.keys() == {room_of(module) for module in MODULES}
    assert ROOMS.ground <= ROOMS.allowed.keys()


def test_the_table_allows_only_what_is_used() -> None:
    used = {(room_of(a), room_of(b)) for a, others in graph(MODULES).items() for b in others}
    allowed = {(room, other) for room, others in ROOMS.allowed.items() for other in others}
    assert allowed - used == set()


def test_the_table_has_no_circle() -> None:
    assert circle(ROOMS.allowed) == []


@pytest.mark.parametrize("folder", ["zmr", "benchmarks", "tests/simulation", "tests/support"])
def test_no_imports_go_in_a_circle(folder: str) -> None:
    assert circle(graph(modules_of(CHECKOUT / folder))) == []


def test_a_circle_is_seen_also_for_type_checking_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from there.b import B"
    )
    (tmp_path / "b.py").write_text("def late():\n    from there import a")
    sources = {"there.a": tmp_path / "a.py", "there.b": tmp_path / "b.py"}
    assert set(circle(graph(sources))) == {"there.a", "there.b"}


def test_no_room_is_crowded() -> None:
    sizes = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert {f.name: n for f, n in sizes.items() if n > MOST_MODULES_OF_A_ROOM} == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zmr.core.plan", "import time"),
        ("zmr.core.plan", "import os.path"),
        ("zmr.core.plan", "from random import Random"),
        ("zmr.core.plan", "def later():\n    import zmq"),
        ("zmr.core.plan", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import random"),
        ("zmr.core.plan", "open('plan.txt')"),
        ("zmr.core.plan", "import zmr.net.reactor"),
        ("zmr.core.plan", "from zmr.module_loader import load"),
        ("zmr.core.plan", "from zmr import Job"),
        ("zmr.core.plan", "from ..wire import codec"),
        ("zmr.core.plan", "from .. import net"),
        ("zmr.errors", "import os"),
        ("zmr.wire.codec", "from zmr.columns import sort"),
        ("zmr.wire", "from .. import net"),
        ("zmr.columns.sort", "from zmr import tasks"),
        ("zmr.columns.sort", "def later():\n    from importlib import import_module\n"
                          "    import_module('zmr.engines.local')"),
        ("zmr.tasks.slot", "from zmr.net.reactor import Reactor"),
        ("zmr.net.agent", "import zmr.cli.run"),
        ("zmr.engines.local", "from ..cli import run"),
    ],
)  # fmt: skip
def test_a_violation_is_seen(module: str, source: str) -> None:
    assert len(violations(module, source, is_package=module == "zmr.wire")) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zmr.core.plan", "from collections.abc import Iterator\nfrom . import tasks"),
        ("zmr.core.plan", "from zmr.errors import ZmrError"),
        ("zmr.wire.codec", "import zlib\nfrom .. import messages\nfrom . import zmr_pb2"),
        ("zmr.columns.sort", "import numpy\nfrom zmr.messages import Split"),
        ("zmr.cli.run", "from zmr.engines import local\nprint(open('x').read())"),
    ],
)
def test_what_is_right_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_modules_and_functions_stay_small() -> None:
    found = []
    for path in (*MODULES.values(), *TESTS):
        source = path.read_text()
        if (length := len(source.splitlines())) > LONGEST_MODULE_LINES:
            found += located(path, [f"{length} lines"])
        found += located(path, long_functions(source))
    assert found == []


def test_a_long_function_is_seen() -> None:
    body = "    x = 1\n" * LONGEST_FUNCTION_LINES
    assert long_functions(f"def f():\n{body}") == ["line 1: f has 61 lines"]


def test_nothing_waits_for_a_time_instead_of_an_event() -> None:
    found = []
    for path in (*MODULES.values(), *TESTS):
        if SLOW_JOBS not in path.parents:
            found += located(path, sleeps(path.read_text()))
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "import time as clock\nclock.sleep(1)",
        "from time import sleep\ndef test(): sleep(0.1)",
        "from time import sleep as nap\nnap(1)",
        "import asyncio\nasync def test(): await asyncio.sleep(1)",
    ],
)
def test_a_sleep_is_seen(source: str) -> None:
    assert len(sleeps(source)) == 1


def test_every_test_file_can_fail() -> None:
    files = [path for path in TESTS if path.name.startswith("test_")]
    assert [path for path in files if not can_fail(path.read_text())] == []
    assert not can_fail("def test_nothing():\n    print('it ran')")
