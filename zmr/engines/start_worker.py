"""A worker agent of this process: its core, its folder for map outputs, and its slots."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from zmr.engines.options import SlotOptions
from zmr.net.agent import Agent, AgentSettings, Timeouts
from zmr.net.reactor import Reactor
from zmr.net.uplink import Uplink
from zmr.output.local_dir import LocalDir
from zmr.slots.pool import SlotPool
from zmr.sockets.addresses import WILDCARD, interface_towards
from zmr.wire.address import Address

log = logging.getLogger("zmr.worker")


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a worker serves its map outputs."""

    bind: Callable[[str], Sequence[Address | str]]
    """Where to listen: the first that is free of these. Called with the agent's folder."""

    host: Callable[[], str] | None = None
    """Called at each registration: by which name or address others reach it now, empty if that is
    not known. None: where it listens."""

    is_encrypted: bool = True


def start_worker(
    reactor: Reactor,
    uplink: Uplink,
    master_name: str,
    options: SlotOptions,
    timeouts: Timeouts,
    on_quit: Callable[[str, int], None],
    serving: Serving | None = None,
    syncs_late: bool = False,
) -> Agent:
    """An agent; closing it ends the slots and removes the folder.

    `on_quit` is called with the reason and the exit status when it is about to end. With `serving`,
    others can fetch its map outputs. With `syncs_late`, the master does so for it: see
    `MasterServer`. Raises `OutputError` if there is no place for the folder, and `AddressError`.
    """
    with ExitStack() as undo:
        folder = LocalDir(options.local_dir)
        undo.callback(folder.close)
        shuffle = None
        if serving is not None:
            from zmr.shuffle.server import ShuffleServer

            places = serving.bind(folder.path)
            shuffle = ShuffleServer(places, folder.path, serving.is_encrypted)
            undo.callback(shuffle.close)
        agent = Agent(
            reactor,
            uplink,
            AgentSettings(
                master_name,
                options.slots,
                options.memory_bytes,
                timeouts,
                options.no_direct_read,
                syncs_late,
                serving.host if serving is not None else None,
            ),
            lambda on_event: SlotPool(options.slots, reactor, on_event, options.memory_bytes),
            folder,
            shuffle,
            on_quit,
        )
        undo.pop_all()
    return agent


def serving_towards(master: Address, ports: range, host: str | None, is_encrypted: bool) -> Serving:
    """Serve map outputs to other workers of this master, at the first of these ports that is free.

    On the interface by which the master is reached; what that is, is asked at each registration, as
    its name may not resolve yet, and this machine's address may change. `host` is what others reach
    it by, if that is another one.
    """
    if master.is_loopback and host is None:
        here = interface_towards(master)
        return Serving(
            lambda folder: [Address(here, port) for port in ports], is_encrypted=is_encrypted
        )
    return Serving(
        lambda folder: [Address(WILDCARD, port) for port in ports],
        (lambda: host) if host is not None else (lambda: _host_towards(master)),
        is_encrypted,
    )


def _host_towards(master: Address) -> str:
    try:
        return interface_towards(master)
    except (OSError, UnicodeError) as error:
        log.warning(
            "no way to %s is known (%s): others can read map outputs from a shared disk only",
            master,
            getattr(error, "strerror", None) or error,
        )
        return ""
