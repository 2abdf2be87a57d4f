"""A job's parameters: annotated attributes of its class, and the text that users give for them.

    class Grep(Job):
        pattern: str                   # must be given
        ignore_case: bool = False      # may be

A parameter is a str, int, float, bool, re.Pattern, which is a regular expression, or `Secret`; or
one of them `| None`. What a parameter must not be is found when the job is loaded, on the client,
before anything starts.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from zmr.errors import JobError

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


class Secret:
    """A parameter that is written nowhere: not in the manifest, a capsule, the journal or a list of
    processes. What is given for it says where the secret is.

    Parameters:
        place: "env:NAME", a variable of the environment, or "file:PATH".

    It is read where it is used, so on a cluster each worker needs the variable or the file. Raises
    ValueError for any other place, and TypeError for what is no str.

    Example:
        class Upload(zmr.Job):
            token: zmr.Secret                    # zmr run ... -p token=env:API_TOKEN

            def setup(self):
                self.client = Client(self.token.read())
    """

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        kind, _, name = place.partition(":")
        if kind not in ("env", "file") or not name:
            raise ValueError("a secret is given as env:NAME or file:PATH")
        self._place = place

    def read(self) -> str:
        """The secret; of a file, without the line end after it.

        Raises LookupError if there is no such variable, OSError if the file can't be read, and
        UnicodeDecodeError if it is no UTF-8.
        """
        kind, _, name = self._place.partition(":")
        if kind == "env":
            if name not in os.environ:
                raise LookupError(f"the environment of this process has no variable {name}")
            return os.environ[name]
        with open(name, encoding="utf-8", newline="") as file:
            return file.read().removesuffix("\n").removesuffix("\r")

    def __repr__(self) -> str:
        return f"Secret({self._place!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._place == self._place

    def __hash__(self) -> int:
        return hash(self._place)


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as its class declares it. `default` is `REQUIRED` where there is none."""

    name: str
    type: type[Any]
    default: Any

    def __str__(self) -> str:
        text = f"{self.name}: {self.type.__name__}"
        return text if self.default is REQUIRED else f"{text} = {self.default!r}"

    def convert(self, given: object) -> Any:
        """The value for what was given: text from a command line, or a Python value.

        Raises ValueError if it is neither of the type nor text for it.
        """
        if type(given) is self.type:
            return given
        if self.type is float and type(given) is int:
            return float(given)
        if given is None and self.default is None:
            return None
        if not isinstance(given, str):
            raise ValueError(given)
        return _PARSERS.get(self.type, self.type)(given)


def declared(job_class: type, base: type, reserved: Iterable[str]) -> dict[str, Parameter]:
    """The parameters of a job class by name, those of its parent classes first.

    `base` is where the search ends (the class `Job`). Raises `JobError` for a name in `reserved`
    and for a type that can't be a parameter.
    """
    found: dict[str, Parameter] = {}
    for owner in reversed(job_class.__mro__):
        if not issubclass(owner, base) or owner is base:
            continue
        for name, annotation in _annotations(owner).items():
            kind = _evaluate(annotation, owner)
            if name.startswith("_") or kind is ClassVar or get_origin(kind) is ClassVar:
                continue
            value_type = _value_type(kind)
            if name in reserved:
                known = _value_type(_evaluate(_annotations(base).get(name), base))
                if value_type is None or value_type is known:
                    continue  # `input: Lines = Lines()` only repeats what is known
                raise JobError(
                    f"{owner.__name__}.{name}: a parameter can't have this name, "
                    f"which Job itself uses"
                )
            if value_type is None:
                raise JobError(
                    f"{owner.__name__}.{name}: a parameter is a str, int, float, bool, "
                    f"re.Pattern or Secret; begin the name with an underscore, or annotate it as "
                    f"ClassVar, if it is none"
                )
            default = getattr(job_class, name, REQUIRED)
            found[name] = Parameter(name, value_type, default)
    return found


def bind(
    job_name: str, parameters: Mapping[str, Parameter], given: Iterable[tuple[str, object]]
) -> dict[str, Any]:
    """The value of every parameter that was given.

    Raises `JobError` if one is unknown, given twice, not convertible, or missing.
    """
    values: dict[str, Any] = {}
    for name, value in given:
        parameter = parameters.get(name)
        if parameter is None:
            raise JobError(unknown(job_name, name, parameters))
        if name in values:
            raise JobError(f"parameter {name!r} of {job_name} is given twice")
        try:
            values[name] = parameter.convert(value)
        except ValueError as error:
            why = f" ({error.__cause__})" if error.__cause__ is not None else ""
            # What is given for a secret may be the secret.
            but = "" if parameter.type is Secret else f", not {value!r}{why}"
            raise JobError(
                f"parameter {name!r} of {job_name} must be {_NEEDS[parameter.type]}{but}"
            ) from None
    missing = [p for p in parameters.values() if p.default is REQUIRED and p.name not in values]
    if missing:
        need = ", ".join(map(str, missing))
        raise JobError(
            f"{job_name} needs the parameter{'s'[: len(missing) > 1]} {need} "
            f"(give -p {missing[0].name}=VALUE)"
        )
    return values


_NEEDS: dict[type, str] = {
    str: "a str",
    int: "an int (a whole number)",
    float: "a float (a number)",
    bool: "a bool (true or false)",
    re.Pattern: "a regular expression",
    Secret: "env:NAME or file:PATH, where the secret is read",
}


def unknown(job_name: str, name: str, parameters: Mapping[str, Parameter]) -> str:
    """What to say of a parameter that there is not."""
    if not parameters:
        return f"{job_name} has no parameter {name!r}: it takes none"
    from difflib import get_close_matches

    near = get_close_matches(name, parameters, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"{job_name} has no parameter {name!r}{hint}; it has: "
        f"{', '.join(map(str, parameters.values()))}"
    )


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(text)


def _parse_pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(text) from error


_PARSERS: dict[type, Callable[[str], Any]] = {bool: _parse_bool, re.Pattern: _parse_pattern}


def _annotations(owner: type) -> Mapping[str, Any]:
    try:
        return inspect.get_annotations(owner)
    except NameError as error:
        raise JobError(f"an annotation in class {owner.__name__} can't be read: {error}") from None


def _evaluate(annotation: Any, owner: type) -> Any:
    """The annotation's value; annotations are text under `from __future__ import annotations`."""
    if not isinstance(annotation, str):
        return annotation
    scope = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    try:
        return eval(annotation, dict(scope), dict(vars(owner)))
    except Exception:
        return None


def _value_type(kind: Any) -> type | None:
    if get_origin(kind) in (Union, UnionType):
        alternatives = [part for part in get_args(kind) if part is not NoneType]
        kind = alternatives[0] if len(alternatives) == 1 else None
    kind = get_origin(kind) or kind  # re.Pattern[str] is a re.Pattern
    return kind if kind in (str, int, float, bool, re.Pattern, Secret) else None
