"""The engine on Ray: a master in this process, whose one worker has its tasks run by Ray.

Planning, retries, pipelines, counters and the end of a job are the master's, as with the local
engine; Ray places tasks on its nodes, keeps map outputs as objects, and starts more nodes where it
is set up for that. Nothing but this module and `ray_tasks` imports ray,
and they do so in functions.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from zmr.core.actions import Outcome
from zmr.core.settings import MasterSettings
from zmr.engines.local import NEVER_S, Engine, run_one
from zmr.engines.options import SlotOptions
from zmr.engines.ray_pool import ObjectDir, RayPool
from zmr.engines.ray_tasks import RayJob, remove_abandoned
from zmr.errors import MasterLost, UsageError
from zmr.messages import JobSpec, JobStatus, StartJob, Submit
from zmr.net.agent import Agent, AgentSettings, Timeouts
from zmr.net.reactor import Reactor
from zmr.net.uplink import Uplink

# So many tasks are handed to Ray at a time: it sees what there is to do, and can start nodes.
MOST_TASKS = 1024

# Of what a map returns, Ray keeps small objects in the memory of this process; more of them than
# this goes to its object store.
_INLINED_BYTES = 64 << 10

_PATIENCE_S = 10.0  # with a cluster that is to be connected to
_SWEEP_S = 10.0


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A Ray cluster that this process is connected to."""

    ray: Any  # the module
    is_own: bool  # it was started for this, on this machine alone

    @property
    def n_cpus(self) -> int:
        """How many there are now."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def remove_abandoned(self, local_dir: str | None) -> None:
        """Remove what killed processes have left on each of the nodes."""
        strategies = self.ray.util.scheduling_strategies
        sweep = self.ray.remote(num_cpus=0, max_retries=0)(remove_abandoned)
        swept = [
            sweep.options(
                scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(
                    node["NodeID"], soft=False
                )
            ).remote(local_dir)
            for node in self.ray.nodes()
            if node["Alive"]
        ]
        if swept:
            self.ray.wait(swept, num_returns=len(swept), timeout=_SWEEP_S, fetch_local=False)


@contextmanager
def connected(address: str | None, n_cpus: int | None) -> Iterator[RayCluster]:
    """The cluster at this address, that of this process, or a new one with `n_cpus`.

    Raises `UsageError` if Ray is not installed, and `MasterLost`.
    """
    try:
        import ray  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UsageError("the engine on Ray needs Ray, an extra: pip install 'zmr[ray]'") from None
    if ray.is_initialized():
        if address is not None:
            raise UsageError("this process is connected to a Ray cluster already: give no address")
        yield RayCluster(ray, is_own=False)
        return
    address = address or os.environ.get("RAY_ADDRESS") or None
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # they are in what the job ends with
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None or address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        settings |= {"address": "local", "num_cpus": n_cpus, "include_dashboard": False}
    else:
        _require_listener(address)
        settings |= {"address": address, "runtime_env": _runtime_env()}
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"no Ray cluster at {address}" if address else "Ray does not start"
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MasterLost(f"{where}: {text}") from None
    try:
        yield RayCluster(ray, is_own=settings["address"] == "local")
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Raise `MasterLost` if nothing listens there, which takes Ray many minutes to say."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MasterLost(f"no Ray cluster at {address}: {reason}") from None


def _runtime_env() -> dict[str, Any]:
    """How the nodes get this very zmr. What else a job imports has to be there."""
    return {
        "py_modules": [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))],
        "env_vars": {"RAY_task_rpc_inlined_bytes_limit": str(_INLINED_BYTES)},
    }


class RayEngine(Engine):
    """A master whose worker's tasks run on this cluster, up to `options.slots` at a time.

    `spec` is the job's, as it was prepared. Raises `OutputError`.
    """

    def __init__(
        self, cluster: RayCluster, options: SlotOptions, spec: JobSpec, settings: MasterSettings
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._spec = spec
        self._pool: RayPool | None = None
        super().__init__(settings, self._start, syncs_late=False)

    def close(self) -> None:
        """End what runs on the cluster, and remove what killed processes have left there."""
        super().close()
        if self._pool is not None and self._pool.may_have_left:
            self._cluster.remove_abandoned(self._options.local_dir)

    def _start(self, reactor: Reactor, uplink: Uplink) -> Agent:
        options = self._options
        folder = ObjectDir(options.local_dir)
        settings = AgentSettings(
            "this process", options.slots, options.memory_bytes, Timeouts(NEVER_S)
        )

        def pool(on_event: Callable[[Any], None]) -> RayPool:
            self._pool = RayPool(
                *(self._cluster.ray, reactor, on_event, folder),
                options.memory_bytes,
                self._job,
            )
            return self._pool

        return Agent(reactor, uplink, settings, pool, folder, None, lambda reason, status: None)

    def _job(self, start: StartJob) -> RayJob:
        timeouts = self._spec.task_timeout_s, self._spec.setup_timeout_s
        options = self._options
        return RayJob(start.spec, options.memory_bytes, options.local_dir, *timeouts)


def timeless(submit: Submit) -> Submit:
    """The same for a master to which nobody says how far tasks are: they look after themselves."""
    spec = replace(submit.spec, task_timeout_s=NEVER_S, setup_timeout_s=NEVER_S)
    return replace(submit, spec=spec)


def run_ray(
    cluster: RayCluster,
    submit: Submit,
    options: SlotOptions,
    show: Callable[[JobStatus], None],
) -> tuple[Outcome, int]:
    """Run the job, as `run_local` does, on the cluster."""
    return run_one(
        timeless(submit),
        lambda settings: RayEngine(cluster, options, submit.spec, settings),
        show,
    )
