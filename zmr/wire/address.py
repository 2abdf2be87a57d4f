"""TCP addresses, as values: parsed and shown. `zmr.sockets` binds and connects them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from zmr.errors import AddressError


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP endpoint: a host (name or IP address, IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name: it may mean any machine


def parse(text: str) -> Address:
    """The address that the user wrote: `tcp://host:port` or `host:port`. Raises `AddressError`."""
    rest = text.removeprefix("tcp://")
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in rest:
        raise AddressError(f"{text!r} is no address: write tcp://HOST:PORT")
    return Address(host, int(port))
