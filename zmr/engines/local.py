"""The local engine: a master and one worker agent in this process, on one reactor.

They speak the same protocol as on a cluster, over ZeroMQ's in-process transport. User code runs in
the slot processes, so it can neither delay the master nor take it down.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import zmq

from zmr.core.actions import Outcome
from zmr.core.events import JobGiven
from zmr.core.master import MasterSettings
from zmr.core.messages import JobStatus, Submit
from zmr.engines.options import LocalOptions
from zmr.execute.launch import ForkServer
from zmr.execute.pool import SlotPool
from zmr.net.agent import Agent, master_socket
from zmr.net.folders import LocalFolder
from zmr.net.master import MasterServer, control_socket
from zmr.net.reactor import Reactor

_ENDPOINT = "inproc://master"


def run_local(
    submit: Submit,
    options: LocalOptions,
    fork_server: ForkServer,
    show: Callable[[JobStatus], None] = lambda status: None,
) -> tuple[Outcome, int]:
    """Run the job. Returns how it ended, and 0 or the exit status of the signal that ended it.

    `show` is told at every turn how the job stands. `fork_server` must have been launched already,
    early, because it takes the longest to get ready; it is ended here.
    """
    folder = LocalFolder(options.local_dir)
    reactor = Reactor()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control, master = control_socket(context), master_socket(context)
    outcomes: list[Outcome] = []
    server = MasterServer(reactor, control, None, "", MasterSettings(one_job=True), outcomes.append)
    control.bind(_ENDPOINT)
    master.connect(_ENDPOINT)
    agent = Agent(
        reactor,
        master,
        "this process",
        lambda on_event: SlotPool(
            options.slots, reactor, on_event, options.memory_bytes, fork_server
        ),
        folder,
        options.slots,
        options.memory_bytes,
        death_timeout_s=3600.0,
        on_quit=lambda reason, status: None,  # the master ends the loop
    )
    reactor.on_signals(
        (signal.SIGINT, signal.SIGTERM),
        lambda number: server.stop(signal.Signals(number).name, 128 + number),
    )
    try:
        server.handle(JobGiven(submit))
        job = server.core.jobs[submit.spec.job_id]
        reactor.after_turn(lambda: show(job.status()))
        reactor.run()
    finally:
        reactor.close()
        agent.close()
        control.close(linger=0)
        master.close(linger=0)
        context.term()
    return outcomes[-1], server.exit_status or 0
