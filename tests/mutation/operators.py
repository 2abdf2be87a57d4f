"""What can be written wrongly in a piece of code: for a node of the syntax tree, its mistakes.

A mistake is a piece of the source, as byte offsets, and what stands there instead. Nothing here
changes text that people read: strings are as they were. Arguments are not swapped: nearly always
they are of two types, and the type checker sees it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Edit(NamedTuple):
    """A mistake: these bytes of the source are replaced."""

    operator: str  # the kind of mistake
    start: int
    end: int
    new: bytes


class Source:
    """The bytes of a module, and where the nodes of its tree are in them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._line_starts = [0]
        for line in data.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def start(self, node: ast.AST) -> int:
        """Where the node begins."""
        return self._line_starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined, no-any-return]

    def end(self, node: ast.AST) -> int:
        """Where it is over."""
        return self._line_starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined, no-any-return]

    def text(self, node: ast.AST) -> bytes:
        """What is written there, without parentheses around it."""
        return self.data[self.start(node) : self.end(node)]


# What each comparison may be taken for: the other side of the boundary, and the contrary.
_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}

_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}

_OTHER_FUNCTION = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OTHER_METHOD = {
    "append": "appendleft",
    "appendleft": "append",
    "extendleft": "extend",
    "popleft": "pop",
}

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript)


def edits(node: ast.AST, source: Source) -> Iterator[Edit]:
    """The mistakes that this node itself can have; not those of the nodes in it."""
    match node:
        case ast.stmt():
            yield from _statements(node, source)
        case ast.Compare():
            yield from _comparisons(node, source)
        case ast.BoolOp():
            yield from _connectives(node, source)
        case ast.UnaryOp(op=ast.Not()):
            new = _in_parentheses(node.operand, source)
            yield Edit("not", source.start(node), source.end(node), new)
        case ast.Constant():
            yield from _constants(node, source)
        case ast.BinOp():
            if not any(_is_text(each) or _is_type(each) for each in (node.left, node.right)):
                yield from _arithmetic(node.left, node.op, node.right, source)
        case ast.Call():
            yield from _calls(node, source)
    yield from _conditions(node, source)


def _comparisons(node: ast.Compare, source: Source) -> Iterator[Edit]:
    for (left, right), op in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
        token, others = _COMPARISONS[type(op)]
        start, end = _token(token, source.end(left), source.start(right), source)
        for other in others:
            yield Edit("comparison", start, end, other.encode())


def _connectives(node: ast.BoolOp, source: Source) -> Iterator[Edit]:
    """Another connective; one condition less."""
    token, other = ("and", b"or") if isinstance(node.op, ast.And) else ("or", b"and")
    for left, right in pairwise(node.values):
        start, end = _token(token, source.end(left), source.start(right), source)
        yield Edit("connective", start, end, other)
    for dropped in node.values:
        kept = [value for value in node.values if value is not dropped]
        text = f" {token} ".encode().join(_in_parentheses(value, source) for value in kept)
        yield Edit("condition dropped", source.start(node), source.end(node), text)


def _conditions(node: ast.AST, source: Source) -> Iterator[Edit]:
    """Whatever it says is taken for true, or for false."""
    tests: list[ast.expr] = []
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            tests = [node.test]
        case ast.comprehension():
            tests = node.ifs
        case ast.match_case(guard=ast.expr() as guard):
            tests = [guard]
    for test in tests:
        if not isinstance(node, ast.While):  # it would run for ever
            yield Edit("condition", source.start(test), source.end(test), b"True")
        yield Edit("condition", source.start(test), source.end(test), b"False")


def _constants(node: ast.Constant, source: Source) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        yield Edit("constant", source.start(node), source.end(node), str(not value).encode())
    elif isinstance(value, int | float):
        for other in (value + 1, value - 1):
            text = f"({other})" if other < 0 else str(other)
            yield Edit("constant", source.start(node), source.end(node), text.encode())


def _arithmetic(
    left: ast.expr, op: ast.operator, right: ast.expr, source: Source, sign: str = ""
) -> Iterator[Edit]:
    if type(op) in _ARITHMETIC:
        token, other = _ARITHMETIC[type(op)]
        found = _token(re.escape(token + sign), source.end(left), source.start(right), source)
        yield Edit("arithmetic", *found, (other + sign).encode())


def _calls(node: ast.Call, source: Source) -> Iterator[Edit]:
    """Another function."""
    function = node.func
    if isinstance(function, ast.Name) and function.id in _OTHER_FUNCTION:
        other = _OTHER_FUNCTION[function.id].encode()
        yield Edit("function", source.start(function), source.end(function), other)
    if isinstance(function, ast.Attribute) and function.attr in _OTHER_METHOD:
        # A list has no other end to append at.
        if function.attr == "append" and b"queue" not in source.text(function.value):
            return
        end = source.end(function)
        other = _OTHER_METHOD[function.attr].encode()
        yield Edit("function", end - len(function.attr), end, other)


def _statements(node: ast.stmt, source: Source) -> Iterator[Edit]:
    """A statement that is missing; another result; another step in a loop."""
    start, end = source.start(node), source.end(node)
    match node:
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            is_bool = isinstance(value, ast.Compare | ast.BoolOp | ast.UnaryOp)
            for other in (b"True", b"False") if is_bool else (b"None",):
                yield Edit("result", source.start(value), source.end(value), other)
        case ast.AugAssign():
            yield Edit("statement dropped", start, end, b"pass")
            if not _is_text(node.value):
                yield from _arithmetic(node.target, node.op, node.value, source, "=")
        case ast.Assign(targets=targets):
            # Without the first assignment to a plain name nothing works, which is no hard case.
            if not all(_is_plain(each) for each in targets):
                yield Edit("statement dropped", start, end, b"pass")
        case ast.Expr(value=ast.Yield() | ast.Await()):
            pass
        case ast.Expr() | ast.Raise() | ast.Delete() | ast.Return():
            yield Edit("statement dropped", start, end, b"pass")
        case ast.Continue():
            yield Edit("statement dropped", start, end, b"pass")
            yield Edit("loop", start, end, b"break")
        case ast.Break():
            yield Edit("loop", start, end, b"continue")


def _in_parentheses(node: ast.expr, source: Source) -> bytes:
    text = source.text(node)
    return text if isinstance(node, _ATOMS) else b"(" + text + b")"


def _is_plain(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return all(map(_is_plain, target.elts))
    return isinstance(target, ast.Name)


def _is_text(node: ast.expr) -> bool:
    is_string = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return is_string or isinstance(node, ast.JoinedStr)


def _is_type(node: ast.expr) -> bool:
    """Whether it is a class or a union of some, by its name."""
    if isinstance(node, ast.BinOp):
        return _is_type(node.left) and _is_type(node.right)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name[:1].isupper() and not name.isupper()


def _token(token: str, start: int, end: int, source: Source) -> tuple[int, int]:
    """Where the token is between two operands; parentheses and comments may be there, too."""
    pattern = rf"\b{token}\b" if token[0].isalpha() else token
    between = re.sub(rb"#[^\n]*", lambda found: b" " * len(found[0]), source.data[start:end])
    found = re.search(pattern.encode(), between)
    assert found is not None, f"no {token} at {start}"
    return start + found.start(), start + found.end()
