"""What zmr costs beside the work itself: tasks that do nothing, starting, many small files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets import Datasets
from benchmarks.engines.zmr import SPLIT_BYTES
from benchmarks.places import CHECKOUT
from benchmarks.work import Goal, Task, Work, at_most, require_counter
from benchmarks.works.wordcount import count_task, require_counts, word_facts

FULL_TASKS = 50_000
FILES = 1000


class NoopTasks(Work):
    """Tasks that read and write nothing, end to end."""

    name = "noop-tasks"
    title = "Tasks that do nothing"
    unit = "tasks"
    full_size_bytes = FULL_TASKS * 10_000
    goals = (
        Goal("tasks/s of zmr", lambda of: of["zmr"].rate, 10_000),
        Goal("rate of zmr / rate of echo", lambda of: of["zmr"].rate / of["echo"].rate, 0.25),
    )

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        n_tasks = min(FULL_TASKS, max(1000, size_bytes // 10_000))
        dataset = datasets.hollow(n_tasks * SPLIT_BYTES)
        return Task(dataset, n_tasks, f"{n_tasks:,} tasks", warm=False)

    def check(self, task: Task, engine: str, output: Path) -> None:
        if engine.startswith("zmr"):
            require_counter(output, "tasks", task.amount)


class StartUp(Work):
    """A job that is nearly nothing, and what the imports alone would take."""

    name = "start-up"
    title = "Word count of five pages"
    full_size_bytes = 1
    unit = ""
    goals = (at_most("zmr", "imports", 2.5),)

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        return count_task(datasets.normalised(CHECKOUT / "input"))

    def check(self, task: Task, engine: str, output: Path) -> None:
        if engine != "imports":
            require_counts(task.dataset, output)


class SmallFiles(Work):
    """The same megabyte as 1,000 files and as one."""

    name = "small-files"
    title = "Word count of 1,000 files of 1 kB"
    full_size_bytes = 1_000_000
    unit = ""
    goals = (at_most("zmr", "zmr-1-file", 2.0),)

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        dataset = datasets.cut_text(FILES, self.full_size_bytes)
        word_facts(dataset.part("one"))
        return Task(dataset, self.full_size_bytes, f"1 MB, {dataset.description}")

    def check(self, task: Task, engine: str, output: Path) -> None:
        require_counts(task.dataset.part("one"), output)
