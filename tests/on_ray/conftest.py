"""What the tests on Ray share: one cluster of a head and three nodes, on this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from support.ray_cluster import RayNodes

# Ray reads these when it is imported, and its processes when they start.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    # When a node counts as dead: seconds after its end, not a quarter of a minute.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[RayNodes]:
    """Give a cluster; its logs and sockets are in a folder that goes with it."""
    # A short path, for sockets.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    os.environ["RAY_TMPDIR"] = folder
    nodes = RayNodes()
    try:
        yield nodes
    finally:
        nodes.close()
        shutil.rmtree(folder, ignore_errors=True)
