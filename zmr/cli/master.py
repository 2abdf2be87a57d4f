"""`zmr master`: serves jobs until it is stopped, or one job and then ends."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
import zmq

from zmr.cli.base import Command
from zmr.cli.options import (
    SECONDS,
    KeyOptions,
    job_settings,
    key_options,
    n_reduce,
    option,
    refuse_job_settings,
    verbosity,
)
from zmr.cli.report import (
    exit_status,
    report_capsules,
    report_failure,
    report_skipped,
    reporter,
    sum_up,
)
from zmr.cli.streams import (
    set_up_logging,
    to_stdout,
    write_if_read,
    write_stderr,
)
from zmr.core.actions import Outcome
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.engines.options import JobOptions, JobSettings
from zmr.engines.resume import resume_or_prepare
from zmr.errors import AddressError
from zmr.net.broadcaster import Broadcaster
from zmr.net.master_keys import MasterKeys
from zmr.net.master_server import (
    MasterServer,
    allow_many_connections,
    collect_garbage_rarely,
)
from zmr.net.reactor import Reactor
from zmr.net.router import LINGER_MS, Router, control_socket
from zmr.net.zap import Authenticator
from zmr.sockets.addresses import bind, rebind, usable_from_elsewhere
from zmr.sockets.curve import serve
from zmr.wire.address import Address
from zmr.wire.roles import Role

if TYPE_CHECKING:
    from zmr.journal.store import Journal

log = logging.getLogger("zmr.master")

_PORT = 5555


@click.command(
    cls=Command,
    examples=(
        ("zmr master --job wordcount input/ -o counts/ -r 4", "one job, then the end"),
        ("zmr master --state-dir state/", "serve the jobs of `zmr submit`, and forget none"),
        ("zmr worker tcp://127.0.0.1:5555", "and then, as often as you like"),
    ),
)
@click.argument("inputs", metavar="[INPUT...]", nargs=-1)
@option("--host", default="127.0.0.1", metavar="HOST", help="Where to listen.")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    metavar="PORT",
    help="The port for workers and clients; 0 picks a free one.",
)
@option(
    "--events-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    show_default="the next port, or with --port 0 a free one",
    help="The port for subscribers; 0 picks a free one.",
)
@option("--job", metavar="JOB", help="Serve this one job, then end with its exit status.")
@option("-o", "--output", metavar="DIR", help="The folder for the result of --job.")
@n_reduce(default=8)
@job_settings
@option(
    "--worker-timeout",
    type=SECONDS,
    metavar="S",
    show_default="wait for ever",
    help="Fail a job that has had no worker for S seconds (exit status 3).",
)
@option(
    "--lost-after",
    type=SECONDS,
    default=5.0,
    metavar="S",
    help="Give a worker's tasks to others when it has been silent for S seconds.",
)
@option(
    "--state-dir",
    metavar="DIR",
    show_default="none: a killed master's jobs are gone",
    help="Keep a journal in DIR, so that a restarted master resumes its jobs.",
)
@key_options
@verbosity
def master(
    inputs: tuple[str, ...],
    host: str,
    port: int,
    events_port: int | None,
    job: str | None,
    output: str | None,
    reducers: int,
    job_settings: JobSettings,
    worker_timeout: float | None,
    lost_after: float,
    state_dir: str | None,
    keys: KeyOptions,
    verbose: bool,
    quiet: bool,
) -> int:
    """Start a master, for workers to connect to. Its address goes to stdout.

    With --job, run that job over INPUT... when workers connect; they exit when it is done.
    Without, serve the jobs of `zmr submit` until stopped.

    The first SIGINT or SIGTERM lets running tasks finish and ends the jobs, the second stops at
    once. With --state-dir, a signal ends the master alone: jobs and workers wait for its next
    start.
    """
    set_up_logging(verbose, quiet)
    given = keys.given()
    options = None
    if job is not None:
        required = _required_output(output, inputs)
        options = JobOptions(job, inputs, required, reducers, job_settings)
    elif inputs or output is not None:
        raise click.UsageError("INPUT and --output belong to a job: name it with --job")
    else:
        refuse_job_settings("belongs to a job: name it with --job, or give it to zmr submit")
    settings = MasterSettings(
        lost_after_s=lost_after,
        suspect_after_s=lost_after / 2,
        heartbeat_interval_s=min(1.0, lost_after / 5),
        worker_timeout_s=worker_timeout,
        one_job=job is not None,
        keeps_jobs=state_dir is not None,
    )
    with ExitStack() as stack:
        journal = None
        if state_dir is not None:
            from zmr.journal.store import Journal

            collect_garbage_rarely()  # a journal may be long
            journal = Journal(state_dir)
            stack.callback(journal.close)
        master_keys = None if keys.is_insecure else MasterKeys(given, state_dir)
        sockets = MasterSockets(stack, Address(host, port), events_port, master_keys)
        if options is None:
            return _serve(sockets, settings, journal)
        return _run(sockets, settings, options, journal, quiet)


def _required_output(output: str | None, inputs: tuple[str, ...]) -> str:
    if output is None:
        raise click.UsageError("--job needs an output folder: -o DIR")
    if not inputs:
        raise click.UsageError("--job needs something to read: INPUT...")
    return output


class MasterSockets:
    """The master's two ports, bound; `stack` closes them. Raises `AddressError`.

    `keys` None: they take anybody.
    """

    def __init__(
        self,
        stack: ExitStack,
        address: Address,
        events_port: int | None,
        keys: MasterKeys | None,
    ) -> None:
        allow_many_connections()
        collect_garbage_rarely()
        self.reactor = Reactor()
        stack.callback(self.reactor.close)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        # Also what a signal has kept from being closed in its place: `term` would wait for it.
        stack.callback(context.destroy, LINGER_MS)
        self.control = stack.enter_context(control_socket(context))
        self._keys = keys
        if events_port is None:  # beside a port picked for being free, the next may be taken
            events_port = address.port + 1 if address.port else 0
        if events_port > 65535:
            raise AddressError("there is no port after 65535 for events: give --events-port")
        # It takes a while until that process listens: meanwhile, peers can come.
        self.events = _broadcaster(self.reactor, Address(address.host, events_port), keys)
        stack.callback(self.events.close)
        if keys is not None:
            self._authenticator = Authenticator(context, self.reactor)
            stack.callback(self._authenticator.close)
            self._authenticator.allowed = keys.secret.allowed()
            serve(self.control, keys.secret.pair(), with_roles=True)
            self._authenticator.watch(self.control)
            keys.on_rotated = self._on_rotated
        self.address = bind(self.control, address, "--port")
        self.usable = usable_from_elsewhere(self.address, self.control)
        if keys is not None:
            keys.publish((self.address, self.usable))
            stack.callback(keys.withdraw)
            self.reactor.add(keys)
        self.events.wait()

    def _on_rotated(self) -> None:
        """Take the new keys only: those who have them come back."""
        assert self._keys is not None
        self._authenticator.allowed = self._keys.secret.allowed()
        rebind(self.control)
        self.events.allow(self._authenticator.allowed)
        log.info("the keys have changed: whoever has an earlier one is out")

    def _tell_addresses(self) -> None:
        """The master's address goes to stdout, as other machines can use it."""
        usable = self.usable
        with to_stdout():
            print(usable)
        write_stderr(f"zmr: listening at {self.address}, events at {self.events.address}")
        if usable.is_loopback and not self.address.is_loopback:
            write_stderr(
                f"zmr: {self.address.host} is this machine alone here ({usable.host}): to let "
                "others connect, give --host an IP address, or 0.0.0.0"
            )
        elif not usable.is_loopback and self._keys is not None:
            # For people, not for logs: who has this line can run code on the workers.
            if sys.stderr.isatty():
                key = self._keys.secret.key(Role.WORKER).text()
                write_stderr(f"zmr: on other machines: ZMR_KEY={key} zmr worker {usable}")
            else:
                write_stderr(f"zmr: other machines need a key: zmr key worker {usable}")

    def server(
        self,
        settings: MasterSettings,
        on_ended: Callable[[Outcome], None],
        journal: Journal | None,
    ) -> MasterServer:
        """Begin to serve, which a signal ends, and print the addresses."""
        server = MasterServer(
            reactor=self.reactor,
            peers=Router(self.control, with_roles=self._keys is not None),
            events=self.events,
            events_address=str(self.events.address),
            settings=settings,
            on_ended=on_ended,
            journal=journal,
        )
        self.reactor.on_signals(
            (signal.SIGINT, signal.SIGTERM),
            lambda number: server.stop(signal.Signals(number).name, 128 + number),
        )
        self._tell_addresses()
        return server


def _broadcaster(reactor: Reactor, address: Address, keys: MasterKeys | None) -> Broadcaster:
    try:
        if keys is None:
            return Broadcaster(reactor, address)
        return Broadcaster(reactor, address, keys.secret.pair(), keys.secret.allowed())
    except OSError as error:
        raise AddressError(f"can't start the process for events: {error.strerror}") from None


def _serve(sockets: MasterSockets, settings: MasterSettings, journal: Journal | None) -> int:
    """Serve jobs until stopped."""

    def on_ended(outcome: Outcome) -> None:
        if outcome.traceback:
            write_if_read(outcome.traceback.rstrip("\n"))
        report_capsules(outcome.spec.output, write_if_read)

    server = sockets.server(settings, on_ended, journal)
    sockets.reactor.run()
    server.flush()
    return server.exit_status or 0


def _run(
    sockets: MasterSockets,
    settings: MasterSettings,
    options: JobOptions,
    journal: Journal | None,
    quiet: bool,
) -> int:
    """Serve one job: a new one, or that of the journal with the same command line."""
    # Only when the ports are ours: a job's output folder is emptied for nothing otherwise.
    given = resume_or_prepare(options, journal)
    ended: list[tuple[Outcome, float]] = []
    server = sockets.server(
        settings, lambda outcome: ended.append((outcome, time.monotonic())), journal
    )
    began = time.monotonic()
    with reporter(quiet) as report:
        known = server.core.jobs.get(given.submit.spec.job_id)
        server.handle(given)
        server.flush()  # into the journal, at once
        job = server.core.jobs[given.submit.spec.job_id]
        if known is not None and known.has_ended:
            write_stderr(
                f"zmr: {job.id} has ended before; to run it again, choose another --state-dir"
            )
            ended.append((job.outcome(job.ending), began))
        sockets.reactor.after_turn(lambda: report.show(job.status()))
        if server.exit_status is None:
            sockets.reactor.run()
        server.flush()
    if not ended:
        return server.exit_status or 0  # stopped, and the job is in the journal
    outcome, at = ended[-1]
    if outcome.state is not JobState.DONE:
        report_failure(outcome)
    elif not quiet and at > began:
        sum_up(outcome, at - began, len(given.submit.inputs), outcome.spec.output)
    status = exit_status(outcome, server.exit_status or 0)
    return status or report_skipped(outcome.spec.output, quiet)
