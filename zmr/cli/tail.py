"""`zmr tail`: prints events as they happen."""

from __future__ import annotations

import json
from datetime import datetime

import click

from zmr.cli.base import Command
from zmr.cli.options import KeyOptions, give_up_after, key_options, option
from zmr.cli.streams import to_stdout, write_stderr
from zmr.display import on_one_line
from zmr.messages import (
    Circumstances,
    FailureReason,
    JobEvent,
    MasterEvent,
    Published,
    TaskEvent,
    WorkerEvent,
)
from zmr.net.client import Client
from zmr.wire.roles import Role


@click.command(cls=Command)
@click.argument("address")
@option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@option("--from-start", is_flag=True, help="Begin with the events that the master still keeps.")
@give_up_after(60.0)
@key_options
def tail(address: str, as_json: bool, from_start: bool, timeout: float, keys: KeyOptions) -> int:
    """Print what happens at the master at ADDRESS, until it ends: jobs, tasks, workers.

    The master may start later. Ctrl-C is the usual way to end this: exit status 0.
    """
    keyring = keys.keyring(address)
    waiting = Waiting(f"waiting for a master at {keyring.address} ...")
    write = _json if as_json else _line
    try:
        with Client(keyring, Role.WATCH, timeout) as client:
            for published in client.follow(from_start, waiting):
                with to_stdout():
                    click.echo(write(published))
    except KeyboardInterrupt:
        pass  # the usual way to end it
    return 0


class Waiting:
    """Prints once that there is no answer yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_printed = False

    def __call__(self) -> None:
        if not self._is_printed:
            self._is_printed = True
            write_stderr(self._text)


def _line(published: Published) -> str:
    event = published.event
    at = datetime.fromtimestamp(published.time_s).strftime("%H:%M:%S.%f")[:-3]
    match event:
        case JobEvent():
            what, state = f"job {event.job_id}", event.state
        case TaskEvent():
            task = f"{event.kind.label} {event.index}, attempt {event.attempt}, {event.worker}"
            what, state = f"{event.job_id}, {task}", event.state
        case WorkerEvent():
            what, state = f"worker {event.worker}", event.state
        case MasterEvent():
            what, state = "master", event.state
    text = f" ({event.text})" if event.text else ""
    return on_one_line(f"{at} {what}: {state}{text}")


def _json(published: Published) -> str:
    event = published.event
    row: dict[str, object] = {"seq": published.seq, "time_s": round(published.time_s, 6)}
    match event:
        case JobEvent():
            row |= {"event": "job", "job": event.job_id}
        case TaskEvent():
            row |= {
                "event": event.kind.label,
                "job": event.job_id,
                "task": event.index,
                "attempt": event.attempt,
                "worker": event.worker,
            }
        case WorkerEvent():
            row |= {"event": "worker", "worker": event.worker}
        case MasterEvent():
            row |= {"event": "master"}
    row |= {"state": event.state, "text": event.text}
    if isinstance(event, TaskEvent) and event.reason is not None:
        row["failure"] = _failure(event.reason, event.circumstances)
    return json.dumps(row, ensure_ascii=False)


def _failure(reason: FailureReason, known: Circumstances) -> dict[str, object]:
    """What is known of it; what is not known is left out."""
    row: dict[str, object] = {"reason": reason.name.lower().replace("_", " ")}
    if known.exit_status is not None:
        row["exit_status"] = known.exit_status
    if known.signal is not None:
        row["signal"] = known.signal
    if known.peak_bytes:
        row["peak_bytes"] = known.peak_bytes
    if known.record >= 0:
        row["record"] = known.record
    return row
