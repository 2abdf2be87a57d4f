"""How a mistake is planted in the cores for a while: see `defects`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defect:
    """A mistake: `function` takes the place of the attribute or item of this name in `owner`."""

    what: str
    owner: Any
    name: Any
    function: Any

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have it for a while."""
        if isinstance(self.owner, dict):
            right = self.owner[self.name]
            self.owner[self.name] = self.function
        else:
            right = self.owner.__dict__[self.name]
            setattr(self.owner, self.name, self.function)
        try:
            yield
        finally:
            if isinstance(self.owner, dict):
                self.owner[self.name] = right
            else:
                setattr(self.owner, self.name, right)


DEFECTS: list[Defect] = []

_Function = Callable[..., Any]


def defect(what: str, owner: Any, name: Any) -> Callable[[_Function], _Function]:
    """Register the function as a defect. A property stays a property."""

    def register(function: _Function) -> _Function:
        right = owner[name] if isinstance(owner, dict) else owner.__dict__[name]
        wrong = property(function) if isinstance(right, property) else function
        DEFECTS.append(Defect(what, owner, name, wrong))
        return function

    return register
