"""The group of all commands. One file a command; each is imported only when it is called."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "run": "Run a job on this machine.",
    "master": "Start a master.",
    "worker": "Work for a master.",
    "submit": "Hand a job to a running master and follow it.",
    "tail": "Print what happens, as it happens.",
    "status": "Show jobs and workers.",
    "cancel": "End a job.",
}


class Commands(click.Group):
    """Knows the names of the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"zmr.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them all."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zmr", prog_name="zmr")
def zmr() -> None:
    r"""MapReduce for Python, on one machine or on many.

    \b
    zmr run wordcount input/            count words, print the result
    zmr run job.py data/ -o out/        a job of your own, into a folder
    zmr COMMAND --help                  all about a command

    Every option can also be set by an environment variable, ZMR_ and its name.

    Exit status: 0 done, 1 the job failed, 2 usage, 3 not enough workers in time, 4 master
    unreachable or lost, 130 or 143 ended by SIGINT or SIGTERM.
    """
