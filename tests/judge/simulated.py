"""Histories of simulated clusters. They are read off the network and the events, from outside."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulation import world as world_module
from simulation.client_draws import ClientsDraw
from simulation.draw import Scenario, draw
from simulation.drawn_network import DrawnNetwork
from simulation.machines import master as master_machine
from simulation.machines import worker as worker_machine
from simulation.machines.network import MASTER
from simulation.machines.trace import Trace
from simulation.planting import Defect
from simulation.run import Failure
from simulation.witness.witness import Witness
from simulation.world import World

from judge.history import History, partition
from zmr import messages as m
from zmr.core.actions import MasterAction, Outcome, Publish
from zmr.wire import codec


class RecordingNetwork(DrawnNetwork):
    """The world's network. All that goes over it is told to a history."""

    def __init__(self, network: DrawnNetwork, history: History) -> None:
        self.__dict__ = network.__dict__  # one network, by two names
        self._history = history

    def send(
        self, sender: str, receiver: str, deliver: Callable[[bytes], None], *parts: bytes
    ) -> str:
        """Tell of the frame when it is sent, and when it arrives."""
        messages = [message for data in parts for message in _messages(data)]
        now_ns = _ns(self.clock.now)
        if sender != MASTER:
            self._history.sends(now_ns, sender, messages)
            return super().send(sender, receiver, deliver, *parts)
        for message in messages:
            if isinstance(message, m.TaskResponse):
                # A turn of a simulated master takes no time.
                self._history.hands_out(now_ns, now_ns, message.tasks)

        def arrived(data: bytes) -> None:
            self._history.gets(_ns(self.clock.now), receiver, messages)
            deliver(data)

        return super().send(sender, receiver, arrived, *parts)


class BlindWitness(Witness):
    """Sees nothing wrong: then the judge is alone."""

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """Look away."""

    def master_restarted(self, core: Any, now: float) -> None:
        """Look away."""

    def recorded(self, records: list[Any]) -> None:
        """Look away."""

    def between_turns(self, journal: list[Any], epoch: int) -> None:
        """Look away."""

    def worker_did(self, *_: Any) -> None:
        """Look away."""


def _messages(data: bytes) -> tuple[m.Message, ...]:
    """What stands in the frame, if it is one."""
    try:
        return codec.decode(data).messages
    except codec.BadFrame:
        return ()


def _ns(time_s: float) -> int:
    return round(time_s * 1e9)


class RecordedWorld(World):
    """A world whose history is written down."""

    def __init__(self, scenario: Scenario, is_blind: bool) -> None:
        # Clients that only ask or ask for the impossible are nothing to the judge.
        super().__init__(replace(scenario, clients=ClientsDraw()), Trace(is_on=False))
        self._is_blind = is_blind
        self.history = History(self._partitions)
        self.network = RecordingNetwork(self._network, self.history)
        if is_blind:
            self.witness = BlindWitness(self, is_in_order=scenario.network.in_order)
        for job in scenario.jobs:
            if not job.by_client:
                self.history.given(_ns(job.submitted_at_s), job.id)

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        """Tell of what is published."""
        now_ns = _ns(self.clock.now)
        for action in actions:
            if isinstance(action, Publish):
                self.history.publishes(now_ns, now_ns, action.event)
        super().master_did(event, actions)

    def manifest(self, outcome: Outcome) -> tuple[float, str]:
        """A blind world does not look at the output."""
        return (0.0, "") if self._is_blind else super().manifest(outcome)

    def job_ended(self, outcome: Outcome) -> None:
        """Nor whether it is there."""
        with suppress(AssertionError) if self._is_blind else nullcontext():
            super().job_ended(outcome)

    def _partitions(self, job_id: str) -> Iterator[str]:
        if job_id not in self.jobs:  # one that is refused, whatever becomes of the cluster
            return
        for step in self.jobs[job_id].steps:
            answer = self.answers[step.id]
            kind = m.TaskKind.REDUCE if answer.n_reduce else m.TaskKind.MAP
            for index in range(answer.n_files):
                yield partition(step.id, kind, index)


def write_histories(seeds: Iterable[int], path: Path, is_blind: bool = False) -> Failure | None:
    """Simulate the seeds, and write a history of each to the file.

    The simulator's own checks go on; the first failure by them is returned. In a blind run, whose
    master is wrong on purpose, they are off as far as possible, and what is left of them ends a
    history but is no failure.
    """
    with path.open("w") as out, ExitStack() as stack:
        if is_blind:
            stack.enter_context(_without_checks())
        for seed in seeds:
            world = RecordedWorld(draw(seed), is_blind)
            try:
                world.run()
            except Exception as error:
                if not is_blind:
                    what = f"{type(error).__name__}: {error}"
                    return Failure(seed, what, traceback.format_exc())
            finally:
                world.close()
            world.history.write(history_name(seed), out)
    return None


def history_name(seed: int) -> str:
    """What the history of this seed is called."""
    return f"seed {seed}"


@contextmanager
def _without_checks() -> Iterator[None]:
    """What the cores know is not looked at."""
    with ExitStack() as stack:
        for owner, name in (
            (master_machine, "validate"),
            (worker_machine, "validate_worker"),
            (worker_machine, "validate_heard"),
            (world_module, "check_restored"),
        ):
            off = Defect("a check is off", owner, name, lambda *_: None)
            stack.enter_context(off.planted())
        yield
