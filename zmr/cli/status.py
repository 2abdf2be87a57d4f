"""`zmr status`: how things stand at a master."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from zmr.cli.options import SECONDS, insecure, option


@click.command()
@click.argument("address")
@option("--json", "as_json", is_flag=True, help="As one JSON object.")
@option(
    "--timeout",
    type=SECONDS,
    default=5.0,
    metavar="S",
    help="Give up when no master answers for S seconds (exit status 4).",
)
@insecure
def status(address: str, as_json: bool, timeout: float, insecure: bool) -> int:
    """Show the jobs and the workers of the master at ADDRESS."""
    from zmr.net.address import parse
    from zmr.net.client import Client

    with Client(parse(address, insecure), timeout) as client:
        _, snapshot = client.snapshot()
    if as_json:
        rows = {
            "jobs": [asdict(job) for job in snapshot.jobs],
            "workers": [asdict(worker) for worker in snapshot.workers],
        }
        click.echo(json.dumps(rows, ensure_ascii=False))
        return 0
    for job in snapshot.jobs:
        reason = f" ({job.reason})" if job.reason else ""
        click.echo(
            f"job {job.job_id}: {job.state}, maps {job.maps_done} of {job.n_map}, "
            f"reduces {job.reduces_done} of {job.n_reduce}{reason}"
        )
    for worker in snapshot.workers:
        click.echo(f"worker {worker.name}: {worker.state}, {worker.running} tasks")
    if not snapshot.jobs and not snapshot.workers:
        click.echo("no jobs, no workers")
    return 0
