"""`zmr master`: serves jobs until told to stop, or one job and then ends."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack

import click
import zmq

from zmr.cli.options import SECONDS, insecure, job_options, option, set_up_logging, verbosity
from zmr.cli.report import reporter, tell_outcome
from zmr.core.actions import Outcome
from zmr.core.events import JobGiven
from zmr.core.master import MasterSettings
from zmr.core.states import JobState
from zmr.engines.options import JobOptions
from zmr.engines.submission import Prepared, prepare
from zmr.errors import AddressError, JobFailed, NotEnoughWorkers
from zmr.net.address import Address, bind, require_loopback
from zmr.net.master import MasterServer, control_socket, events_socket
from zmr.net.reactor import Reactor

_PORT = 5555


@click.command()
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
    show_default="the next port",
    help="The port for subscribers; 0 picks a free one.",
)
@option("--job", metavar="JOB", help="Serve this one job, then end with its exit status.")
@option("-o", "--output", metavar="DIR", help="The folder for the result of --job.")
@option(
    "-r",
    "--reducers",
    type=click.IntRange(1, 1_000_000),
    default=8,
    metavar="N",
    help="The number of partitions, and so of files in the output.",
)
@job_options
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
@insecure
@verbosity
def master(
    inputs: tuple[str, ...],
    host: str,
    port: int,
    events_port: int | None,
    job: str | None,
    output: str | None,
    reducers: int,
    params: tuple[tuple[str, str], ...],
    overwrite: bool,
    max_attempts: int,
    task_timeout: float,
    backup_after: float,
    worker_timeout: float | None,
    lost_after: float,
    insecure: bool,
    verbose: bool,
    quiet: bool,
) -> int:
    r"""Start a master. Workers connect to it with `zmr worker ADDRESS`.

    With --job, run that job over INPUT... when workers come; they are told to exit when it is done.
    Without, serve the jobs of `zmr submit` until stopped. The address goes to stdout.

    \b
    zmr master --job wordcount input/ -o counts/ -r 4
    zmr worker tcp://127.0.0.1:5555
    """
    set_up_logging(verbose, quiet)
    require_loopback(Address(host, port), insecure)
    options = None
    if job is not None:
        options = JobOptions(
            job=job,
            inputs=inputs,
            output=_required_output(output, inputs),
            n_reduce=reducers,
            params=params,
            overwrite=overwrite,
            max_attempts=max_attempts,
            task_timeout_s=task_timeout,
            backup_after_s=backup_after,
        )
    elif inputs or output:
        raise click.UsageError("INPUT and --output belong to a job: name it with --job")
    settings = MasterSettings(
        lost_after_s=lost_after,
        suspect_after_s=lost_after / 2,
        heartbeat_interval_s=min(1.0, lost_after / 5),
        worker_timeout_s=worker_timeout,
        one_job=job is not None,
    )
    return _serve(Address(host, port), events_port, settings, options, quiet)


def _required_output(output: str | None, inputs: tuple[str, ...]) -> str:
    if output is None:
        raise click.UsageError("--job needs an output folder: -o DIR")
    if not inputs:
        raise click.UsageError("--job needs something to read: INPUT...")
    return output


def _serve(
    address: Address,
    events_port: int | None,
    settings: MasterSettings,
    options: JobOptions | None,
    quiet: bool,
) -> int:
    outcomes: list[tuple[Outcome, float]] = []
    with ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        control = stack.enter_context(control_socket(context))
        events = stack.enter_context(events_socket(context))
        address = bind(control, address, "--port")
        events_address = bind(events, _events_address(address, events_port), "--events-port")
        # Only when the ports are ours: a job's output folder is emptied for nothing otherwise.
        prepared = prepare(options) if options is not None else None
        reactor = Reactor()
        stack.callback(reactor.close)
        server = MasterServer(
            reactor,
            control,
            events,
            str(events_address),
            settings,
            lambda outcome: outcomes.append((outcome, time.monotonic())),
        )
        reactor.on_signals(
            (signal.SIGINT, signal.SIGTERM),
            lambda number: server.stop(signal.Signals(number).name, 128 + number),
        )
        print(address, flush=True)
        click.echo(f"zmr: listening at {address}, events at {events_address}", err=True)
        began = time.monotonic()
        with reporter(quiet=True) if prepared is None else reporter(quiet) as report:
            if prepared is not None:
                server.handle(JobGiven(prepared.submit))
                job = server.core.jobs[prepared.spec.job_id]
                reactor.after_turn(lambda: report.show(job.status()))
            reactor.run()
        server.flush()
    if prepared is None:
        return server.exit_status or 0
    return _tell(prepared, *outcomes[-1], began, quiet) or server.exit_status or 0


def _events_address(control: Address, events_port: int | None) -> Address:
    port = control.port + 1 if events_port is None else events_port
    if port > 65535:
        raise AddressError("there is no port after 65535 for events: give --events-port")
    return Address(control.host, port)


def _tell(prepared: Prepared, outcome: Outcome, at: float, began: float, quiet: bool) -> int:
    if not quiet or outcome.state is not JobState.DONE:
        where = f": {prepared.spec.output}"
        tell_outcome(outcome, at - began, len(prepared.inputs), where)
        sys.stderr.flush()
    if outcome.state is JobState.FAILED:
        return NotEnoughWorkers.exit_status if outcome.out_of_workers else JobFailed.exit_status
    return 0
