"""The command line. One file a command.

`main` turns what goes wrong into one line on stderr and an exit status: 0 done, 1 job failed,
2 usage, 3 not enough workers in time, 4 master unreachable or lost, 130/143 ended by a signal.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    from zmr.execute import launch

    arguments = sys.argv[1:] if arguments is None else arguments
    if _needs_slots(arguments):
        launch.launch_early()
    try:
        return _run(arguments)
    finally:
        launch.discard_early()


def _needs_slots(arguments: list[str]) -> bool:
    """Whether this is all but certainly a `zmr run` that starts slots: only a guess, to be fast."""
    return arguments[:1] == ["run"] and not {"-h", "--help", "inline"}.intersection(arguments)


def _run(arguments: list[str]) -> int:
    import click

    from zmr.cli.commands import zmr
    from zmr.errors import ZmrError

    try:
        status = zmr.main(arguments, prog_name="zmr", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ZmrError as error:
        click.echo(f"zmr: {error}", err=True)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _close_stdout()
        return 0
    return status if isinstance(status, int) else 0


def _close_stdout() -> None:
    """Whoever read our output has had enough: let nothing be written there at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
