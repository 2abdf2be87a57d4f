"""`zmr run`: the whole thing on this machine."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import click

from zmr.cli.options import (
    default_slots,
    job_options,
    option,
    set_up_logging,
    slot_options,
    verbosity,
)
from zmr.cli.report import reporter, tell_outcome
from zmr.core.actions import Outcome, Totals
from zmr.core.states import JobState
from zmr.engines.options import JobOptions, LocalOptions
from zmr.errors import JobFailed


@click.command()
@click.argument("job")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option(
    "-o",
    "--output",
    metavar="DIR",
    help="The folder for the result. Without it, the result goes to stdout.",
)
@option(
    "-r",
    "--reducers",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    show_default="as many as slots",
    help="The number of partitions, and so of files in the output.",
)
@option(
    "-j",
    "--slots",
    type=click.IntRange(1, 10_000),
    metavar="N",
    show_default="this machine's processors",
    help="How many tasks run at once.",
)
@option(
    "--engine",
    type=click.Choice(["local", "inline"]),
    default="local",
    help="inline: in one process, in memory, with the job's own exceptions; to debug a job.",
)
@job_options
@slot_options
@verbosity
def run(
    job: str,
    inputs: tuple[str, ...],
    output: str | None,
    reducers: int | None,
    slots: int | None,
    engine: str,
    params: tuple[tuple[str, str], ...],
    overwrite: bool,
    max_attempts: int,
    task_timeout: float,
    backup_after: float,
    memory: int,
    local_dir: str | None,
    verbose: bool,
    quiet: bool,
) -> int:
    r"""Run JOB over the files and folders INPUT..., on this machine.

    JOB is a built-in job (wordcount, grep, index), path/to/file.py, path/to/file.py:Class or
    package.module:Class.

    \b
    zmr run wordcount input/ | sort -t "$(printf '\t')" -k2,2nr | head
    zmr run grep logs/ -p pattern=ERROR -o errors/
    """
    set_up_logging(verbose, quiet, usual=logging.WARNING)
    slots = slots or default_slots()
    with ExitStack() as stack:
        folder = output or stack.enter_context(TemporaryDirectory(prefix="zmr-out-"))
        run_engine = _run_inline if engine == "inline" else _run_local
        status = run_engine(
            JobOptions(
                job=job,
                inputs=inputs,
                output=folder,
                n_reduce=reducers or slots,
                params=params,
                overwrite=overwrite,
                max_attempts=max_attempts,
                task_timeout_s=task_timeout,
                backup_after_s=backup_after,
            ),
            LocalOptions(slots, memory, local_dir),
            f": {os.path.abspath(output)}" if output else "",
            quiet,
        )
        if status == 0 and output is None:
            _print_output(folder)
    return status


def _run_local(job: JobOptions, options: LocalOptions, where: str, quiet: bool) -> int:
    from zmr.execute.launch import launch

    began = time.monotonic()
    # The slots' fork server has the most to load, so it starts before anything is checked.
    fork_server = launch()
    try:
        from zmr.engines.submission import prepare

        prepared = prepare(job)
        from zmr.engines.local import run_local
    except BaseException:
        fork_server.stop(timeout_s=0.0)
        raise
    with reporter(quiet) as report:
        outcome, status = run_local(prepared.submit, options, fork_server, report.show)
    if not quiet or outcome.state is not JobState.DONE:
        tell_outcome(outcome, time.monotonic() - began, len(prepared.inputs), where)
    return status or (0 if outcome.state is JobState.DONE else JobFailed.exit_status)


def _run_inline(job: JobOptions, options: LocalOptions, where: str, quiet: bool) -> int:
    from zmr.engines.inline import run_inline
    from zmr.engines.submission import prepare

    began = time.monotonic()
    prepared = prepare(job)
    spec = prepared.spec
    result = run_inline(prepared.job, prepared.inputs, spec.output, spec.n_reduce, spec.name)
    if not quiet:
        stats = result.stats
        totals = Totals(
            stats.records_in,
            stats.bytes_in,
            stats.records_out,
            stats.bytes_out,
            result.phase_s.get("map", 0.0),
            result.phase_s.get("reduce", 0.0),
        )
        outcome = Outcome(
            spec, JobState.DONE, files=result.files, counters=result.counters, totals=totals
        )
        tell_outcome(outcome, time.monotonic() - began, len(prepared.inputs), where)
    return 0


def _print_output(folder: str) -> None:
    """All partitions, in their order, to stdout."""
    from zmr.data.output import output_files

    for path in output_files(folder):
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1024 * 1024)
    sys.stdout.buffer.flush()
