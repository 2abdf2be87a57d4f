"""A Ray cluster of several nodes on this machine, each of which can be killed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from support import Zmr
from support.process import WAIT_S, Command

N_NODES = 3
_STORE_BYTES = 80 << 20
_HELD = re.compile(r"hold at .*; slot (\d+)")


class RayNodes:
    """A head, on which no task runs, and three nodes with a CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster  # type: ignore[import-not-found,unused-ignore]

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Any] = []
        self.repair()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def repair(self) -> None:
        """Have three nodes again."""
        while len(self._nodes) < N_NODES:
            node = self._cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
            self._nodes.append(node)
        self._cluster.wait_for_nodes()

    def kill_node_of(self, pid: int) -> None:
        """Kill the node on which this process is, and all that runs on it."""
        self._kill(self._node_of(pid))

    def kill_another_node(self, pid: int) -> None:
        """Kill a node on which this process is not."""
        node = self._node_of(pid)
        self._kill(next(other for other in self._nodes if other is not node))

    def close(self) -> None:
        self._cluster.shutdown()

    def run(self, zmr: Zmr, *args: Any) -> Command:
        """Start `zmr run` with these arguments on the cluster."""
        return zmr.start("run", *args, "--engine", "ray", "--ray-address", self.address)

    def _node_of(self, pid: int) -> Any:
        above = _ancestors(pid)
        for node in self._nodes:
            (raylet,) = node.all_processes["raylet"]
            if raylet.process.pid in above:
                return node
        raise AssertionError(f"process {pid} is on no node")

    def _kill(self, node: Any) -> None:
        self._nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)


def held_process(output: Path, command: Command) -> int:
    """The process that is held by `support.orders`, which its task has printed."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert command.running, str(command)
        for path in (output / "_logs").glob("*.txt"):
            if found := _HELD.search(path.read_text()):
                return int(found[1])
    raise AssertionError(f"nothing is held\n{command}")


def manifest(output: Path) -> dict[str, Any]:
    """What `_SUCCESS` says, without times, and parameters, which the inline engine leaves out."""
    found: dict[str, Any] = json.loads((output / "_SUCCESS").read_text())
    del found["params"]
    for part in (found, *found.get("steps", ())):
        del part["stats"]["elapsed_s"]
    return found


def _ancestors(pid: int) -> set[int]:
    found = set()
    while pid > 1:
        found.add(pid)
        with open(f"/proc/{pid}/stat") as stat:
            pid = int(stat.read().rpartition(")")[2].split()[1])
    return found
