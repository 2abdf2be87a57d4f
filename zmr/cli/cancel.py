"""`zmr cancel`: ends a job."""

from __future__ import annotations

import click

from zmr.cli.base import Command
from zmr.cli.options import KeyOptions, give_up_after, key_options
from zmr.cli.streams import write_stderr
from zmr.errors import ZmrError
from zmr.messages import CancelJob
from zmr.net.client import Client, has_ended
from zmr.wire.roles import Role


@click.command(cls=Command)
@click.argument("address")
@click.argument("job_id")
@give_up_after(5.0)
@key_options
def cancel(address: str, job_id: str, timeout: float, keys: KeyOptions) -> int:
    """End the job JOB_ID (see `zmr status`) of the master at ADDRESS."""
    with Client(keys.keyring(address), Role.CLIENT, timeout) as client:
        _, snapshot = client.snapshot()
        for job in snapshot.jobs:
            if job.job_id == job_id and has_ended(job):
                raise ZmrError(f"{job_id} is {job.state} already")
        client.ask(CancelJob(job_id, "cancelled by zmr cancel"))
    write_stderr(f"{job_id} is cancelled")
    return 0
