"""The local engine: a master and one worker agent in this process, on one reactor.

They send each other what they would send on a cluster, but without a network between them. User
code runs in other processes, so it can neither delay the master nor take it down. `Engine` is what
the engine on Ray has in common with it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack

from zmr.core.actions import Outcome
from zmr.core.events import FrameReceived, JobGiven
from zmr.core.settings import MasterSettings
from zmr.engines.options import SlotOptions
from zmr.engines.start_worker import Serving, start_worker
from zmr.messages import CancelJob, Frame, JobStatus, Submit
from zmr.net.agent import Agent, Timeouts
from zmr.net.inproc import Inproc
from zmr.net.master_server import MasterServer, collect_garbage_rarely
from zmr.net.reactor import Reactor
from zmr.net.uplink import Uplink
from zmr.output.folder import clean_temporary
from zmr.wire.address import Address

# Master and worker live and die together, so neither ever gives the other up for lost.
NEVER_S = 1e9


StartAgent = Callable[[Reactor, Uplink], Agent]


class Engine:
    """A master and one worker, for one job or, unless `settings` say so, for one after the other.

    With `syncs_late`, the worker leaves it to the master to have an output with many files on the
    disk. Raises what `start` does.
    """

    def __init__(self, settings: MasterSettings, start: StartAgent, syncs_late: bool) -> None:
        self.reactor = Reactor()
        self._outcomes: list[Outcome] = []
        self._closing = ExitStack()
        self._closing.callback(self.reactor.close)  # until then a signal interrupts no cleaning up
        inproc = Inproc(self.reactor)
        self.server = MasterServer(
            self.reactor,
            inproc.peers,
            None,
            "",
            settings,
            self._outcomes.append,
            syncs_late=syncs_late,
        )
        agent = start(self.reactor, inproc.uplink)
        self._closing.callback(agent.close)
        self._show: Callable[[], None] = lambda: None
        self.reactor.after_turn(lambda: self._show())

    def give(self, submit: Submit, show: Callable[[JobStatus], None]) -> None:
        """Begin with a job. `show` is called with its status at every turn."""
        self._outcomes.clear()
        self.server.handle(JobGiven(submit))
        self.server.flush()
        job = self.server.core.jobs[submit.spec.job_id]
        self._show = lambda: show(job.status())

    def outcome(self) -> Outcome | None:
        """How the job that was given last has ended; None: not yet."""
        return self._outcomes[-1] if self._outcomes else None

    def cancel(self, job_id: str, reason: str) -> None:
        """End the job that runs."""
        frame = Frame(self.server.core.epoch, (CancelJob(job_id, reason),))
        self.server.handle(FrameReceived(b"", frame))

    def close(self) -> None:
        """End the slots, and remove what the worker has kept."""
        self._closing.close()


class LocalEngine(Engine):
    """With slots of this machine. Raises `ZmrError` if it can't run them."""

    def __init__(self, options: SlotOptions, settings: MasterSettings) -> None:
        def start(reactor: Reactor, uplink: Uplink) -> Agent:
            return start_worker(
                reactor,
                uplink,
                "this process",
                options,
                timeouts=Timeouts(NEVER_S),
                on_quit=lambda reason, status: None,  # the master ends the loop
                serving=Serving(_shuffle_in) if options.no_direct_read else None,
                syncs_late=True,  # if this machine ends, so does the job
            )

        super().__init__(settings, start, syncs_late=True)


def run_local(
    submit: Submit,
    options: SlotOptions,
    show: Callable[[JobStatus], None] = lambda status: None,
) -> tuple[Outcome, int]:
    """Run the job. Returns how it ended, and 0 or the exit status of the signal that ended it.

    `show` is called with the status of the job at every turn. Raises `ZmrError` if this machine
    can't run slots.
    """
    return run_one(submit, lambda settings: LocalEngine(options, settings), show)


def run_one(
    submit: Submit, start: Callable[[MasterSettings], Engine], show: Callable[[JobStatus], None]
) -> tuple[Outcome, int]:
    """Run the job on an engine of its own, as `run_local` does. Raises what `start` does."""
    collect_garbage_rarely()
    with ExitStack() as stack:
        stack.callback(clean_temporary, submit.spec.output, submit.spec.job_id)  # however it ends
        engine = start(_settings(submit))
        stack.callback(engine.close)
        engine.reactor.on_signals(
            (signal.SIGINT, signal.SIGTERM),
            lambda number: engine.server.stop(signal.Signals(number).name, 128 + number),
        )
        engine.give(submit, show)
        engine.reactor.run()
        outcome = engine.outcome()
        assert outcome is not None
    return outcome, engine.server.exit_status or 0


def _shuffle_in(folder: str) -> list[Address | str]:
    """Where nobody else can fetch map outputs, or needs the key for it."""
    from zmr.shuffle.endpoint import ipc_in

    endpoint = ipc_in(folder)
    return [endpoint if endpoint is not None else Address("127.0.0.1", 0)]


def _settings(submit: Submit) -> MasterSettings:
    timeout_s = min(submit.spec.task_timeout_s, submit.spec.setup_timeout_s)
    return MasterSettings(
        heartbeat_interval_s=min(1.0, timeout_s / 4),
        suspect_after_s=NEVER_S,
        lost_after_s=NEVER_S,
        one_job=True,
    )
