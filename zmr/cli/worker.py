"""`zmr worker`: works for a master until it is stopped."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import click
import zmq

from zmr.cli.base import Command
from zmr.cli.options import (
    SECONDS,
    KeyOptions,
    Ports,
    key_options,
    option,
    slot_options,
    verbosity,
)
from zmr.cli.streams import set_up_logging
from zmr.engines.options import SlotOptions
from zmr.engines.start_worker import Serving, serving_towards, start_worker
from zmr.errors import ZmrError
from zmr.net.agent import Timeouts
from zmr.net.connection import Connection
from zmr.net.keyring import Keyring
from zmr.net.reactor import Reactor
from zmr.net.uplink import LINGER_MS, SocketUplink, master_socket
from zmr.wire.roles import Role


@click.command(cls=Command)
@click.argument("address")
@slot_options
@option(
    "--death-timeout",
    type=SECONDS,
    default=300.0,
    metavar="S",
    help="Give up when the master has been silent for S seconds (exit status 4).",
)
@option(
    "--drain-timeout",
    type=SECONDS,
    default=20.0,
    metavar="S",
    help="When told to stop, serve map outputs for at most S seconds more, while jobs need them.",
)
@option(
    "--shuffle-port",
    type=Ports(),
    default="0",
    metavar="PORT[-PORT]",
    show_default="a free one",
    help="Where other workers fetch map outputs: this port, or the first free one of a range.",
)
@option(
    "--shuffle-host",
    metavar="HOST",
    show_default="the address on the interface towards the master",
    help="The name or address by which other workers reach this machine.",
)
@key_options
@verbosity
def worker(
    address: str,
    slot_options: SlotOptions,
    death_timeout: float,
    drain_timeout: float,
    shuffle_port: range,
    shuffle_host: str | None,
    keys: KeyOptions,
    verbose: bool,
    quiet: bool,
) -> int:
    """Work for the master at ADDRESS (tcp://HOST:PORT), which may start later.

    The first SIGINT or SIGTERM lets running tasks finish, and jobs that need map outputs from here;
    the second stops at once.
    """
    set_up_logging(verbose, quiet)
    keyring = keys.keyring(address)
    keyring.require(Role.WORKER)
    serving = serving_towards(
        keyring.address, shuffle_port, shuffle_host, is_encrypted=not keys.is_insecure
    )
    return _work(keyring, slot_options, Timeouts(death_timeout, drain_timeout), serving)


def _work(keyring: Keyring, options: SlotOptions, timeouts: Timeouts, serving: Serving) -> int:
    """Raises `KeyRefused`."""
    statuses: list[int] = []
    refused: list[ZmrError] = []
    with ExitStack() as stack:
        reactor = Reactor()
        stack.callback(reactor.close)  # last: until then a signal interrupts no cleaning up
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        # Also what a signal has kept from being closed in its place: `term` would wait for it.
        stack.callback(context.destroy, LINGER_MS)
        master = stack.enter_context(master_socket(context))
        connection = Connection(master, keyring, Role.WORKER)
        stack.callback(connection.close)

        def on_quit(reason: str, exit_status: int) -> None:
            statuses.append(exit_status)
            reactor.stop()

        def on_refused(error: ZmrError) -> None:
            refused.append(error)
            reactor.stop()

        uplink = SocketUplink(master, connection, reactor, on_refused)
        agent = start_worker(
            reactor,
            uplink,
            str(keyring.address),
            options,
            timeouts=timeouts,
            on_quit=on_quit,
            serving=serving,
        )
        uplink.refresh = agent.with_endpoint
        uplink.on_connected = agent.on_connected
        stack.callback(agent.close)
        reactor.on_signals(
            (signal.SIGINT, signal.SIGTERM),
            lambda number: agent.stop(signal.Signals(number).name, 128 + number),
        )
        if not refused:
            reactor.run()
    if refused:
        raise refused[0]
    return statuses[-1]
