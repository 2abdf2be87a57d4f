"""`zmr run`: the whole thing on this machine."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

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
from zmr.errors import InputError, JobFailed, OutputError

if TYPE_CHECKING:
    from zmr.engines.ray import RayCluster

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
    type=click.Choice(["local", "inline", "ray"]),
    default="local",
    help="How to run it; inline is in one process, in memory, in order, to debug a job; ray is on "
    "a Ray cluster.",
)
@option(
    "--ray-address",
    metavar="ADDRESS",
    show_default="RAY_ADDRESS, or a new one on this machine",
    help="With --engine ray, the Ray cluster: auto, HOST:PORT or ray://HOST:PORT.",
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
    ray_address: str | None,
    slot_options: SlotOptions,
    job_settings: JobSettings,
    verbose: bool,
    quiet: bool,
) -> int:
    """Run JOB over the files and folders INPUT..., on this machine or on Ray. - is standard input.

    JOB is a built-in job (wordcount, grep, index, sort), path/to/file.py, path/to/file.py:Class
    or package.module:Class. A Pipeline is a job, too. Where a job has several inputs, each INPUT is
    NAME=PATH.

    The first SIGINT or SIGTERM lets running tasks finish, the second stops at once.
    """
    set_up_logging(verbose, quiet, usual=logging.WARNING)
    if not verbose:  # the master, in this process, logs the same
        logging.getLogger("zmr.worker").setLevel(logging.ERROR)
    with ExitStack() as stack:
        cluster = None
        n_reduce = reducers or slot_options.slots
        if engine == "ray":
            cluster, slot_options = _on_ray(ray_address, slot_options, inputs, output, stack)
            n_reduce = reducers or cluster.n_cpus
        elif ray_address is not None:
            raise click.UsageError("--ray-address is for --engine ray")
        options = JobOptions(
            job,
            with_stdin(inputs, slot_options.local_dir, stack),
            _folder_to_print(slot_options, stack) if output is None else output,
            n_reduce,
            job_settings,
        )
        began = time.monotonic()
        if engine == "inline":
            prepared, outcome = _run_inline(options)
            of_signal = 0
        else:
            prepared, outcome, of_signal = _run(options, slot_options, cluster, quiet)
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


def _on_ray(
    address: str | None,
    options: SlotOptions,
    inputs: tuple[str, ...],
    output: str | None,
    stack: ExitStack,
) -> tuple[RayCluster, SlotOptions]:
    """The Ray cluster, and how many tasks it is to be given at a time, if that is not said."""
    from zmr.engines.ray import MOST_TASKS, connected

    source = click.get_current_context().get_parameter_source("slots")
    is_given = source not in (None, ParameterSource.DEFAULT)
    cluster = stack.enter_context(connected(address, options.slots))
    if not cluster.is_own:
        if output is None:
            raise OutputError("a Ray cluster needs a folder that its nodes share: give -o DIR")
        if "-" in inputs:
            raise InputError("a Ray cluster reads files that its nodes share, no standard input")
    return cluster, options if is_given else replace(options, slots=MOST_TASKS)


def _run(
    options: JobOptions, slot_options: SlotOptions, cluster: RayCluster | None, quiet: bool
) -> tuple[Prepared, Outcome, int]:
    """On the Ray cluster, or on this machine."""
    prepared = prepare(options)
    with reporter(quiet) as report:
        if cluster is not None:
            from zmr.engines.ray import run_ray

            outcome, status = run_ray(cluster, prepared.submit, slot_options, report.show)
        else:
            from zmr.engines.local import run_local

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
