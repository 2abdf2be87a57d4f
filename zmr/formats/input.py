"""One of several inputs of a job."""

from __future__ import annotations

from zmr.formats.base import InputFormat
from zmr.formats.lines import Lines


class Input:
    """One of the inputs of a job that reads several: an attribute of the job's class.

    Parameters:
        format: what a record of this input is.
        map: the name of the method that gets the records; None: `map_` and the input's name.

    Records of the input `orders` go to `map_orders(self, record)`, or in batches to
    `map_batch_orders(self, batch)`; reduce gets the values of all inputs, those of the first
    declared first. `zmr run job.py orders=PATH customers=PATH` says where each is, as does
    `zmr.run(Spent, {"orders": ..., "customers": ...})`. Raises TypeError if `format` is none.

    Example:
        class Spent(zmr.Job):
            customers = zmr.Input(zmr.Csv())
            orders = zmr.Input(zmr.JsonLines())

            def map_customers(self, row):
                yield row["id"], row["name"]

            def map_orders(self, order):
                yield order["customer"], order["total"]

            def reduce(self, customer, values):
                name, *totals = values
                yield name, sum(totals)
    """

    def __init__(self, format: InputFormat | None = None, *, map: str | None = None) -> None:
        self.format = Lines() if format is None else format
        self._map = map
        if not isinstance(self.format, InputFormat):
            raise TypeError(
                f"Input(format) takes an input format such as Csv(), not {format!r:.80}"
            )

    def methods(self, name: str) -> tuple[str, str]:
        """The names of the methods that get its records, one by one and in batches."""
        return self._map or f"map_{name}", f"map_batch_{name}"
