"""`zmr check`: whether the answer of a job depends on how it is run."""

from __future__ import annotations

import click

from zmr.cli.base import Command
from zmr.cli.options import NameValue, option
from zmr.cli.streams import to_stdout, write_stderr
from zmr.display import counted


@click.command(
    cls=Command,
    examples=(
        ("zmr check job.py data/", "the first 1,000 records, run in 200 ways"),
        ("zmr check job.py data/ --tries 2000 --ordered", "a job that means the order of values"),
    ),
)
@click.argument("job")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option(
    "-p",
    "--param",
    "params",
    type=NameValue(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the job. May be given several times.",
)
@option(
    "--tries",
    type=click.IntRange(min=1),
    default=200,
    metavar="N",
    help="In how many ways it is run.",
)
@option(
    "--records",
    type=click.IntRange(min=1),
    default=1000,
    metavar="N",
    help="How many records are read, of all files together.",
)
@option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="What the ways are drawn from.",
)
@option(
    "--ordered",
    is_flag=True,
    help="Leave the values of a key in the order of the input, which zmr keeps.",
)
def check(
    job: str,
    inputs: tuple[str, ...],
    params: tuple[tuple[str, str], ...],
    tries: int,
    records: int,
    seed: int,
    ordered: bool,
) -> int:
    """Run JOB over records of INPUT... in many ways, in this process, and compare the answers.

    Cut into other tasks, with tasks that run twice, combine called elsewhere, and the values of a
    key in another order, a MapReduce job has the same answer. When there are two, they are shown
    for as few records as are found to have them, with what they depend on: exit status 1.
    """
    from zmr.engines.sample_records import sample_records
    from zmr.testing.schedule import Record
    from zmr.testing.search import find

    created, sample = sample_records(job, inputs, params, records)
    found = [Record(record, file.input, file.path, at) for record, file, at in sample]
    name = type(created).__name__
    finding = find(created, found, tries, seed, ordered)
    if finding is None:
        write_stderr(
            f"zmr: {name}: one answer in {tries:,} ways, for {counted(len(found), 'record')}"
        )
        return 0
    with to_stdout():
        click.echo(f"{name} has two answers: {finding}")
    return 1
