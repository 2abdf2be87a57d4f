"""Which columns of a record a job's map looks at, so that the others need not be read.

Seen in the function's bytecode, where each use of the record has to be `record["name"]` or
`record.get("name")`. Of a map that does anything else with the record, nothing is known.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from inspect import getattr_static
from types import FunctionType
from typing import Any

from zmr.formats import InputFormat
from zmr.job import Job, input_of

_FRAME_READERS = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "breakpoint", "_getframe", "currentframe", "f_locals"}
)
_PASSED_OVER = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "PRECALL"})
_CALLS = frozenset({"CALL", "CALL_METHOD"})
_VARARGS = 0x0C  # flags of a function with *args or **kwargs

Instructions = list[dis.Instruction]


def input_of_map(job: Job) -> InputFormat:
    """What the job reads, with those columns alone that its map looks at."""
    records = input_of(job)
    if type(records).only is InputFormat.only:  # most have no columns: each task would look in vain
        return records
    names = None if "map" in vars(job) else used_columns(getattr_static(type(job), "map"))
    return records if names is None else records.only(names)


def used_columns(method: Any) -> frozenset[str] | None:
    """The names by which `method(self, record)` looks into the record; None: it can't be seen.

    A map that looks at the record by the frames of its call, in another way than by these names, is
    not seen to do that.
    """
    if type(method) is not FunctionType:
        return None
    code = method.__code__
    if code.co_argcount != 2 or code.co_flags & _VARARGS:
        return None
    record = code.co_varnames[1]
    is_elsewhere = record in code.co_cellvars or code.co_kwonlyargcount
    if is_elsewhere or not _FRAME_READERS.isdisjoint(code.co_names):
        return None
    instructions = [each for each in dis.get_instructions(code) if each.opname not in _PASSED_OVER]
    names = list(_names(instructions, record))
    return None if None in names else frozenset(name for name in names if name is not None)


def _names(instructions: Instructions, record: str) -> Iterator[str | None]:
    """The name at each use of the record; None for a use of another kind."""
    for at, instruction in enumerate(instructions):
        if "_FAST" not in instruction.opname:  # of no local variable
            continue
        used = instruction.argval
        *before, last = used if isinstance(used, tuple) else (used,)  # some are of two variables
        if last == record and instruction.opname.endswith(("LOAD_FAST", "LOAD_FAST_BORROW")):
            yield _name(instructions[at + 1 : at + 5])
        elif last == record:
            yield None
        if record in before:
            yield None


def _name(following: Instructions) -> str | None:
    targets = [each.is_jump_target for each in following]
    if len(following) < 3 or any(targets[:2]):
        return None
    first, second, third, *_ = following
    if _is_text(first) and _is_subscript(second):
        return str(first.argval)
    if _is_get(first) and _is_text(second) and not any(targets):
        is_call = third.opname in _CALLS and third.arg == 1
        is_constant = third.opname in ("LOAD_CONST", "LOAD_SMALL_INT")
        has_default = is_constant and _is_call_of_two(following)
        return str(second.argval) if is_call or has_default else None
    return None


def _is_call_of_two(following: Instructions) -> bool:
    call = following[-1]
    return len(following) == 4 and call.opname in _CALLS and call.arg == 2


def _is_text(instruction: dis.Instruction) -> bool:
    return instruction.opname == "LOAD_CONST" and type(instruction.argval) is str


def _is_subscript(instruction: dis.Instruction) -> bool:
    is_operator = instruction.opname == "BINARY_OP" and instruction.argrepr == "[]"
    return instruction.opname == "BINARY_SUBSCR" or is_operator


def _is_get(instruction: dis.Instruction) -> bool:
    """Whether this is `.get` of what is called at once."""
    if instruction.argval != "get":
        return False
    is_method = instruction.opname == "LOAD_ATTR" and bool((instruction.arg or 0) & 1)
    return instruction.opname == "LOAD_METHOD" or is_method
