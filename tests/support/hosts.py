"""Hosts of their own on one machine: network namespaces on a bridge, which nobody else sees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.process import WAIT_S, ZMR

_NET, _NET_6 = "10.213.77", "fd77"


@dataclass(frozen=True)
class Hosts:
    """Namespaces that see each other."""

    mark: str
    names: str  # a letter each

    def address(self, host: str, version: int = 4) -> str:
        """Its IP address."""
        number = self.names.index(host) + 1
        return f"{_NET}.{number}" if version == 4 else f"{_NET_6}::{number}"

    def inside(self, host: str) -> list[str]:
        """How to start a program there."""
        return ["ip", "netns", "exec", f"{self.mark}{host}"]

    def program(self, host: str, *hidden: Path, names: Path | None = None) -> list[str]:
        """How to start zmr there, under a name of its own, with nothing to be seen in `hidden`.

        `names` is the file in which it looks up names of hosts.
        """
        mounts = "".join(f'mount -t tmpfs none "${n}" && ' for n in range(1, len(hidden) + 1))
        if names is not None:
            mounts += f"mount --bind '{names}' /etc/hosts && "
        script = f'hostname "$0" && {mounts}shift {len(hidden)} && exec "$@"'
        enter = [*self.inside(host), "unshare", "--uts", "--mount"]
        return [*enter, "sh", "-c", script, f"host-{host}", *map(str, hidden), *map(str, ZMR)]


@contextmanager
def made_hosts(names: str) -> Iterator[Hosts]:
    """Give hosts with these names, a letter each; skips the test where that can't be."""
    mark = f"zmr{os.getpid()}"
    hosts = Hosts(mark, names)
    with ExitStack() as stack:
        try:
            for name in (*names, "-"):
                ip("netns", "add", f"{mark}{name}")
                stack.callback(ip, "netns", "del", f"{mark}{name}")
            bridge = ("-n", f"{mark}-")
            ip(*bridge, "link", "add", "bridge", "type", "bridge")
            ip(*bridge, "link", "set", "bridge", "up")
            for name in names:
                end = ("type", "veth", "peer", "name", f"to-{name}", "netns", f"{mark}-")
                ip("link", "add", "end", "netns", f"{mark}{name}", *end)
                ip(*bridge, "link", "set", f"to-{name}", "master", "bridge", "up")
                there = ("-n", f"{mark}{name}")
                ip(*there, "address", "add", f"{hosts.address(name)}/24", "dev", "end")
                six = f"{hosts.address(name, 6)}/64"
                ip(*there, "address", "add", six, "dev", "end", "nodad")
                ip(*there, "link", "set", "end", "up")
                ip(*there, "link", "set", "lo", "up")
            subprocess.run(["unshare", "--uts", "--mount", "true"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces can't be made here: {error}")
        yield hosts


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, timeout=WAIT_S)
