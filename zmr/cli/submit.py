"""`zmr submit`: hands a job to a running master."""

from __future__ import annotations

import click

from zmr.cli.options import SECONDS, insecure, job_options, option
from zmr.core.messages import JobEvent, JobStatus, MasterEvent
from zmr.core.states import JobState
from zmr.engines.options import JobOptions
from zmr.errors import JobFailed, MasterLost

_ENDED = {JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value}


@click.command()
@click.argument("job")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option("--master", "address", required=True, metavar="ADDRESS", help="tcp://HOST:PORT")
@option("-o", "--output", metavar="DIR", required=True, help="The folder for the result.")
@option(
    "-r",
    "--reducers",
    type=click.IntRange(1, 1_000_000),
    default=8,
    metavar="N",
    help="The number of partitions, and so of files in the output.",
)
@job_options
@option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@option(
    "--timeout",
    type=SECONDS,
    default=30.0,
    metavar="S",
    help="Give up when no master answers for S seconds (exit status 4).",
)
@insecure
def submit(
    job: str,
    inputs: tuple[str, ...],
    address: str,
    output: str,
    reducers: int,
    params: tuple[tuple[str, str], ...],
    overwrite: bool,
    max_attempts: int,
    task_timeout: float,
    backup_after: float,
    wait: bool,
    timeout: float,
    insecure: bool,
) -> int:
    """Hand JOB over INPUT... to the master at --master. Prints the id of the job.

    Inputs and the output folder have to be where master and workers find them: on this machine, or
    on a disk that all share.
    """
    from zmr.engines.submission import prepare
    from zmr.net.address import parse
    from zmr.net.client import Client

    target = parse(address, insecure)
    with Client(target, timeout) as client:
        client.snapshot()  # no output folder is touched for a master that isn't there
        prepared = prepare(
            JobOptions(
                job=job,
                inputs=inputs,
                output=output,
                n_reduce=reducers,
                params=params,
                overwrite=overwrite,
                max_attempts=max_attempts,
                task_timeout_s=task_timeout,
                backup_after_s=backup_after,
            )
        )
        client.ask(prepared.submit)
        job_id = prepared.spec.job_id
        click.echo(job_id)
        if not wait:
            return 0
        for published in client.follow(from_start=False):
            event = published.event
            if isinstance(event, JobEvent) and event.job_id == job_id:
                click.echo(
                    f"zmr: {event.state}" + (f" ({event.text})" if event.text else ""), err=True
                )
            if isinstance(event, MasterEvent) or (
                isinstance(event, JobEvent) and event.job_id == job_id and event.state in _ENDED
            ):
                break
        return _exit_status(client.snapshot()[1].jobs, job_id)


def _exit_status(jobs: tuple[JobStatus, ...], job_id: str) -> int:
    for job in jobs:
        if job.job_id == job_id:
            return 0 if job.state == JobState.DONE.value else JobFailed.exit_status
    raise MasterLost(f"the master knows nothing of {job_id} any more")
