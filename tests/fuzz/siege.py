"""A cluster under attack: its jobs have to be right, and the master calm."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic

import zmq
from chaos.machines import children, pause
from chaos.work import N_REDUCE, Job, jobs
from support.cluster import Cluster
from support.peers import peer_of
from support.process import WAIT_S, Command, Zmr

from zmr import messages as m
from zmr.wire.roles import Role

CHECKOUT = Path(__file__).resolve().parents[2]

# What each kind of attacker sends of all frames. A liar waits for tasks, and a thief for outputs.
_SHARES = {
    "worker": 0.42,
    "client": 0.12,
    "watch": 0.2,
    "subscriber": 0.15,
    "stranger": 0.1,
    "thief": 0.009,
    "liar": 0.001,
}
_LEAST = 20
_ROUNDS = 4  # of each kind, one after the other, while the others go on
_ANSWERED_WITHIN_S = 2.0
_GROWTH_BYTES = 300_000_000
_LATER_S = 60.0
_LATER_FACTOR = 1.5
_OPTIONS = ("-r", str(N_REDUCE), "--max-attempts", "100000", "--task-timeout", "20")


@dataclass
class Report:
    """What was seen."""

    frames: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    idle_bytes: int = 0
    peak_bytes: int = 0
    later_bytes: int = 0
    events_bytes: int = 0  # of its process for events, at most
    longest_answer_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sent = ", ".join(f"{kind} {n:,}" for kind, n in self.frames.items())
        sizes_bytes = (self.idle_bytes, self.peak_bytes, self.later_bytes)
        memory = ", ".join(f"{n / 1e6:.0f}" for n in sizes_bytes)
        return (
            f"{self.frames.total():,} frames ({sent}); {self.jobs} jobs right; the master's memory "
            f"idle, at most and a minute later {memory} MB, its process for events at most "
            f"{self.events_bytes / 1e6:.0f} MB; the longest answer {self.longest_answer_s:.2f} s"
        )


class Siege:
    """`environment`: of the master's process, by which something may be missing in it."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        tell: Callable[[str], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._rng = Random(seed)
        self._folder, self._tell = folder, tell
        self._environment = environment
        self._report = Report()
        self._is_over = threading.Event()
        self._attack_is_over = threading.Event()

    def run(self, n_frames: int, later_s: float = _LATER_S) -> Report:
        """So many frames, while jobs run. What is wrong is in the report."""
        zmr = Zmr(self._folder)
        cluster = Cluster(zmr)
        try:
            cluster.start_master("--lost-after", "2", env=self._environment)
            for _ in range(2):
                cluster.start_worker("--no-direct-read")
            self._run(zmr, cluster, n_frames, later_s)
        finally:
            self._is_over.set()
            zmr.close()
        return self._report

    def _run(self, zmr: Zmr, cluster: Cluster, n_frames: int, later_s: float) -> None:
        report = self._report
        [job, _] = jobs(self._folder / "input", self._rng, 300)
        self._job(cluster, job)
        report.idle_bytes = memory_bytes(cluster.master.pid)
        watching = threading.Thread(target=self._watch, args=(zmr, cluster))
        watching.start()
        attacking = threading.Thread(target=self._attack, args=(zmr, cluster, n_frames))
        attacking.start()
        while attacking.is_alive() and not report.wrong:
            self._job(cluster, job)
        attacking.join()
        pause(later_s)
        report.later_bytes = memory_bytes(cluster.master.pid)
        if not report.wrong:
            self._job(cluster, job)
        self._is_over.set()
        watching.join()
        self._judge(cluster, later_s)

    def _job(self, cluster: Cluster, job: Job) -> None:
        out = self._folder / f"out-{self._report.jobs}"
        submitted = cluster.submit(job.name, job.input, "-o", out, *_OPTIONS)
        try:
            status = submitted.wait(300.0)
            assert status == 0, str(submitted)
            job.check(out)
        except AssertionError as error:
            self._report.wrong.append(f"a job: {error}")
            return
        self._report.jobs += 1

    def _attack(self, zmr: Zmr, cluster: Cluster, n_frames: int) -> None:
        try:
            self._attack_in_rounds(zmr, cluster, n_frames)
        finally:
            self._attack_is_over.set()

    def _attack_in_rounds(self, zmr: Zmr, cluster: Cluster, n_frames: int) -> None:
        """All kinds at a time, in rounds: most sessions end in the middle of something."""
        events = events_address(cluster.master)
        for number in range(_ROUNDS):
            running: dict[str, Command] = {}
            for kind, share in _SHARES.items():
                n = max(_LEAST, int(n_frames * share / _ROUNDS))
                seed = self._rng.randrange(2**32)
                program = (sys.executable, "-m", "tests.fuzz.attack")
                running[kind] = zmr.start(
                    *(kind, str(seed), str(n), cluster.address, events),
                    program=program,
                    cwd=CHECKOUT,
                )
            for kind, command in running.items():
                status = command.wait(1800.0)
                if status:
                    self._report.wrong.append(f"the attacker failed: {command}")
                    return
                self._report.frames[kind] += int(command.stdout.split()[-1])
            self._tell(f"round {number + 1} of {_ROUNDS}: {self._report}")
            if self._report.wrong:
                return

    def _watch(self, zmr: Zmr, cluster: Cluster) -> None:
        """Ask the master how things stand, again and again, as a person would."""
        with zmq.Context() as context:
            self._ask_again_and_again(context, cluster)
        # All others would wait for it, and those that are just being started as well.
        while self._report.wrong and not self._attack_is_over.wait(0.5):
            if not cluster.master.running:
                for command in list(zmr.commands):
                    command.stop()

    def _ask_again_and_again(
        self, context: zmq.Context[zmq.Socket[bytes]], cluster: Cluster
    ) -> None:
        report = self._report
        while not self._is_over.wait(0.25):
            if not cluster.master.running:
                report.wrong.append(f"the master has ended: {cluster.master}")
                return
            began = monotonic()
            try:
                with peer_of(context, cluster.address, Role.WATCH) as peer:
                    peer.say(m.GetSnapshot())
                    while not peer.socket.poll(500):
                        assert cluster.master.running, str(cluster.master)
                        assert monotonic() - began < WAIT_S, f"none within {WAIT_S} s"
            except AssertionError as error:
                report.wrong.append(f"no answer: {error}")
                return
            report.longest_answer_s = max(report.longest_answer_s, monotonic() - began)
            report.peak_bytes = max(report.peak_bytes, memory_bytes(cluster.master.pid))
            for pid in children(cluster.master.pid):
                report.events_bytes = max(report.events_bytes, memory_bytes(pid))

    def _judge(self, cluster: Cluster, later_s: float) -> None:
        report = self._report
        if report.longest_answer_s > _ANSWERED_WITHIN_S:
            report.wrong.append(f"somebody waited for {report.longest_answer_s:.2f} s")
        for what, size_bytes in (("master", report.peak_bytes), ("events", report.events_bytes)):
            if size_bytes > report.idle_bytes + _GROWTH_BYTES:
                report.wrong.append(f"memory of the {what}: {size_bytes:,} bytes")
        if later_s and report.later_bytes > _LATER_FACTOR * report.idle_bytes:
            report.wrong.append(f"the master still has {report.later_bytes:,} bytes")
        for command in (cluster.master, *cluster.workers):
            if "Traceback" in command.stderr:
                report.wrong.append(f"a traceback: {command}")


def memory_bytes(pid: int) -> int:
    """What the process has in memory; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def events_address(master: Command) -> str:
    """Where it broadcasts."""
    return str(master.wait_for(r"events at (tcp://\S+)").group(1))
