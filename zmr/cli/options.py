"""What several commands have in common: their options, and the kinds of values that they take.

A group of options, such as `job_settings`, is a decorator; the command gets what was chosen as one
value, in the argument that has the group's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from zmr.cli.streams import write_stderr
from zmr.engines.options import LEAST_MEMORY_BYTES, JobSettings, SlotOptions, size_of
from zmr.errors import UsageError
from zmr.slots.cgroup import default_slots

if TYPE_CHECKING:
    from zmr.net.keyring import GivenKey, Keyring  # load ZeroMQ, which `zmr --help` does not need

F = TypeVar("F", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """`click.option` with the environment variable and the default shown."""
    flag = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "ZMR_" + flag.removeprefix("--").replace("-", "_").upper()
    if variable.endswith("_PORT"):
        # Kubernetes sets ZMR_PORT for a service called zmr, to "tcp://10.0.0.1:5555".
        variable += "_NUMBER"
    attributes.setdefault("show_default", True)
    attributes.setdefault("cls", _Option)
    return click.option(*names, envvar=variable, **attributes)


class _Option(click.Option):
    """Names the environment variable in errors, where the value is from there."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        hint = super().get_error_hint(ctx)
        source = ctx.get_parameter_source(self.name or "") if ctx is not None else None
        is_from_there = source is ParameterSource.ENVIRONMENT
        return hint + is_from_there * f" (environment variable {self.envvar})"


class JobOption(_Option):
    """What belongs to a job, not to the process that runs it."""


_job_option = partial(option, cls=JobOption)


def _all_of(decorators: Sequence[Callable[[F], F]], function: F) -> F:
    """Several options, in this order in the help."""
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


# Even a trivial task needs that much.


class Size(click.ParamType):  # type: ignore[type-arg]  # generic only in its newest versions
    """A number of bytes: 1048576, 512K, 256M, 1.5G. It is 0 or at least `least_bytes`."""

    name = "size"

    def __init__(self, least_bytes: int = 0) -> None:
        self._least_bytes = least_bytes

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        try:
            size_bytes = size_of(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if 0 < size_bytes < self._least_bytes:
            self.fail(f"{value!r} is too little: at least {self._least_bytes >> 20}M", param, ctx)
        return size_bytes


class NameValue(click.ParamType):  # type: ignore[type-arg]
    """NAME=VALUE. In an environment variable, each on a line of its own."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r}: write NAME=VALUE", param, ctx)
        return name, text

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """A value may hold spaces."""
        return rv.splitlines()


class Seconds(click.FloatRange):
    """A time span, of more than no time and less than for ever."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number of seconds."""
        seconds = float(super().convert(value, param, ctx))
        if not seconds <= _LONGEST_S:  # nor is it when it is no number
            self.fail(f"{value} is no time in seconds, or longer than {_LONGEST_S:g}", param, ctx)
        return seconds


class Ports(click.ParamType):  # type: ignore[type-arg]
    """A port, or a range of them: 7000, 7000-7020; 0 picks a free one."""

    name = "ports"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        """The ports."""
        if isinstance(value, range):
            return value
        first, dash, last = str(value).partition("-")
        is_number = first.isdecimal() and (last.isdecimal() if dash else not last)
        low, high = (int(first), int(last or first)) if is_number else (0, -1)
        if not 0 <= low <= high <= 65535 or (dash and not low):
            self.fail(f"{value!r} is no port: write 7000, or 7000-7020", param, ctx)
        return range(low, high + 1)


_LONGEST_S = 1e8  # three years: fits whatever counts milliseconds
SECONDS = Seconds()


quiet_option = option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
_verbose_option = option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Log more: the steps of a job; master and worker also each message, slot and file.",
)


def verbosity(function: F) -> F:
    """`verbose` and `quiet`."""
    return _verbose_option(quiet_option(function))


def n_reduce(default: int | None, shown: str | bool = True) -> Callable[[F], F]:
    """`reducers`: the number of partitions."""
    return _job_option(
        "-r",
        "--reducers",
        type=click.IntRange(1, 1_000_000),
        default=default,
        metavar="N",
        show_default=shown,
        help="The number of partitions, and so of files in the output.",
    )


def job_settings(function: Callable[..., int]) -> Callable[..., int]:
    """`job_settings`: a `JobSettings`."""

    @wraps(function)
    def with_settings(
        *,
        params: tuple[tuple[str, str], ...],
        overwrite: bool,
        max_attempts: int,
        task_timeout: float,
        setup_timeout: float,
        backup_after: float,
        skip_bad_records: int,
        skip_bad_files: int,
        no_backups: bool,
        hidden_files: bool,
        **others: Any,
    ) -> int:
        backup_after = math.inf if no_backups else backup_after
        settings = JobSettings(
            params=params,
            overwrite=overwrite,
            max_attempts=max_attempts,
            task_timeout_s=task_timeout,
            setup_timeout_s=setup_timeout,
            backup_after_s=backup_after,
            skip_bad_records=skip_bad_records,
            skip_bad_files=skip_bad_files,
            hidden_files=hidden_files,
        )
        return function(job_settings=settings, **others)

    return _all_of(_JOB_SETTINGS, with_settings)


def refuse_job_settings(reason: str) -> None:
    """Raise click's `UsageError` if the command line has an option of a job, `reason` being why."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if isinstance(parameter, JobOption) and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} {reason}", context)


def slot_options(function: Callable[..., int]) -> Callable[..., int]:
    """`slot_options`: a `SlotOptions`."""

    @wraps(function)
    def with_options(
        *,
        slots: int | None,
        memory: int,
        local_dir: str | None,
        no_direct_read: bool,
        **others: Any,
    ) -> int:
        options = SlotOptions(slots or default_slots(), memory, local_dir, no_direct_read)
        return function(slot_options=options, **others)

    return _all_of(_SLOT_OPTIONS, with_options)


_JOB_SETTINGS = (
    _job_option(
        "-p",
        "--param",
        "params",
        type=NameValue(),
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a parameter of the job. May be given several times.",
    ),
    _job_option(
        "--overwrite",
        is_flag=True,
        help="Replace what an earlier job left in the output folder. Other files stay.",
    ),
    _job_option(
        "--max-attempts",
        type=click.IntRange(1, 1_000_000),
        default=JobSettings().max_attempts,
        metavar="N",
        help="Fail the job when one of its tasks has failed N times; or twice, if the job's own "
        "code raised the same error at the same record.",
    ),
    _job_option(
        "--task-timeout",
        type=SECONDS,
        default=JobSettings().task_timeout_s,
        metavar="S",
        help="Stop and retry a task that makes no progress for S seconds.",
    ),
    _job_option(
        "--setup-timeout",
        type=SECONDS,
        default=JobSettings().setup_timeout_s,
        metavar="S",
        help="The same while the job is imported and its setup runs.",
    ),
    _job_option(
        "--backup-after",
        type=SECONDS,
        default=JobSettings().backup_after_s,
        metavar="S",
        help="Near the end of a phase, where slots of another worker are free, start a second "
        "attempt at a task that has run for S seconds, if a fresh attempt should be done sooner.",
    ),
    _job_option(
        "--no-backups",
        is_flag=True,
        help="Start no second attempts at slow tasks.",
    ),
    _job_option(
        "--skip-bad-records",
        type=click.IntRange(0, 1_000_000),
        default=JobSettings().skip_bad_records,
        metavar="N",
        help="Skip up to N records that make map raise, or crash its process twice; save them "
        "beside the output (exit status 5). Not for pipelines.",
    ),
    _job_option(
        "--skip-bad-files",
        type=click.IntRange(0, 1_000_000),
        default=JobSettings().skip_bad_files,
        metavar="N",
        help="Skip up to N input files that can't be read to their end, all of each; name them "
        "beside the output (exit status 5). Not for pipelines.",
    ),
    _job_option(
        "--hidden-files",
        is_flag=True,
        help="In folders, read also files and folders whose names begin with . or _.",
    ),
)

_SLOT_OPTIONS = (
    option(
        "-j",
        "--slots",
        type=click.IntRange(1, 10_000),
        metavar="N",
        show_default="the processors that it may use",
        help="How many tasks run at once.",
    ),
    option(
        "--memory",
        type=Size(LEAST_MEMORY_BYTES),
        default="0",
        metavar="SIZE",
        show_default="no limit",
        help="The memory that one task may use, at least 40M. A slot that uses more is killed.",
    ),
    option(
        "--local-dir",
        metavar="DIR",
        show_default="the system's folder for temporary files",
        help="Where temporary files are kept, such as map outputs.",
    ),
    option(
        "--no-direct-read",
        is_flag=True,
        help="Fetch map outputs of this machine over TCP, too, instead of reading the files.",
    ),
)

_KEY_OPTIONS = (
    option(
        "--key-file",
        metavar="FILE",
        show_default="ZMR_KEY, or found by the address",
        help="The key of the master, see zmr key.",
    ),
    # Without an environment variable: one that was forgotten in a profile would open all masters.
    click.option(
        "--insecure",
        is_flag=True,
        help="No keys and no encryption: every program that can reach the ports can run code on "
        "the workers and read the traffic.",
    ),
)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """Which key to use, as the user said it."""

    key_file: str | None
    is_insecure: bool

    def given(self) -> GivenKey | None:
        """The key that was given; None: it is to be found, or there is none. Says --insecure.

        Raises `KeyFileError`.
        """
        from zmr.net.keyring import given_key

        if self.is_insecure:
            write_stderr(
                "zmr: --insecure: whoever can reach the ports can run code on the workers and "
                "read the traffic"
            )
        return given_key(self.key_file, self.is_insecure)

    def keyring(self, address: str) -> Keyring:
        """The keys for the master at this address. Raises `AddressError`, `KeyFileError`."""
        from zmr.net.keyring import Keyring
        from zmr.wire.address import parse

        return Keyring(parse(address), self.given(), self.is_insecure)


def key_options(function: Callable[..., int]) -> Callable[..., int]:
    """`keys`: a `KeyOptions`."""

    @wraps(function)
    def with_keys(*, key_file: str | None, insecure: bool, **others: Any) -> int:
        return function(keys=KeyOptions(key_file, insecure), **others)

    return _all_of(_KEY_OPTIONS, with_keys)


def give_up_after(default_s: float) -> Callable[[F], F]:
    """`timeout`: of a client."""
    return option(
        "--timeout",
        type=SECONDS,
        default=default_s,
        metavar="S",
        help="Give up when no master answers for S seconds (exit status 4).",
    )
