"""`zmr run`: the whole thing on this machine."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from contextlib import ExitStack, redirect_stdout

import click

from zmr.cli.base import Command
from zmr.cli.options import job_settings, n_reduce, option, slot_options, verbosity
from zmr.cli.report import exit_status, report_failure, report_skipped, reporter, sum_up
from zmr.cli.stdin import with_stdin
from zmr.cli.streams import set_up_logging, to_stdout, write_stderr
from zmr.core.actions import Outcome
from zmr.core.states import JobState
from zmr.engines.failures import inline_failures
from zmr.engines.options import JobOptions, JobSettings, SlotOptions
from zmr.engines.prepare import Prepared, prepare
from zmr.errors import JobFailed

_COMMONEST = "sort -t \"$(printf '\\t')\" -k2,2nr | head"


@click.command(
    cls=Command,
    examples=(
        (f"zmr run wordcount input/ | {_COMMONEST}", "the commonest words"),
        ("zmr run grep logs/ -p pattern=ERROR -o errors/", "a built-in job with a parameter"),
        ("zmr run longest.py books/ --engine inline", "to debug a job: breakpoint() works"),
    ),
)
@click.argument("job")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option(
    "-o",
    "--output",
    metavar="DIR",
    help="The folder for the result. Without it, the result goes to stdout.",
)
@n_reduce(default=None, shown="as many as slots")
@option(
    "--engine",
    type=click.Choice(["local", "inline"]),
    default="local",
    help="How to run it; inline is in one process, in memory, in order, to debug a job.",
)
@slot_options
@job_settings
@verbosity
def run(
    job: str,
    inputs: tuple[str, ...],
    output: str | None,
    reducers: int | None,
    engine: str,
    slot_options: SlotOptions,
    job_settings: JobSettings,
    verbose: bool,
    quiet: bool,
) -> int:
    """Run JOB over the files and folders INPUT..., on this machine. - is standard input.

    JOB is a built-in job (wordcount, grep, index, sort), path/to/file.py, path/to/file.py:Class
    or package.module:Class. A Pipeline is a job, too. Where a job has several inputs, each INPUT is
    NAME=PATH.

    The first SIGINT or SIGTERM lets running tasks finish, the second stops at once.
    """
    set_up_logging(verbose, quiet, usual=logging.WARNING)
    if not verbose:  # the master, in this process, logs the same
        logging.getLogger("zmr.worker").setLevel(logging.ERROR)
    with ExitStack() as stack:
        options = JobOptions(
            job,
            with_stdin(inputs, slot_options.local_dir, stack),
            _folder_to_print(slot_options, stack) if output is None else output,
            reducers or slot_options.slots,
            job_settings,
        )
        began = time.monotonic()
        if engine == "inline":
            prepared, outcome = _run_inline(options)
            of_signal = 0
        else:
            prepared, outcome, of_signal = _run_local(options, slot_options, quiet)
        took_s = time.monotonic() - began
        if outcome.state is not JobState.DONE:
            report_failure(outcome, is_kept=output is not None)
            return exit_status(outcome, of_signal)
        try:
            if output is None:
                _print_output(options.output)
        finally:
            if not quiet:
                where = "" if output is None else prepared.spec.output
                sum_up(outcome, took_s, len(prepared.inputs), where)
            status = report_skipped(options.output, quiet, is_kept=output is not None)
    return status


def _folder_to_print(options: SlotOptions, stack: ExitStack) -> str:
    """Where the result is until it is printed. Raises `OutputError`."""
    from zmr.output.local_dir import LocalDir

    folder = LocalDir(options.local_dir)
    stack.callback(folder.close)
    return os.path.join(folder.path, "result")


def _run_local(
    options: JobOptions, slot_options: SlotOptions, quiet: bool
) -> tuple[Prepared, Outcome, int]:
    prepared = prepare(options)
    from zmr.engines.local import run_local

    with reporter(quiet) as report:
        outcome, status = run_local(prepared.submit, slot_options, report.show)
    return prepared, outcome, status


def _run_inline(options: JobOptions) -> tuple[Prepared, Outcome]:
    prepared = prepare(options, claims_output=False)
    from zmr.engines.inline import run_inline

    try:
        with redirect_stdout(sys.stderr), inline_failures(prepared.spec):  # stdout: for the result
            return prepared, run_inline(prepared)
    except JobFailed as error:
        if error.traceback:
            write_stderr(error.traceback.rstrip("\n"))
        raise


def _print_output(folder: str) -> None:
    """All partitions, in their order, to stdout."""
    from zmr.output.manifest import read_manifest

    with to_stdout():
        for path in read_manifest(folder).paths():
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1024 * 1024)
