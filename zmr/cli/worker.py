"""`zmr worker`: works for a master until told to stop."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import click
import zmq

from zmr.cli.options import (
    SECONDS,
    default_slots,
    insecure,
    option,
    set_up_logging,
    slot_options,
    verbosity,
)
from zmr.execute.launch import launch
from zmr.execute.pool import SlotPool
from zmr.net.address import Address, connect, parse
from zmr.net.agent import Agent, master_socket
from zmr.net.folders import LocalFolder
from zmr.net.reactor import Reactor


@click.command()
@click.argument("address")
@option(
    "-j",
    "--slots",
    type=click.IntRange(1, 10_000),
    metavar="N",
    show_default="this machine's processors",
    help="How many tasks run at once.",
)
@slot_options
@option(
    "--death-timeout",
    type=SECONDS,
    default=300.0,
    metavar="S",
    help="Give up when the master has been silent for S seconds (exit status 4).",
)
@insecure
@verbosity
def worker(
    address: str,
    slots: int | None,
    memory: int,
    local_dir: str | None,
    death_timeout: float,
    insecure: bool,
    verbose: bool,
    quiet: bool,
) -> int:
    """Work for the master at ADDRESS (tcp://HOST:PORT), which may start later.

    The first SIGINT or SIGTERM lets running tasks finish, the second stops at once.
    """
    set_up_logging(verbose, quiet)
    target = parse(address, insecure)
    return _work(target, slots or default_slots(), memory, local_dir, death_timeout)


def _work(
    address: Address, slots: int, memory: int, local_dir: str | None, death_timeout_s: float
) -> int:
    statuses: list[int] = []
    with ExitStack() as stack:
        folder = LocalFolder(local_dir)
        server = launch()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        master = stack.enter_context(master_socket(context))
        connect(master, address)
        reactor = Reactor()
        stack.callback(reactor.close)

        def on_quit(reason: str, exit_status: int) -> None:
            statuses.append(exit_status)
            reactor.stop()

        agent = Agent(
            reactor,
            master,
            str(address),
            lambda on_event: SlotPool(slots, reactor, on_event, memory, server),
            folder,
            slots,
            memory,
            death_timeout_s,
            on_quit,
        )
        stack.callback(agent.close)
        reactor.on_signals(
            (signal.SIGINT, signal.SIGTERM),
            lambda number: agent.stop(signal.Signals(number).name, 128 + number),
        )
        reactor.run()
    return statuses[-1]
