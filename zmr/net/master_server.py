"""The master's shell: sockets and files around `zmr.core.master`.

It receives frames, feeds the core, and performs what the core decides. At the end of a turn of the
reactor its records are written to the journal, if there is one; only then does anything leave: to
each peer all that there is for it, in one frame.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from math import inf
from socket import gethostname
from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import (
    Append,
    CompleteOutput,
    JobEnded,
    Log,
    MasterAction,
    Outcome,
    Publish,
    Quit,
    Send,
    SendSnapshot,
)
from zmr.core.events import FrameReceived, MasterInput, OutputCompleted, StopRequested
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.display import is_power_of_ten
from zmr.errors import AddressError, OutputError
from zmr.net.publisher import Broadcast, Publisher
from zmr.net.reactor import Reactor
from zmr.net.router import Peers
from zmr.net.snapshot_requests import SnapshotRequests
from zmr.output.capsules import keep_capsule
from zmr.output.durable_file import MANY_FILES, sync_files
from zmr.output.folder import clean_temporary, hold_claim
from zmr.output.manifest import require_files, stats_of, success_manifest, write_success
from zmr.output.skipped import keep_skipped, skipped_files
from zmr.pipeline_steps import StepDone, temporary_folder
from zmr.wire import codec
from zmr.wire.address import parse

if TYPE_CHECKING:
    from zmr.journal.store import (
        Journal,  # loads SQLite, which a master without --state-dir does not need
    )

log = logging.getLogger("zmr.master")


def new_epoch() -> int:
    """A number that no earlier start of a master had, in all likelihood; for the first start on a
    journal. Later ones count on from there.
    """
    return 1 + secrets.randbelow(2**31 - 1)


def allow_many_connections() -> None:
    """Let this process have as many open files as the system allows: each connection takes one.

    macOS refuses a limit as high as it says that it allows; there, it stays as it was.
    """
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_garbage_rarely() -> None:
    """Have Python look for cycles now and then only: with a million tasks, each look takes a second
    in which no heartbeat is answered, and the core leaves no cycles behind.
    """
    import gc

    gc.set_threshold(100_000, 1_000, 1_000)


class MasterServer:
    """Serves one master core until the core says to quit.

    With a journal, it goes on where that ends. `on_ended` is called with the outcome of each job.
    With `syncs_late`, workers leave it to have the files of an output with many on the disk.
    Peers, broadcast and journal belong to the caller. `flush` raises `JournalError`.
    """

    def __init__(
        self,
        reactor: Reactor,
        peers: Peers,
        events: Broadcast | None,
        events_address: str,
        settings: MasterSettings,
        on_ended: Callable[[Outcome], None],
        journal: Journal | None = None,
        syncs_late: bool = False,
    ) -> None:
        last_epoch = journal.last_epoch() if journal is not None else 0
        epoch = last_epoch + 1 if last_epoch else new_epoch()
        self.core = Master(epoch, settings)
        self.publisher = Publisher(events, epoch)
        self.exit_status: int | None = None  # set when the core has quit
        self.bad_frames: Counter[str] = Counter()
        self.failed_frames: Counter[str] = Counter()
        self._reactor = reactor
        self._peers = peers
        self._events_address = events_address
        self._on_ended = on_ended
        self._journal = journal
        self._syncs_late = syncs_late
        self._effects: list[CompleteOutput | JobEnded] = []  # of this turn, beyond this process
        self._held: dict[str, int] = {}  # the claims of jobs that run
        self._queued: list[str] = []  # jobs that are new in this turn
        self._outbox: dict[bytes, list[m.Message]] = {}
        self._requests = SnapshotRequests()
        peers.watch(reactor, self._on_frame, self._bad_frame)
        reactor.add(self)
        reactor.after_turn(self.flush)
        if journal is not None:
            self._restore(journal)

    def _restore(self, journal: Journal) -> None:
        self._perform(self.core.restore(journal.read(), self._reactor.clock()))
        for job_id, job in self.core.jobs.items():
            if job.has_ended:  # perhaps just before the end of the last start
                end_output(job.outcome(job.ending))
            else:
                self._hold(job_id)
        self.flush()

    # --- in ---

    def handle(self, event: MasterInput) -> None:
        """Feed the core an event and do what it decides."""
        self._perform(self.core.handle(event, self._reactor.clock()))

    def next_deadline(self) -> float | None:
        """The core's; at once, if requests for snapshots are left for the next turn."""
        return -inf if self._requests else self.core.next_deadline()

    def tick(self, now: float) -> None:
        """Let the core handle its deadlines."""
        self._perform(self.core.tick(now))

    def stop(self, signal_name: str, exit_status: int) -> None:
        """A signal arrived: end when running tasks have, or at the second one at once."""
        self.handle(StopRequested(signal_name, exit_status))

    def _on_frame(self, peer: bytes, frame: m.Frame) -> None:
        """Handle it; a mistake of ours that it meets costs this frame, and no more.

        What was decided up to there is done. If the tables do not fit together any more, the master
        ends, as it does when the journal can't be written: what is there can be relied on.
        """
        for message in frame.messages:
            if isinstance(message, m.Register):
                warn_of_unreachable(message)
        try:
            self.handle(FrameReceived(peer, frame))
        except AssertionError:
            raise
        except Exception as error:
            self._mistake(error)
            self._outbox.setdefault(peer, []).append(m.Refused("an error of this master's own"))
            self.tick(self._reactor.clock())

    def _mistake(self, error: Exception) -> None:
        """Go on after a mistake of ours that a frame has met, if the tables fit together."""
        self.failed_frames[type(error).__name__] += 1
        if is_power_of_ten(count := self.failed_frames.total()):
            log.error("frame that could not be handled, number %d", count, exc_info=error)
        self.core.cluster.validate()

    def _bad_frame(self, peer: bytes, error: codec.BadFrame) -> None:
        """Count and answer it; the log has the first, tenth, hundredth, ... of them."""
        self.bad_frames[type(error).__name__] += 1
        count = self.bad_frames.total()
        if is_power_of_ten(count):
            log.warning("bad frame, number %d: %s", count, error)
        if isinstance(error, codec.MissingParts):
            return
        answers = self._outbox.setdefault(peer, [])
        # One is enough: a flood must not fill the outbox.
        if not answers or not isinstance(answers[-1], m.Refused):
            answers.append(m.Refused(str(error)))

    # --- out ---

    def _perform(self, actions: list[MasterAction]) -> None:
        for action in actions:
            match action:
                case Publish(event):
                    self.publisher.publish(event)
                    if isinstance(event, m.JobEvent) and event.state == JobState.QUEUED.value:
                        self._queued.append(event.job_id)
                case Send(peer, message):
                    self._outbox.setdefault(peer, []).append(message)
                case Append(records):
                    if self._journal is not None:
                        log.debug("records for the journal: %d", len(records))
                        self._journal.append(records)
                case Log(level, text):
                    log.log(level, "%s", text)
                case SendSnapshot(peer, after_seq):
                    self._requests.add(peer, after_seq)
                case CompleteOutput() | JobEnded():
                    self._effects.append(action)
                case Quit(_, exit_status):
                    self.exit_status = exit_status
                    self._reactor.stop()

    def _hold(self, job_id: str) -> None:
        """Lock the claim on the output folder, to show that the job runs in a living process.

        Who submits a job makes the claim, but not where that is to be in the journal first.
        """
        output = self.core.jobs[job_id].spec.output
        with suppress(OSError):
            os.mkdir(temporary_folder(output, job_id))
        held = hold_claim(output, job_id)
        if held is not None:
            self._held[job_id] = held

    def _complete_output(self, outcome: Outcome) -> None:
        error = ""
        try:
            require_files(outcome.spec.output, outcome.files)
            keep_skipped(outcome.spec.output, outcome.spec.job_id, outcome.skipped)
            manifest = manifest_of(outcome)
            if outcome.spec.skip_bad_files and (paths := skipped_files(outcome.spec.output)):
                manifest["skipped_files"] = paths
            if self._syncs_late and len(outcome.files) > MANY_FILES:
                sync_files(outcome.spec.output, (file.name for file in outcome.files))
            write_success(outcome.spec.output, manifest)
        except OutputError as failure:
            error = str(failure)
        except OSError as failure:
            error = f"can't complete the output in {outcome.spec.output}: {failure.strerror}"
        self.handle(OutputCompleted(outcome.spec.job_id, error))

    def _carry_out(self) -> None:
        """Write what this turn decided to the journal, then do it; and what follows from that."""
        while True:
            if self._journal is not None:
                self._journal.commit()
            while self._queued:
                self._hold(self._queued.pop())
            if not self._effects:
                return
            effects, self._effects = self._effects, []
            for effect in effects:
                outcome = effect.outcome
                if isinstance(effect, CompleteOutput):
                    self._complete_output(outcome)
                else:
                    end_output(outcome)
                    if (held := self._held.pop(outcome.spec.job_id, None)) is not None:
                        os.close(held)
                    self._on_ended(outcome)

    def flush(self) -> None:
        """Carry out and send what this turn decided."""
        self._carry_out()
        for peer, messages in self._outbox.items():
            self._peers.send((peer,), self.core.epoch, messages)
        self._outbox.clear()
        if self._requests:
            self._send_snapshots()
        self.publisher.flush()

    def _send_snapshots(self) -> None:
        """Send some of those that were asked for. A mistake of ours costs the answers."""
        events, epoch = self.publisher.log, self.core.epoch
        try:
            jobs, workers = self.core.rows()
            for peers, later in self._requests.take(events):
                snapshot = m.Snapshot(events.seq, self._events_address, jobs, workers, later)
                self._peers.send(peers, epoch, (snapshot,))
        except AssertionError:
            raise
        except Exception as error:
            refused = m.Refused("an error of this master's own")
            self._peers.send(self._requests.peers(), epoch, (refused,))
            self._requests.clear()
            self._mistake(error)


def warn_of_unreachable(register: m.Register) -> None:
    """Say it of a worker whose map outputs no other machine can fetch, before that costs a job."""
    endpoint = register.shuffle_address.partition("#")[0]
    is_loopback = False
    with suppress(AddressError):  # not of TCP, or made up
        is_loopback = parse(endpoint).is_loopback
    if is_loopback and register.host != gethostname():
        log.warning(
            "worker %s is on %s, and serves its map outputs at %s, where no other machine reaches "
            "them (is it connected through a tunnel?): give it --shuffle-host",
            register.name,
            register.host,
            endpoint,
        )


def end_output(outcome: Outcome) -> None:
    """Remove from an ended job's output folder all that is not for its user."""
    spec = outcome.spec
    if outcome.failed_task:
        reason = f"{outcome.reason}\n\n{outcome.traceback}".rstrip("\n") + "\n"
        keep_capsule(spec.output, spec.job_id, outcome.failed_task, reason)
    clean_temporary(spec.output, spec.job_id)


def manifest_of(outcome: Outcome) -> dict[str, object]:
    """What `_SUCCESS` says of a job that is done."""
    spec, counters = outcome.spec, outcome.counters
    stats = stats_of(StepDone(spec.name, counters, outcome.totals))
    return success_manifest(spec.name, spec.params, outcome.files, counters, stats, outcome.steps)
