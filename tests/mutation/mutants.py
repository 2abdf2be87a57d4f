"""All mutants of a module, each with a name that stays the same when lines move.

A mutant is one mistake (`operators`) in one statement. Left out is what no test should look at:
text for people and what logs it, annotations, assertions, the functions `validate`, which are
checks themselves, and constants of a module or a class from 10 on, of which one more is as good.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .operators import Edit, Source, edits

# The rooms whose modules have mutants, and those of their modules that have none: generated code
# and checks that only tests call.
ROOMS = ("core", "wire")
_NOT_MUTATED = re.compile(r".*(_pb2|converters)\.py|core/invariants\.py")

_NOT_MUTATED_FUNCTIONS = {"validate", "__str__", "__repr__", "log", "_log", "mermaid"}
_LOGGING = {"log", "_log"}
_COUNTED_ONLY = "ignored"  # messages that had no effect, for people who look for a mistake
_TYPES_ONLY = (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr, ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake in one module."""

    module: str  # below zmr/: "core/master.py"
    function: str  # its qualified name; empty: the module itself
    line: int
    before: str  # the statement; of a compound one, its head
    after: str
    nth: int  # among those with the same words in this function
    edit: Edit

    @property
    def id(self) -> str:
        """A short name, which depends on all but the place in the file."""
        words = "\0".join((self.module, self.function, self.before, self.after, str(self.nth)))
        return hashlib.sha256(words.encode()).hexdigest()[:8]

    def apply(self, source: bytes) -> bytes:
        """The module with the mistake."""
        return source[: self.edit.start] + self.edit.new + source[self.edit.end :]

    def diff(self, source: bytes) -> str:
        """What it changes in the file."""
        name = f"zmr/{self.module}"
        old, new = (text.decode().splitlines(True) for text in (source, self.apply(source)))
        return "".join(difflib.unified_diff(old, new, name, name, n=2))


def modules(zmr: Path) -> list[str]:
    """The modules that have mutants, of the package in this folder."""
    paths = (path for room in ROOMS for path in (zmr / room).glob("*.py"))
    names = sorted(path.relative_to(zmr).as_posix() for path in paths)
    return [name for name in names if not _NOT_MUTATED.fullmatch(name)]


def all_mutants(zmr: Path) -> list[Mutant]:
    """Those of all modules, in the order of the code."""
    return [mutant for name in modules(zmr) for mutant in mutants(name, (zmr / name).read_bytes())]


def draw(mutants: list[Mutant], seed: int, n: int) -> list[Mutant]:
    """So many different ones of them: a function of the seed and of the code."""
    return random.Random(seed).sample(mutants, min(n, len(mutants)))


def mutants(module: str, source: bytes) -> list[Mutant]:
    """All that this source has, in its order."""
    found = list(_Walk(Source(source)).found(ast.parse(source)))
    found.sort(key=lambda each: (each[0].start, each[0].end, each[0].new))
    seen: Counter[tuple[str, ...]] = Counter()
    made = []
    for edit, function, (start, end) in found:
        before = _words(source[start:end])
        changed = source[start : edit.start] + edit.new + source[edit.end : end]
        key = function, before, _words(changed)
        seen[key] += 1
        line = source.count(b"\n", 0, edit.start) + 1
        if before != key[2]:
            made.append(Mutant(module, function, line, before, key[2], seen[key], edit))
    return made


def _words(statement: bytes) -> str:
    """The statement on one line, without comments."""
    lines = (re.sub(r"\s+#.*", "", line) for line in statement.decode().splitlines())
    return " ".join(" ".join(lines).split())


_Found = tuple[Edit, str, tuple[int, int]]  # with its function, and where its statement is


class _Walk:
    """Through a tree, down to all nodes that may be wrong."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names: list[str] = []
        self._is_in_function = False

    def found(self, tree: ast.Module) -> Iterator[_Found]:
        yield from self._body(tree.body)

    def _body(self, body: Iterable[ast.stmt]) -> Iterator[_Found]:
        for statement in body:
            yield from self._statement(statement)

    def _statement(self, node: ast.stmt | ast.match_case) -> Iterator[_Found]:
        if isinstance(node, _TYPES_ONLY) or _is_docstring(node) or _is_logging(node):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.name not in _NOT_MUTATED_FUNCTIONS:
                outside = self._is_in_function
                self._is_in_function |= isinstance(node, ast.FunctionDef)
                self._names.append(node.name)
                yield from self._head_and_bodies(node)
                self._names.pop()
                self._is_in_function = outside
        elif not _is_of_slots(node):
            yield from self._head_and_bodies(node)

    def _head_and_bodies(self, node: ast.stmt | ast.match_case) -> Iterator[_Found]:
        head = list(_head(node))
        bodies = [child for child in ast.iter_child_nodes(node) if _has_statements(child)]
        span = self._span(node, head, is_simple=not bodies)
        is_first = self._names[-1:] == ["__init__"]  # without it, no object works
        for edit in edits(node, self._source):
            if not (is_first and edit.operator == "statement dropped"):
                yield edit, ".".join(self._names), span
        for expression in head:
            yield from self._expression(expression, span)
        for child in bodies:
            if isinstance(child, ast.ExceptHandler):
                yield from self._body(child.body)
            else:
                assert isinstance(child, ast.stmt | ast.match_case)
                yield from self._statement(child)

    def _span(
        self, node: ast.stmt | ast.match_case, head: list[ast.AST], is_simple: bool
    ) -> tuple[int, int]:
        """Where the statement is; of a compound one, its head."""
        first = node.pattern if isinstance(node, ast.match_case) else node
        if is_simple:
            return self._source.start(first), self._source.end(node)
        ends = [self._source.end(each) for each in head if hasattr(each, "end_lineno")]
        start = self._source.start(first)
        return start, max([start, *ends])

    def _expression(self, node: ast.AST, span: tuple[int, int]) -> Iterator[_Found]:
        if isinstance(node, _TYPES_ONLY):
            return
        if self._is_in_function or not _is_amount(node):
            for edit in edits(node, self._source):
                yield edit, ".".join(self._names), span
        for child in ast.iter_child_nodes(node):
            yield from self._expression(child, span)


def _has_statements(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt | ast.match_case | ast.ExceptHandler)


def _head(node: ast.stmt | ast.match_case) -> Iterator[ast.AST]:
    """The expressions of the statement itself, but no annotations and decorators."""
    match node:
        case ast.FunctionDef():
            yield from node.args.defaults
            yield from (each for each in node.args.kw_defaults if each is not None)
        case ast.ClassDef():
            return
        case ast.AnnAssign():
            yield from (each for each in (node.value,) if each is not None)
        case ast.match_case():
            yield from (each for each in (node.guard,) if each is not None)
        case _:
            for child in ast.iter_child_nodes(node):
                if not _has_statements(child):
                    yield child


def _is_amount(node: ast.AST) -> bool:
    """A limit or a pace: one more or less of it is as good."""
    match node:
        case ast.Constant(value=bool()):
            return False
        case ast.Constant(value=int() | float() as value):
            return isinstance(value, float) or value >= 10
    return False


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_logging(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))):
            return name in _LOGGING
        case ast.AugAssign(target=ast.Subscript(value=ast.Attribute(attr=name))):
            return name == _COUNTED_ONLY
    return False


def _is_of_slots(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id="__slots__")]):
            return True
    return False
