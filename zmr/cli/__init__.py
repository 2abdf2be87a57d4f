"""The command line. One file a command.

`main` turns what goes wrong into one line on stderr and an exit status: 0 done, 1 job failed,
2 usage, 3 not enough workers in time, 4 master unreachable or lost, 130/143 ended by a signal.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from zmr.errors import Ended, Interrupted

# Where one of these is not handled otherwise, it ends the command like an error would, so that
# what was begun is also cleaned up.
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNHANDLED = (signal.SIG_DFL, signal.default_int_handler)

_received: list[int] = []


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) in _UNHANDLED:
            signal.signal(number, _end)
    try:
        return _start(sys.argv[1:] if arguments is None else arguments)
    except BaseException:
        # In some places, such as a class being made, Python turns it into another exception.
        if _received:
            return 128 + _received[0]
        raise


def _end(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise Interrupted if number == signal.SIGINT else Ended


def _start(arguments: list[str]) -> int:
    from zmr.slots import launch

    launch.keep_standard_streams_open()
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    if arguments[:1] in (["run"], ["replay"], ["check"]):
        os.environ.pop("ZMR_KEY", None)  # they need none, and user code must not have it
    if _needs_slots(arguments):
        with suppress(OSError):  # the code that needs it tries again, and reports the error
            launch.launch_early()
    try:
        return _run(arguments)
    finally:
        launch.discard_early()


def _needs_slots(arguments: list[str]) -> bool:
    """Whether this is very probably a `zmr run` that starts slots: a guess, but a quick one."""
    return arguments[:1] == ["run"] and not {"-h", "--help", "inline"}.intersection(arguments)


def _run(arguments: list[str]) -> int:
    import click

    from zmr.cli.group import zmr
    from zmr.errors import ZmrError

    try:
        status = zmr.main(arguments, prog_name="zmr", standalone_mode=False)
    except click.exceptions.Abort:  # what click makes of a KeyboardInterrupt
        return 128 + signal.SIGINT
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ZmrError as error:
        from zmr.cli.streams import write_stderr

        write_stderr(f"zmr: {error}")
        return error.exit_status
    return status if isinstance(status, int) else 0
