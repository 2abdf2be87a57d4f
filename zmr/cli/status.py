"""`zmr status`: how things stand at a master."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from zmr.cli.base import Command
from zmr.cli.options import KeyOptions, give_up_after, key_options, option
from zmr.cli.streams import to_stdout
from zmr.display import counted, on_one_line
from zmr.messages import JobStatus, Snapshot
from zmr.net.client import Client, has_ended
from zmr.pipeline_steps import with_step
from zmr.wire.roles import Role


@click.command(cls=Command)
@click.argument("address")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@give_up_after(5.0)
@key_options
def status(address: str, as_json: bool, timeout: float, keys: KeyOptions) -> int:
    """Show the jobs and the workers of the master at ADDRESS."""
    with Client(keys.keyring(address), Role.WATCH, timeout) as client:
        _, snapshot = client.snapshot()
    with to_stdout():
        click.echo(_json(snapshot) if as_json else _text(snapshot))
    return 0


def _json(snapshot: Snapshot) -> str:
    rows = {
        "jobs": [asdict(job) for job in snapshot.jobs],
        "workers": [asdict(worker) for worker in snapshot.workers],
    }
    return json.dumps(rows, ensure_ascii=False)


def _text(snapshot: Snapshot) -> str:
    lines = [_line(job) for job in snapshot.jobs]
    lines += [
        f"worker {worker.name}: {worker.state}, {counted(worker.running, 'task')}, "
        f"{counted(worker.slots, 'slot')}"
        for worker in snapshot.workers
    ]
    return "\n".join(map(on_one_line, lines)) or "no jobs, no workers"


def _line(job: JobStatus) -> str:
    state = job.state if has_ended(job) else with_step(job.step, job.n_steps, job.state)
    figures = f"maps {job.maps_done} of {job.n_map}, reduces {job.reduces_done} of {job.n_reduce}"
    return f"job {job.job_id}: {state}, {figures}" + (f" ({job.reason})" if job.reason else "")
