"""`zmr submit`: hands a job to a running master."""

from __future__ import annotations

import time
from contextlib import suppress

import click

from zmr.cli.base import Command
from zmr.cli.options import (
    KeyOptions,
    give_up_after,
    job_settings,
    key_options,
    n_reduce,
    option,
    quiet_option,
)
from zmr.cli.report import report_capsules, report_skipped, reporter
from zmr.cli.streams import to_stdout, write_stderr
from zmr.core.states import JobState
from zmr.engines.options import JobOptions, JobSettings
from zmr.engines.prepare import Prepared, prepare
from zmr.errors import JobFailed, MasterLost, OutputError, ZmrError
from zmr.messages import JobSpec, JobStatus
from zmr.net.client import Client
from zmr.output.folder import clean_temporary
from zmr.output.manifest import read_manifest
from zmr.wire.roles import Role


@click.command(
    cls=Command,
    examples=(
        ("zmr submit wordcount input/ -o counts/ --master tcp://127.0.0.1:5555", ""),
        ("zmr submit job.py data/ -o out/ --master 127.0.0.1:5555 --no-wait", "ends at once"),
    ),
)
@click.argument("job")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option(
    "--master",
    "address",
    required=True,
    metavar="ADDRESS",
    help="The master's address, tcp://HOST:PORT.",
)
@option("-o", "--output", metavar="DIR", required=True, help="The folder for the result.")
@n_reduce(default=8)
@job_settings
@option(
    "--wait/--no-wait",
    default=True,
    show_default="--wait",
    help="Follow the job to its end, which gives the exit status.",
)
@give_up_after(30.0)
@key_options
@quiet_option
def submit(
    job: str,
    inputs: tuple[str, ...],
    address: str,
    output: str,
    reducers: int,
    job_settings: JobSettings,
    wait: bool,
    timeout: float,
    keys: KeyOptions,
    quiet: bool,
) -> int:
    """Hand JOB over INPUT... to a running master. The id of the job goes to stdout.

    Inputs and the output folder have to be where master and workers find them: on this machine, or
    on a disk that all share.

    SIGINT ends the following, not the job.
    """
    keyring = keys.keyring(address)
    began = time.monotonic()
    with Client(keyring, Role.CLIENT, timeout) as client:
        epoch = client.listen()  # no output folder is touched for a master that isn't there
        prepared = prepare(JobOptions(job, inputs, output, reducers, job_settings))
        spec = prepared.spec
        try:
            _hand_over(client, prepared)
            with to_stdout():
                click.echo(spec.job_id)
            if not wait:
                return 0
            last = _follow(client, spec.job_id, epoch, quiet)
        except KeyboardInterrupt:
            write_stderr(
                f"zmr: {spec.job_id} goes on; to end it: zmr cancel {keyring.address} {spec.job_id}"
            )
            raise
    return _sum_up(spec, last, time.monotonic() - began, quiet)


def _hand_over(client: Client, prepared: Prepared) -> None:
    """Raises `MasterLost`, after which the master may have the job, and `ZmrError` if refused."""
    try:
        client.ask(prepared.submit)
    except MasterLost:
        raise
    except ZmrError:
        clean_temporary(prepared.spec.output, prepared.spec.job_id)
        raise


def _follow(client: Client, job_id: str, epoch: int, quiet: bool) -> JobStatus:
    """Show how the job gets on, to its end. Raises `MasterLost`."""
    with reporter(quiet) as report:
        for status in client.watch_job(job_id, epoch):
            report.show(status)
    return status


def _sum_up(spec: JobSpec, last: JobStatus, took_s: float, quiet: bool) -> int:
    if last.state != JobState.DONE.value:
        write_stderr(f"zmr: {spec.name} {last.state}: {last.reason}")
        report_capsules(spec.output)
        return JobFailed.exit_status
    if not quiet:
        counters: dict[str, int] = {}
        with suppress(OutputError):  # it is on another machine's disk
            counters = read_manifest(spec.output).counters
        lines = [f"  {name}: {value:,}" for name, value in counters.items()]
        write_stderr("\n".join([f"{spec.name}: done in {took_s:.2f} s: {spec.output}", *lines]))
    return report_skipped(spec.output, quiet)
