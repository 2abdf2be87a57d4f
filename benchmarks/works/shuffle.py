"""Moving map outputs to a reducer, beside the fastest that ZeroMQ moves anything."""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets import Datasets
from benchmarks.engines.zmr import SPLIT_BYTES
from benchmarks.sizes import show_size
from benchmarks.work import Task, Work, faster, require_counter


class Shuffle(Work):
    """Blocks of 256 KiB that don't compress, encrypted over loopback TCP."""

    name = "shuffle"
    title = "Encrypted shuffle over loopback TCP"
    full_size_bytes = 4_000_000_000
    goals = (faster("fetch", "stream", 0.65),)

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        n_splits = max(2, size_bytes // SPLIT_BYTES)
        dataset = datasets.hollow(n_splits * SPLIT_BYTES)
        amount = n_splits * SPLIT_BYTES
        return Task(dataset, amount, f"{show_size(amount)}, random bytes", warm=False)

    def check(self, task: Task, engine: str, output: Path) -> None:
        if engine.startswith("zmr"):
            require_counter(output, "bytes", task.amount)
