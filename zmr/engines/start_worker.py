"""A worker agent of this process: its core, its folder for map outputs, and its slots."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack

from zmr.engines.options import SlotOptions
from zmr.net.agent import Agent, AgentSettings
from zmr.net.reactor import Reactor
from zmr.net.uplink import Uplink
from zmr.output.local_dir import LocalDir
from zmr.slots.pool import SlotPool
from zmr.wire.address import Address

log = logging.getLogger("zmr.worker")


def start_worker(
    reactor: Reactor,
    uplink: Uplink,
    master_name: str,
    options: SlotOptions,
    death_timeout_s: float,
    on_quit: Callable[[str, int], None],
    shuffle_at: Address | Callable[[str], Address | str] | None = None,
    is_encrypted: bool = False,
    syncs_late: bool = False,
) -> Agent:
    """An agent; closing it ends the slots and removes the folder.

    `on_quit` is called with the reason and the exit status when it is about to end. With
    `shuffle_at`, others can fetch its map outputs there (see `ShuffleServer`): an address, or what
    it is in the agent's folder. With `syncs_late`, the master does so for
    it: see `MasterServer`. Raises `OutputError` if there is no place
    for the folder, and `AddressError`.
    """
    with ExitStack() as undo:
        folder = LocalDir(options.local_dir)
        undo.callback(folder.close)
        shuffle = None
        if shuffle_at is not None:
            from zmr.shuffle.server import ShuffleServer

            at = shuffle_at if isinstance(shuffle_at, Address) else shuffle_at(folder.path)
            shuffle = ShuffleServer(at, folder.path, is_encrypted)
            undo.callback(shuffle.close)
        agent = Agent(
            reactor,
            uplink,
            AgentSettings(
                master_name,
                options.slots,
                options.memory_bytes,
                death_timeout_s,
                options.no_direct_read,
                syncs_late,
            ),
            lambda on_event: SlotPool(options.slots, reactor, on_event, options.memory_bytes),
            folder,
            shuffle,
            on_quit,
        )
        undo.pop_all()
    return agent


def shuffle_address(master: Address, port: int) -> Address | None:
    """Where to serve map outputs to other workers of this master, as far as that is known."""
    from zmr.shuffle.server import interface_towards

    try:
        return Address(interface_towards(master), port)
    except OSError as error:
        log.warning(
            "no way to %s is known (%s): others can read map outputs from a shared disk only",
            master,
            error.strerror,
        )
        return None
