"""What several commands have in common: their options, and the kinds of values that they take."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """`click.option` with the environment variable and the default shown."""
    flag = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "ZMR_" + flag.removeprefix("--").replace("-", "_").upper()
    attributes.setdefault("show_default", True)
    return click.option(*names, envvar=variable, **attributes)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in this order in the help."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class Size(click.ParamType[int]):
    """A number of bytes: 1048576, 512K, 256M, 1.5G."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        text = str(value).strip().upper().removesuffix("B").removesuffix("I")
        factor = 1024 ** ("KMGT".index(text[-1]) + 1) if text[-1:] in tuple("KMGT") else 1
        try:
            size_bytes = int(float(text.rstrip("KMGT")) * factor)
        except (ValueError, OverflowError):
            size_bytes = -1
        if size_bytes < 0:
            self.fail(f"{value!r} is no size: write something like 512M or 2G", param, ctx)
        return size_bytes


class Parameter(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r}: write NAME=VALUE", param, ctx)
        return name, text


SECONDS = click.FloatRange(min=0, min_open=True)


def default_slots() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


verbosity = options(
    option("-v", "--verbose", is_flag=True, help="Log more: every retry, every worker."),
    option("-q", "--quiet", is_flag=True, help="Log errors only."),
)

job_options = options(
    option(
        "-p",
        "--param",
        "params",
        type=Parameter(),
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a parameter of the job. May be given several times.",
    ),
    option("--overwrite", is_flag=True, help="Replace earlier output of zmr in the folder."),
    option(
        "--max-attempts",
        type=click.IntRange(1),
        default=4,
        help="Fail the job when one of its tasks has failed so often.",
    ),
    option(
        "--task-timeout",
        type=SECONDS,
        default=30.0,
        metavar="S",
        help="Stop and retry a task that makes no progress for S seconds.",
    ),
    option(
        "--backup-after",
        type=SECONDS,
        default=10.0,
        metavar="S",
        help="Near the end of a phase, start a second attempt at tasks that run for S seconds.",
    ),
)

slot_options = options(
    option(
        "--memory",
        type=Size(),
        default="0",
        metavar="SIZE",
        show_default="no limit",
        help="What one task may use, for example 512M. A slot that uses more is killed.",
    ),
    option(
        "--local-dir",
        type=click.Path(file_okay=False),
        metavar="DIR",
        show_default="the system's folder for temporary files",
        help="Where map outputs are kept.",
    ),
)

insecure = option(
    "--insecure",
    is_flag=True,
    help="Allow addresses beyond this machine: anybody who can reach the port can then run code "
    "on the workers and read the traffic.",
)


def set_up_logging(verbose: bool, quiet: bool, usual: int = logging.INFO) -> None:
    """Log to stderr: errors when `quiet`, details when `verbose`."""
    level = logging.ERROR if quiet else min(logging.INFO, usual) if verbose else usual
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("zmr")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
