"""Makes the code between the protocol's messages and the values of zmr.

A message is described twice: by `proto/zmr.proto`, and by a class of `zmr/messages.py` (for the
journal's records of `zmr/core/journal.py`, for the shuffle of `zmr/shuffle/messages.py`). This
module pairs the two, field by field, and writes modules of converters: a function `write_...` for
each message fills one of protobuf from a value, and `read_...` makes the value and checks it.
`SchemaMismatch` says where the two descriptions differ.

How a field converts follows from its two types:

    proto          Python
    string         str              lone surrogates are replaced on the way out
    bytes          bytes, or str    a str is a path
    an enum        an IntEnum       a number that it doesn't have is refused; `| None`: 0 is None
    a message      a class          `| None`: it may be absent
                   a tuple          its elements are the message's fields, in their order
    repeated       tuple[..., ...]  at most a million elements, unless the field says otherwise
    optional       `| None`, or a default that stands for its absence
    a oneof        a union of the classes of its messages
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from functools import reduce
from operator import or_
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

# Of the outer frames, not of values: the codecs write and check it.
VERSION = "version"

LONGEST_CALL = 88


class SchemaMismatch(Exception):
    """The schema and the Python types differ; the text says where."""


class Hint(NamedTuple):
    """A field's type in Python, taken apart."""

    type: Any  # without Annotated and None
    check: Any = None  # a `zmr.fields.Check`
    is_optional: bool = False

    @classmethod
    def of(cls, annotation: Any) -> Hint:
        """The parts of an annotation."""
        if get_origin(annotation) is Annotated:
            base, check = get_args(annotation)
            return cls.of(base)._replace(check=check)
        if get_origin(annotation) in (Union, UnionType):
            members = [each for each in get_args(annotation) if each is not NoneType]
            if len(members) < len(get_args(annotation)):
                return cls(reduce(or_, members), None, True)
        return cls(annotation)


class Field(NamedTuple):
    """A field of a message: its descriptor, its type and its place in the Python value."""

    descriptor: FieldDescriptor | OneofDescriptor
    hint: Hint
    value: str  # the expression: "v.name", "v[0]"
    default: Any  # `dataclasses.MISSING` if there is none


def snake(name: str) -> str:
    """Return "map_done" for "MapDone"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Converters:
    """The converters of the messages that are reached from some of them, as source text.

    `classes` has the Python type of each message by name, `known` the module of those converters
    that are made already.
    """

    def __init__(self, classes: Mapping[str, Any], known: Mapping[str, str] | None = None) -> None:
        self._classes = classes
        self.known = known or {}
        self.used: set[str] = set()  # of those
        self.functions: dict[str, str] = {}  # by the name of the message
        self.enums: dict[str, type[IntEnum]] = {}

    def add(self, message: Descriptor, kind: Any = None) -> None:
        """Have converters for this message, whose Python type is given or has its name."""
        if message.name in self.known:
            self.used.add(message.name)
        elif message.name not in self.functions:
            kind = kind or self._class(message)
            self.functions[message.name] = ""  # no second time, should it hold itself
            self.functions[message.name] = self._functions(message, kind)

    def _class(self, message: Descriptor) -> Any:
        if message.name not in self._classes:
            raise SchemaMismatch(f"message {message.name} has no Python type")
        return self._classes[message.name]

    def _functions(self, message: Descriptor, kind: Any) -> str:
        fields = list(_fields(message, kind))
        is_tuple = get_origin(kind) is tuple
        name = snake(message.name)
        shown = "Any" if is_tuple else _qualified(kind)
        writes = [line for field in fields for line in self._write(field)] or ["pass"]
        value = _call("" if is_tuple else shown, [self._read(field) for field in fields])
        result = f"return {value}"
        if hasattr(kind, "flaw"):
            result = f"value = {value}\n    return c.sound(value, value.flaw())"
        body = "\n    ".join(writes)
        return (
            f"def write_{name}(p: Any, v: {shown}) -> None:\n    {body}\n\n\n"
            f"def read_{name}(p: Any) -> {shown}:\n    {result}\n"
        )

    # --- a value into a message ---

    def _write(self, field: Field) -> Iterator[str]:
        descriptor, value = field.descriptor, field.value
        target = f"p.{descriptor.name}"
        if isinstance(descriptor, OneofDescriptor):
            yield f"write_{descriptor.name}(p, {value})"
        elif descriptor.is_repeated:
            yield f"if {value}:"
            (element,) = _element(field)
            yield f"    {self._extend(descriptor, Hint.of(element), target, value)}"
        elif descriptor.message_type is not None:
            self.add(descriptor.message_type, field.hint.type)
            indent = ""
            if field.hint.is_optional:
                yield f"if {value} is not None:"
                indent = "    "
            yield f"{indent}{target}.SetInParent()"
            yield f"{indent}write_{snake(descriptor.message_type.name)}({target}, {value})"
        else:
            assignment = f"{target} = {_out(descriptor, field.hint, value)}"
            if condition := _condition(field):
                yield f"if {condition}:"
                yield f"    {assignment}"
            else:
                yield assignment

    def _extend(self, descriptor: FieldDescriptor, element: Hint, target: str, value: str) -> str:
        if descriptor.message_type is not None:
            self.add(descriptor.message_type, element.type)
            return f"c.fill({target}.add, write_{snake(descriptor.message_type.name)}, {value})"
        converted = _out(descriptor, element, "e")
        return (
            f"{target}.extend({value if converted == 'e' else f'[{converted} for e in {value}]'})"
        )

    # --- a message into a value ---

    def _read(self, field: Field) -> str:
        descriptor, hint = field.descriptor, field.hint
        source = f"p.{descriptor.name}"
        if isinstance(descriptor, OneofDescriptor):
            return f"read_{descriptor.name}(p)"
        if descriptor.is_repeated:
            return self._read_several(field, descriptor, source)
        value = self._in(descriptor, hint, source)
        if descriptor.enum_type is not None and hint.is_optional:
            return f"{value} if {source} else None"
        if hint.is_optional or (descriptor.has_presence and descriptor.message_type is None):
            absent = None if hint.is_optional else field.default
            return f'{value} if p.HasField("{descriptor.name}") else {absent}'
        return value

    def _read_several(self, field: Field, descriptor: FieldDescriptor, source: str) -> str:
        check = field.hint.check
        if check is None or check.function == "several":
            limits = "".join(f", {limit}" for limit in check.arguments) if check else ""
            what = ".".join(descriptor.full_name.split(".")[-2:])
            source = f'c.several({source}, "{what}"{limits})'
        elif check.function:
            raise SchemaMismatch(f"{descriptor.full_name}: {check} is no check of several elements")
        (element,) = _element(field)
        value = self._in(descriptor, Hint.of(element), "e")
        if value == "e":
            return f"tuple({source})"
        if alone := re.fullmatch(r"([\w.]+)\(e\)", value):
            return f"tuple(map({alone[1]}, {source}))"
        return f"tuple([{value} for e in {source}])"

    def _in(self, descriptor: FieldDescriptor, hint: Hint, source: str) -> str:
        """The expression for one value of the field, or for one of its elements."""
        if descriptor.message_type is not None:
            self.add(descriptor.message_type, hint.type)
            value = f"read_{snake(descriptor.message_type.name)}({source})"
        elif descriptor.enum_type is not None:
            self.enums[descriptor.enum_type.name] = hint.type
            table = f"_{snake(descriptor.enum_type.name).upper()}"
            what = snake(descriptor.enum_type.name).replace("_", " ")
            value = f'c.member({source}, {table}, "{what}")'
        elif _is_path(descriptor, hint):
            value = f"c.read_path({source})"
        else:
            value = source
        if hint.check is None:
            return value
        arguments = "".join(f", {_literal(each)}" for each in hint.check.arguments)
        return f"c.{hint.check.function}({value}{arguments})"

    # --- oneofs ---

    def oneof(self, oneof: OneofDescriptor, kinds: Iterable[Any], union: str) -> str:
        """The converters of a oneof, whose values are of these classes."""
        by_name = {kind.__name__: kind for kind in kinds}
        messages = [(each, each.message_type) for each in oneof.fields if each.message_type]
        fields = {message.name: each for each, message in messages}
        if by_name.keys() != fields.keys() or len(fields) != len(oneof.fields):
            differing = ", ".join(sorted(by_name.keys() ^ fields.keys()))
            raise SchemaMismatch(f"{oneof.full_name} and {union} differ: {differing}")
        for _, message in messages:
            self.add(message, by_name[message.name])
        writers = "".join(
            f'    {_qualified(by_name[name])}: ("{each.name}", write_{snake(name)}),\n'
            for name, each in fields.items()
        )
        readers = "".join(
            f'    "{each.name}": read_{snake(name)},\n' for name, each in fields.items()
        )
        holder = snake(oneof.containing_type.name).replace("_", " ")
        what = f"a {holder}" if oneof.name == "kind" else f"an {oneof.name}"
        return _ONEOF.format(
            name=oneof.name, table=oneof.name.upper(), union=union, what=what,
            writers=writers, readers=readers,
        )  # fmt: skip


_ONEOF = """\
_WRITE_{table}: dict[type, tuple[str, Callable[[Any, Any], None]]] = {{
{writers}}}

_READ_{table}: dict[str, Callable[[Any], {union}]] = {{
{readers}}}


def write_{name}(p: Any, v: {union}) -> None:
    name, write = _WRITE_{table}[type(v)]
    message = getattr(p, name)
    message.SetInParent()
    write(message, v)


def read_{name}(p: Any) -> {union}:
    name = p.WhichOneof("{name}")
    if name is None:
        raise c.BadFrame("{what} of an unknown kind")
    return _READ_{table}[name](getattr(p, name))
"""


# --- pairing -----------------------------------------------------------------------------------


def _fields(message: Descriptor, kind: Any) -> Iterator[Field]:
    """Yield the fields in the order of the Python type. Raises `SchemaMismatch`."""
    oneofs = {each.name: each for each in message.oneofs if len(each.fields) > 1}
    described: dict[str, FieldDescriptor | OneofDescriptor] = {
        each.name: each
        for each in message.fields
        if each.name != VERSION and (each.containing_oneof is None or not _in_union(each))
    }
    described |= oneofs
    if get_origin(kind) is tuple:
        hints = dict(zip(described, get_args(kind), strict=False))
        if len(hints) != len(described) or len(hints) != len(get_args(kind)):
            raise SchemaMismatch(f"{message.name} has {len(described)} fields, {kind} has not")
        values = {name: f"v[{place}]" for place, name in enumerate(hints)}
        defaults: dict[str, Any] = {}
    else:
        hints = get_type_hints(kind, include_extras=True)
        values = {name: f"v.{name}" for name in hints}
        defaults = _defaults(kind)
        if described.keys() != hints.keys():
            differing = ", ".join(sorted(described.keys() ^ hints.keys()))
            raise SchemaMismatch(
                f"message {message.name} and {_qualified(kind)} differ: {differing}"
            )
    for name, annotation in hints.items():
        hint = Hint.of(annotation)
        field = Field(described[name], hint, values[name], defaults.get(name, dataclasses.MISSING))
        _require_pair(field)
        yield field


def _in_union(field: FieldDescriptor) -> bool:
    return field.containing_oneof is not None and len(field.containing_oneof.fields) > 1


def _defaults(kind: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind):
        return {each.name: each.default for each in dataclasses.fields(kind)}
    return dict(getattr(kind, "_field_defaults", {}))


_PYTHON_TYPES = {
    FieldDescriptor.CPPTYPE_STRING: (str, bytes),
    FieldDescriptor.CPPTYPE_BOOL: (bool,),
    FieldDescriptor.CPPTYPE_DOUBLE: (float,),
    FieldDescriptor.CPPTYPE_FLOAT: (float,),
}


def _require_pair(field: Field) -> None:
    """Raise `SchemaMismatch` unless the two types of the field belong together."""
    descriptor, hint = field.descriptor, field.hint
    if isinstance(descriptor, OneofDescriptor):
        return
    kind = hint.type
    if descriptor.is_repeated:
        (element,) = _element(field)
        kind = Hint.of(element).type
    if descriptor.message_type is not None:
        fits = isinstance(kind, type) or get_origin(kind) is tuple
    elif descriptor.enum_type is not None:
        fits = isinstance(kind, type) and issubclass(kind, IntEnum)
        numbers = {each.number for each in descriptor.enum_type.values if each.number}
        fits = fits and numbers == {int(member) for member in kind}
    else:
        fits = kind in _PYTHON_TYPES.get(descriptor.cpp_type, (int,))
        if descriptor.type == FieldDescriptor.TYPE_STRING:
            fits = kind is str
        # Absent is None, or what the Python type has as a default.
        can_be_absent = hint.is_optional or field.default is not dataclasses.MISSING
        fits = fits and (can_be_absent if descriptor.has_presence else not hint.is_optional)
    if not fits:
        raise SchemaMismatch(f"{descriptor.full_name} does not fit {hint.type}")


_ZEROS = (0, "", b"", (), None)


def _element(field: Field) -> tuple[Any]:
    """The type of the elements. Raises `SchemaMismatch`."""
    arguments = get_args(field.hint.type)
    if get_origin(field.hint.type) is not tuple or arguments[1:] != (...,):
        raise SchemaMismatch(f"{field.descriptor.full_name} is repeated; {field.hint.type} is not")
    return (arguments[0],)


# --- pieces of code ----------------------------------------------------------------------------


def _condition(field: Field) -> str:
    """When the field has to be written: "" is always."""
    if field.hint.is_optional:
        return f"{field.value} is not None"
    if field.default is dataclasses.MISSING:
        return ""
    assert isinstance(field.descriptor, FieldDescriptor)
    if field.descriptor.has_presence:
        return f"{field.value} != {_literal(field.default)}"
    is_zero = field.default in _ZEROS and not isinstance(field.default, float)  # there is a -0.0
    return field.value if is_zero else ""


def _is_path(descriptor: FieldDescriptor, hint: Hint) -> bool:
    return descriptor.type == FieldDescriptor.TYPE_BYTES and hint.type is str


def _out(descriptor: FieldDescriptor, hint: Hint, value: str) -> str:
    if _is_path(descriptor, hint):
        return f"c.path_bytes({value})"
    if descriptor.type == FieldDescriptor.TYPE_STRING:
        return f"c.text({value})"
    return value


def _call(function: str, arguments: list[str]) -> str:
    """A call as the value of a line, or of several if it is long."""
    in_one_line = f"{function}({', '.join(arguments)})"
    if len(in_one_line) <= LONGEST_CALL:
        return in_one_line
    return f"{function}(" + "".join(f"\n        {each}," for each in arguments) + "\n    )"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _qualified(kind: Any) -> str:
    module = {"zmr.messages": "m", "zmr.fields": "m", "zmr.core.journal": "j"}
    module["zmr.shuffle.messages"] = "s"
    return f"{module.get(kind.__module__, kind.__module__)}.{kind.__name__}"


# --- the modules -------------------------------------------------------------------------------


class Sources(NamedTuple):
    """The modules of the schema, of messages, of the journal's records and of the shuffle."""

    pb: ModuleType
    messages: ModuleType
    records: ModuleType
    fetching: ModuleType


_HEAD = '''\
"""{title}

Made from proto/zmr.proto and {types} by `tox -e proto -- --write`. Do not edit.

A function `write_...` fills a message of protobuf (`p`) from a value (`v`); `read_...` makes the
value, or raises `BadFrame` for one that breaks a check.
"""

from __future__ import annotations

{imports}
'''


# What has a module of its own, with all that it holds.
_OF_TASKS = (
    *("TaskResponse", "Heartbeat", "CommitRequest", "MapDone", "ReduceDone", "TaskFailed"),
    "CheckOutputs",
)


def modules(of: Sources) -> dict[str, str]:
    """The paths and the source text of the modules. Raises `SchemaMismatch`."""
    m, j = of.messages, of.records
    messages = of.pb.DESCRIPTOR.message_types_by_name

    tasks = Converters(vars(m))
    for name in _OF_TASKS:
        tasks.add(messages[name])
    known = dict.fromkeys(tasks.functions, "zmr.wire.task_converters")

    # The values of a oneof are converted by functions with the name of the oneof.
    wire = Converters(vars(m), known)
    event = wire.oneof(messages["Published"].oneofs_by_name["event"], get_args(m.Event), "m.Event")
    wire.add(messages["Published"])
    kind = wire.oneof(messages["Message"].oneofs_by_name["kind"], get_args(m.Message), "m.Message")

    known |= dict.fromkeys(wire.functions, "zmr.wire.converters")
    journal = Converters(vars(j), known)
    records = {each for each in get_args(j.Record) if each is not j.Completed}
    record = journal.oneof(
        messages["JournalRecord"].oneofs_by_name["kind"],
        records | {m.MapDone, m.ReduceDone},  # which are what `Completed` holds
        "j.Record | m.MapDone | m.ReduceDone",
    )

    shuffle = Converters(vars(of.fetching), known)
    shuffle.add(messages["FetchRequest"])
    shuffle.add(messages["FetchReply"])

    held = {"Frame", "Message", "Events", "JournalRecord"}  # which hold all others
    held |= known.keys() | journal.functions.keys() | shuffle.functions.keys()
    if left := set(messages) - held:
        raise SchemaMismatch(f"no message holds {', '.join(sorted(left))}")
    return {
        "zmr/wire/task_converters.py": _module(
            tasks, [], "Tasks and their results to protobuf and back.", "zmr/messages.py"
        ),
        "zmr/wire/converters.py": _module(
            wire, [event, kind], "Messages to protobuf and back.", "zmr/messages.py"
        ),
        "zmr/journal/converters.py": _module(
            journal, [record], "The journal's records to protobuf and back.", "zmr/core/journal.py"
        ),
        "zmr/shuffle/converters.py": _module(
            shuffle, [], "The shuffle's messages to protobuf and back.", "zmr/shuffle/messages.py"
        ),
    }


_IMPORTS = {
    "Callable": "from collections.abc import Callable",
    "Any": "from typing import Any\n",
    "m": "from zmr import messages as m",
    "j": "from zmr.core import journal as j",
    "s": "from zmr.shuffle import messages as s",
    "c": "from zmr.wire import checks as c",
}


def _module(converters: Converters, oneofs: list[str], title: str, types: str) -> str:
    tables = "".join(
        f"_{snake(name).upper()} = {{int(member): member for member in {_qualified(kind)}}}\n"
        for name, kind in sorted(converters.enums.items())
    )
    body = "\n\n".join([*converters.functions.values(), *oneofs])
    names = set(re.findall(r"\w+", tables + body))
    imports = [line for name, line in _IMPORTS.items() if name in names]
    for module in sorted({converters.known[name] for name in converters.used}):
        of_it = [name for name in converters.used if converters.known[name] == module]
        used = sorted(f"{way}_{snake(name)}" for way in ("read", "write") for name in of_it)
        listed = "".join(f"    {name},\n" for name in used)
        imports.append(f"from {module} import (\n{listed})")
    head = _HEAD.format(title=title, types=types, imports="\n".join(imports))
    return head + (f"\n{tables}" if tables else "") + f"\n\n{body}"
