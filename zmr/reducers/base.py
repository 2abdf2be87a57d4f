"""What a reducer is. `zmr.reducers` describes what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.columns.groups import GroupedColumn

Pairs = Iterable[tuple[Any, Any]]


class Identity:
    """What came from map is put out as it is, sorted by key."""

    def __repr__(self) -> str:
        return "Identity()"


class Reducer(ABC):
    """How the values of one key become one value, in any grouping."""

    takes_columns = False
    """Whether `fold_column` and `merge_column` do anything."""

    has_small_states = False
    """Whether a state stays small, however many values it stands for, and `sys.getsizeof` gives its
    size. Then values are folded as map yields them; otherwise they are sorted first."""

    adds_numbers = False
    """Whether whole numbers among floats may as well be those floats that are equal to them."""

    keeps_values = True
    """Whether a state may be one of the values, or hold some of them."""

    @abstractmethod
    def initial(self) -> Any:
        """The state of no values."""

    @abstractmethod
    def accumulate(self, state: Any, value: Any) -> Any:
        """`state` with one more value of the job's map."""

    @abstractmethod
    def merge(self, state: Any, partial: Any) -> Any:
        """`state` with all the values behind `partial`, which come after its own."""

    def partial(self, state: Any) -> Any:
        """The state as it travels from map to reduce: small, and made of plain types."""
        return state

    def result(self, state: Any) -> Any:
        """The value that the job puts out for the state."""
        return state

    @abstractmethod
    def sequential(self, values: Iterable[Any]) -> Any:
        """What the reducer means, for a key with these values, in the simplest words.

        The inline engine uses this and nothing else of a reducer, as the measure of the rest.
        """

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        """Accumulate (key, value) pairs into the states by key. Keys stay in order of arrival."""
        for key, value in pairs:
            state = states[key] if key in states else self.initial()
            states[key] = self.accumulate(state, value)

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        """The partial of each group of values; None if these values need Python.

        The values of mixed columns come type by type, so this needs to care for none of those.
        """
        return None

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        """The partial of each group of partials; None if these partials need Python."""
        return None

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        """The result for each partial; None if these partials need Python."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
