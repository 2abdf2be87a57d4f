"""Dependencies point one way, the core is pure, and modules stay small: read from the sources.

Imports count wherever they stand: in functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CHECKOUT

# All of the standard library that decides nothing by itself and touches nothing.
PURE = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "enum", "functools", "heapq",
    "itertools", "math", "operator", "re", "string", "types", "typing",
}  # fmt: skip
IMPURE_BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"}

# A room is a folder or module of zmr. These may use no others ...
ALLOWED = {
    "core": {"core", "errors", "messages", "steps"},
    "errors": {"errors"},
    "fields": {"fields"},
    "messages": {"messages", "errors", "fields"},
    "steps": {"steps", "messages"},
    "wire": {"wire", "errors", "fields", "messages"},
}
# ... and these may use all but some.
FORBIDDEN = {
    "columns": {"net", "tasks", "slots", "cli", "engines"},
    "tasks": {"net", "slots", "cli", "engines"},
    "net": {"cli", "engines"},
    "engines": {"cli"},
}
PURE_ROOMS = {"core", "errors", "fields", "messages", "steps"}

LONGEST_MODULE_LINES = 500
LONGEST_FUNCTION_LINES = 60  # a screen
GENERATED = {"converters.py", "zmr_pb2.py"}

MODULES = sorted(path for path in (CHECKOUT / "zmr").rglob("*.py") if path.name not in GENERATED)
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
            if not may_use(room, room_of(name)):
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


def may_use(room: str, other: str) -> bool:
    if room in ALLOWED:
        return other in ALLOWED[room]
    return other not in FORBIDDEN.get(room, set())


def room_of(module: str) -> str:
    """Return "core" for "zmr.core.plan"; for "zmr" itself "zmr"."""
    return ".".join(module.split(".")[1:2]) or "zmr"


def imports(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield the line and the full dotted name of everything that the module imports."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from zmr import net` imports the module zmr.net: the name decides as well.
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and called(node).split(".")[-1] == "import_module":
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name, as it is written, of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, called(node)


def called(call: ast.Call) -> str:
    """Return "time.sleep" for `time.sleep(1)`; for a call of anything unnamed, ""."""
    parts = []
    node = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


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


def module_name(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def located(path: Path, found: list[str]) -> list[str]:
    return [f"{path.relative_to(CHECKOUT)}, {each}" for each in found]


def test_dependencies_point_one_way_and_the_core_is_pure() -> None:
    found = []
    for path in MODULES:
        is_package = path.name == "__init__.py"
        found += located(
            path, violations(module_name(path), path.read_text(), is_package=is_package)
        )
    assert found == []


def test_the_rooms_that_the_rules_name_are_there() -> None:
    rooms = {room_of(module_name(path)) for path in MODULES}
    assert ALLOWED.keys() | FORBIDDEN.keys() <= rooms


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
    for path in (*MODULES, *TESTS):
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
    for path in (*MODULES, *TESTS):
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
