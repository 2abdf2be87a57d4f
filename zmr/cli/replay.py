"""`zmr replay`: runs the one task of a failure capsule, in this process."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

import click

from zmr.cli.base import Command
from zmr.cli.options import option
from zmr.cli.streams import to_stdout, write_stderr
from zmr.engines.replay import Replayed, replay_task, with_code
from zmr.errors import JobFailed, OutputError
from zmr.tasks.capsule import Capsule, read_capsule


@click.command(
    cls=Command,
    examples=(
        ("zmr replay out/_failed/map-17", "does it fail here, too?"),
        ("zmr replay out/_failed/map-17 --pdb", "look around where it fails"),
        ("zmr replay out/_failed/map-17 --code out/_failed/map-17/job.py", "with the code of then"),
    ),
)
@click.argument("folder")
@option("--pdb", is_flag=True, help="When the task fails, start Python's debugger at that place.")
@option("-o", "--output", metavar="FILE", help="Write the pairs there and not to stdout.")
@option(
    "--code",
    metavar="FILE",
    show_default="the job's file as it is now; if that is gone, as it was",
    help="Take the job from this file.",
)
def replay(folder: str, pdb: bool, output: str | None, code: str | None) -> int:
    """Run the task of the failure capsule FOLDER in this process.

    A failed job (not a pipeline) leaves one in OUT/_failed. Edit the job's file and replay until
    the task passes: exit status 0, and its output goes to stdout, for a map the repr of keys and
    values. When it fails: exit status 1.

    This runs the job's code and unpickles what is in FOLDER: replay only what you trust.
    """
    capsule, which = with_code(read_capsule(folder), code)
    write_stderr(f"zmr: {capsule.name}, code: {which}")
    for file in capsule.inputs:
        write_stderr(f"zmr: input: {file}")
    import faulthandler

    faulthandler.enable(all_threads=False)  # a fatal signal prints the line, too
    with ExitStack() as stack:
        replayed = replay_task(capsule, stack)
        if replayed.error is not None:
            return _failed(capsule, replayed, pdb)
        _write(replayed, output)
    write_stderr(f"zmr: {capsule.name} passes")
    return 0


def _failed(capsule: Capsule, replayed: Replayed, pdb: bool) -> int:
    error = replayed.error
    assert error is not None
    if error.traceback:
        write_stderr(error.traceback.rstrip("\n"))
    write_stderr(f"zmr: {capsule.name} fails: {error.message}")
    if pdb:
        from pdb import post_mortem

        cause = error.__cause__ or error
        post_mortem(cause.__traceback__)
    return JobFailed.exit_status


def _write(replayed: Replayed, output: str | None) -> None:
    if output is None:
        with to_stdout():
            for data in replayed.pieces:
                sys.stdout.buffer.write(data)
        return
    try:
        with open(output, "wb") as file:
            file.writelines(replayed.pieces)
    except OSError as error:
        raise OutputError(f"can't write to {os.path.abspath(output)}: {error.strerror}") from None
