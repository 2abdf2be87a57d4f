"""What editors and `help` show of zmr: public names, what a job is made of, with its shape."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import jedi
import pytest
from support import CHECKOUT

import zmr
from zmr import Job

PACKAGE = Path(inspect.getfile(zmr)).parent
JOB = """\
from zmr import Job


class Mine(Job):
    pattern: str

    def map(self, line):
        self.
"""


def completions(source: str) -> set[str]:
    """Return what jedi proposes at the last full stop of the source."""
    project = jedi.Project(PACKAGE.parent, sys_path=[str(PACKAGE.parent), *sys.path])
    before = source[: source.rindex(".") + 1]
    found = jedi.Script(source, project=project).complete(
        before.count("\n") + 1, len(before) - before.rfind("\n") - 1
    )
    return {completion.name for completion in found}


def imports_for_type_checkers() -> list[tuple[str, str]]:
    """Return (module, name) of what `zmr/__init__.py` imports where types are checked."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return [
        (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
        if alias.asname == alias.name  # only these are seen from outside
    ]


def attributes_with_docstrings(source: str) -> set[str]:
    """Return the names that the class `Job` of this source defines and explains."""
    [job] = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Job"
    ]
    found = {
        node.name
        for node in job.body
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)
    }
    for node, below in zip(job.body, job.body[1:], strict=False):
        is_docstring = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_docstring:
            found.add(node.target.id)
    return found


def public_attributes() -> list[str]:
    return [name for name in vars(Job) if not name.startswith("_")]


def test_an_editor_completes_the_public_names() -> None:
    assert completions("import zmr\nzmr.") >= set(dir(zmr))


def test_an_editor_completes_what_a_job_has() -> None:
    found = completions(JOB)
    assert found >= {*public_attributes(), "pattern"}
    assert "nothing" not in found


def test_type_checkers_and_programs_get_the_same_public_names() -> None:
    imported = imports_for_type_checkers()
    assert sorted(name for _, name in imported) == dir(zmr)
    for module, name in imported:
        assert getattr(zmr, name) is getattr(import_module(module), name)


def test_every_public_attribute_of_a_job_is_explained_where_it_is_defined() -> None:
    source = inspect.getsource(inspect.getmodule(Job))  # type: ignore[arg-type]
    assert set(public_attributes()) <= attributes_with_docstrings(source)
    assert "setup" not in attributes_with_docstrings("class Job:\n    def setup(self): pass\n")


@pytest.mark.parametrize("name", [*public_attributes(), "pattern"])
def test_help_explains_what_a_job_is_made_of(name: str) -> None:
    explained = inspect.getdoc(Job)
    assert explained is not None
    assert any(line.strip().startswith(name) for line in explained.splitlines())


@pytest.mark.parametrize(
    "shape",
    [
        "map(self, record)",
        "map_batch(self, batch)",
        "reduce(self, key, values)",
        "combine(self, key, values)",
        "partition(self, key, n)",
        "setup(self)",
        "count(name, n=1)",
    ],
)
def test_help_gives_the_shape_of_each_method(shape: str) -> None:
    assert shape in (inspect.getdoc(Job) or "")


EXAMPLES = [
    path for path in sorted((CHECKOUT / "examples").glob("*.py")) if "self." in path.read_text()
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_what_the_examples_call_is_completed(path: Path) -> None:
    source = path.read_text()
    of_job = [found for found in re.finditer(r"\bself\.(\w+)", source) if hasattr(Job, found[1])]
    for found in of_job:
        assert found[1] in completions(source[: found.start(1)])
