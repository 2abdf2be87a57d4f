"""The errors that a user can meet, and the exit status that each one gives a script.

A `ZmrError` is shown in one line, without a traceback: its text names the thing that is wrong and
the way out. Anything else that escapes is a bug of ours and is shown whole.
"""

from __future__ import annotations


class YieldError(TypeError):
    """What the job's code gave is none of what it may give. The text says all there is to say: no
    line of that code was running when it was found.
    """

    kind = "TypeError"  # what people are told that it is
    place = ""  # of what it is, if it was found later than where it was given: "key 'a'"


class PickleError(YieldError):
    """A value that can't be kept from map to reduce. `index` is its place in the column."""

    kind = "PickleError"

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index

    @classmethod
    def of(cls, index: int, value: object, error: Exception) -> PickleError:
        """For what pickle has raised of the value."""
        text = str(error)
        is_local = any(words in text for words in _PICKLE_FINDS_NO_NAME)
        hint = "; define classes and functions outside of functions" if is_local else ""
        return cls(index, f"a value of type {type(value).__name__} can't be kept: {text}{hint}")


# What pickle says of a class or function that no module has by its name, in all our Pythons.
_PICKLE_FINDS_NO_NAME = ("<locals>", "attribute lookup ", "not found as ")


class Ended(BaseException):
    """A signal ends this process. No `Exception`, lest anything on the way survives it."""


class Interrupted(Ended, KeyboardInterrupt):
    """SIGINT, which libraries know as a `KeyboardInterrupt`."""


class ZmrError(Exception):
    """Base of all errors that are shown to the user as one message."""

    exit_status = 1


class JobFailed(ZmrError):
    """The job ended without its result.

    Attributes:
        task: the task by which it failed, such as "map-17"; empty if it was none.
        input: the file of the record by which it failed; empty if that is not known.
        record: the place of the record in it, such as "line 17"; likewise.
        traceback: of the job's own code; empty if it did not raise.
    """

    exit_status = 1
    task = ""
    input = ""
    record = ""
    traceback = ""


class RecordsSkipped(ZmrError):
    """The job is done, but without some records that were bad (`--skip-bad-records`)."""

    exit_status = 5


class UsageError(ZmrError):
    """The command can't be carried out as it was given; nothing was started."""

    exit_status = 2


class JobError(UsageError):
    """The job can't be found, loaded or parametrised."""


class InputError(UsageError):
    """An input is missing or can't be read."""


class OutputError(UsageError):
    """The output folder can't be used."""


class AddressError(UsageError):
    """An address can't be understood, bound, or used without `--insecure`."""


class StateError(UsageError):
    """The folder of `--state-dir` can't be used: damaged, of another version, or in use."""


class JournalError(ZmrError):
    """The journal can't be written, so nothing more may be promised."""

    exit_status = 1


class NotEnoughWorkers(ZmrError):
    """No worker, or too few, came in time."""

    exit_status = 3


class MasterLost(ZmrError):
    """The master can't be reached, or could be once and no longer answers."""

    exit_status = 4


class KeyFileError(UsageError):
    """A key can't be understood, read, written or used."""


class KeyRefused(MasterLost):
    """The key that was given is none of the master's."""
