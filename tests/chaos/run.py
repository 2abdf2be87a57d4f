"""One chaos from its beginning to its verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

from support.cluster import reserved_port
from support.process import Command, Zmr

from .accidents import Accidents
from .machines import Machines, pause, until
from .work import N_REDUCE, Job, jobs

# So many accidents happen to one round of jobs at most; then it has to end.
_MOST_ACCIDENTS = 12
_LONGEST_PEACE_S = 1.0
_LONGEST_CALM_S = 90.0
_SETTLED_AFTER_S = 10.0

_OPTIONS = ("-r", str(N_REDUCE), "--max-attempts", "1000", "--task-timeout", "4")


class Chaos:
    """Runs jobs in `folder`, which has to be there, under accidents. Every one is told of.

    `n_lines` is how long each of the input files is: files of the output are as large, by default,
    that their first chunk goes past the page cache (`zmr.output.durable_file`). `processes`
    makes what starts the processes.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        tell: Callable[[str], None],
        n_lines: int = 8000,
        processes: Callable[[Path], Zmr] = Zmr,
    ) -> None:
        self._folder = folder
        self._rng = Random(seed)
        self._tell = tell
        self._began = monotonic()
        self._n_lines = n_lines
        self._processes = processes
        self._cancelled: list[Path] = []  # the output folders of cancelled jobs
        self.rounds = 0
        self._accidents: Accidents | None = None

    def run(self, duration_s: float) -> None:
        """Raises AssertionError if anything is wrong; then what was written is in `logs`."""
        zmr = self._processes(self._folder)
        with reserved_port() as port:
            machines = Machines(zmr, port)
            accidents = self._accidents = Accidents(machines, self._rng, self._say)
            try:
                self._prepare(machines)
                self._run(machines, accidents, duration_s)
                machines.stop()
                machines.check_nothing_is_left()
                complete = [str(out) for out in self._cancelled if (out / "_SUCCESS").exists()]
                assert not complete, f"complete, although cancelled: {complete}"
            except BaseException:
                self._keep(zmr.commands)
                raise
            finally:
                try:
                    zmr.close()
                finally:
                    machines.unmount()

    def summary(self) -> str:
        """What there was."""
        happened = self._accidents.happened if self._accidents is not None else {}
        counts = ", ".join(f"{what} {times}" for what, times in sorted(happened.items()))
        return f"{self.rounds} rounds of jobs; {counts or 'no accidents'}"

    def _prepare(self, machines: Machines) -> None:
        self._jobs = jobs(self._folder / "input", self._rng, self._n_lines)
        machines.start_master()
        machines.add_seat()
        machines.add_seat("--no-direct-read")
        machines.add_seat("--no-direct-read")
        machines.add_seat(is_small=True)
        if not machines.seats[-1].is_small:
            self._say("no disk is filled: to mount a small one takes root")
        for seat in machines.seats:
            machines.start_worker(seat)

    def _run(self, machines: Machines, accidents: Accidents, duration_s: float) -> None:
        self._round(machines, accidents, 0)
        while monotonic() < self._began + duration_s or not accidents.happened:
            self._round(machines, accidents, self._rng.randint(1, _MOST_ACCIDENTS))
        self._round(machines, accidents, 0)
        before = machines.descriptors()
        for _ in range(2):
            self._round(machines, accidents, 0)
        after: dict[int, int] = {}

        def is_as_before() -> bool:
            nonlocal after
            after = machines.descriptors()
            return after.keys() == before.keys() and all(after[p] <= before[p] for p in after)

        assert until(is_as_before, _SETTLED_AFTER_S), f"open files: {before}, later {after}"

    def _round(self, machines: Machines, accidents: Accidents, most: int) -> None:
        """Some jobs, and so many accidents at most."""
        self.rounds += 1
        running: list[tuple[Job, Path, Command]] = []
        for job in self._rng.sample(self._jobs, self._rng.randint(1, len(self._jobs))):
            out = self._folder / f"out-{self.rounds}-{job.name}"
            command = machines.cluster.submit(job.name, job.input, "-o", out, *_OPTIONS)
            running.append((job, out, command))
        accidents.submits = [command for _, _, command in running]
        for _ in range(most):
            pause(self._rng.random() ** 2 * _LONGEST_PEACE_S)
            if not any(command.running for _, _, command in running):
                break
            accidents.happen()
        accidents.end()
        cancelled = []
        for job, out, command in running:
            if self._is_cancelled(command, accidents, machines):
                self._cancelled.append(out)
                cancelled.append(job.name)
            else:
                job.check(out)
        done = [job.name for job, _, _ in running if job.name not in cancelled]
        self._say(f"round {self.rounds}: right: {done}, cancelled: {cancelled}")

    def _is_cancelled(self, submit: Command, accidents: Accidents, machines: Machines) -> bool:
        """Wait for the end of a job. Whether it was cancelled; otherwise it is done."""
        status = submit.wait(_LONGEST_CALM_S)
        cancel = accidents.cancels.get(submit.stdout.strip())
        if cancel is not None:
            answer = cancel.wait(_LONGEST_CALM_S)
            is_too_late = answer == 1 and "already" in cancel.stderr
            assert answer == 0 or is_too_late, str(cancel)
            if status == 1 and " cancelled: " in submit.stderr:
                return True
        assert status == 0, f"{submit}\nmaster: {machines.master}"
        return False

    def _say(self, text: str) -> None:
        self._tell(f"{monotonic() - self._began:8.2f} {text}")

    def _keep(self, commands: list[Command]) -> None:
        """Write down what the processes have said."""
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        for number, command in enumerate(commands):
            name = next((word for word in command.args if word in _COMMANDS), "other")
            (logs / f"{number:03}-{name}-{command.pid}.log").write_text(str(command))


_COMMANDS = ("master", "worker", "submit")
