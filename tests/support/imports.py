"""Who imports whom, read from the sources.

Imports count wherever they stand: in functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PROTOBUFS = {"zmr_pb2.py"}  # made by protobuf, and not to be read


def modules_of(folder: Path) -> dict[str, Path]:
    """The modules within a folder that lies in the checkout, by their dotted names."""
    files = sorted(path for path in folder.rglob("*.py") if path.name not in PROTOBUFS)
    return {module_name(path, folder.parent): path for path in files}


def module_name(path: Path, above: Path) -> str:
    """Return "zmr.core.plan" for zmr/core/plan.py, "zmr.core" for zmr/core/__init__.py."""
    parts = path.relative_to(above).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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


def called(call: ast.Call) -> str:
    """Return "time.sleep" for `time.sleep(1)`; for a call of anything unnamed, ""."""
    parts = []
    node = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def graph(sources: Mapping[str, Path]) -> dict[str, set[str]]:
    """Which of these modules each of them imports."""
    edges: dict[str, set[str]] = {}
    for module, path in sources.items():
        tree = ast.parse(path.read_text())
        is_package = path.name == "__init__.py"
        named = (name for _, name in imports(tree, module, is_package=is_package))
        edges[module] = {found for name in named if (found := _known(name, sources))} - {module}
    return edges


def _known(name: str, sources: Mapping[str, Path]) -> str:
    """The module that a name is or is in; "" if that is none of these."""
    while name and name not in sources:
        name = name.rpartition(".")[0]
    return name


def circle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """A circle of imports, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


class Rooms:
    """The table of rooms, docs/dev/rooms.toml: which may import which."""

    def __init__(self, path: Path) -> None:
        table = tomllib.loads(path.read_text())
        self.ground: frozenset[str] = frozenset(table["ground"])
        self.allowed: dict[str, frozenset[str]] = {
            room: frozenset(row["may_import"]) for room, row in table["rooms"].items()
        }

    def may_import(self, room: str, other: str) -> bool:
        """Whether a module of the room may import one of the other."""
        is_ground = other in self.ground and room not in self.ground
        return room == other or is_ground or other in self.allowed.get(room, ())
