"""`zmr cancel`: ends a job."""

from __future__ import annotations

import click

from zmr.cli.options import SECONDS, insecure, option
from zmr.core.messages import CancelJob


@click.command()
@click.argument("address")
@click.argument("job_id")
@option(
    "--timeout",
    type=SECONDS,
    default=5.0,
    metavar="S",
    help="Give up when no master answers for S seconds (exit status 4).",
)
@insecure
def cancel(address: str, job_id: str, timeout: float, insecure: bool) -> int:
    """End the job JOB_ID (see `zmr status`) of the master at ADDRESS."""
    from zmr.net.address import parse
    from zmr.net.client import Client

    with Client(parse(address, insecure), timeout) as client:
        client.ask(CancelJob(job_id, "cancelled by zmr cancel"))
    click.echo(f"{job_id} is cancelled", err=True)
    return 0
