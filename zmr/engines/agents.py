"""A worker agent of this process: its core, its folder for map outputs, and its slots."""

from __future__ import annotations

from collections.abc import Callable

import zmq

from zmr.engines.options import SlotOptions
from zmr.execute.pool import SlotPool
from zmr.net.agent import Agent
from zmr.net.folders import LocalFolder
from zmr.net.reactor import Reactor


def start_agent(
    reactor: Reactor,
    master: zmq.Socket[bytes],
    master_name: str,
    options: SlotOptions,
    death_timeout_s: float,
    on_quit: Callable[[str, int], None],
) -> Agent:
    """An agent on a connected socket; closing it ends the slots and removes the folder.

    `on_quit` is called with the reason and the exit status when it is about to end. Raises
    `OutputError` if there is no place for the folder.
    """
    folder = LocalFolder(options.local_dir)
    try:
        return Agent(
            reactor,
            master,
            master_name,
            lambda on_event: SlotPool(options.slots, reactor, on_event, options.memory_bytes),
            folder,
            options.slots,
            options.memory_bytes,
            death_timeout_s,
            on_quit,
        )
    except BaseException:
        folder.close()
        raise
