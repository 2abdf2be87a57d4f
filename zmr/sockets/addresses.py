"""Addresses on sockets: bound and connected, and how others reach what is bound."""

from __future__ import annotations

import socket as std_socket
from contextlib import suppress

import zmq

from zmr.errors import AddressError
from zmr.wire.address import Address

# All interfaces, of IPv4 and where there is one of IPv6.
WILDCARD = "*"

_ELSEWHERE = Address("192.0.2.1", 9)  # no machine has it (RFC 5737)

# How long to wait for libzmq to have closed a port.
_MOST_TRIES = 200
_AGAIN_MS = 5


def bind(socket: zmq.Socket[bytes], address: Address, flag: str) -> Address:
    """Bind the socket; port 0 picks a free one. `flag` is what the user can change.

    Returns the address with its real port. Raises `AddressError`.
    """
    if address.host == WILDCARD:
        socket.setsockopt(zmq.IPV6, int(_has_ipv6()))
    elif ":" in address.host:
        socket.setsockopt(zmq.IPV6, 1)
    try:
        # Port 0 is for libzmq "*"; names are resolved by it, except for this one.
        host = "127.0.0.1" if address.host == "localhost" else address.host
        shown = f"[{host}]" if ":" in host else host
        # With IPv6, libzmq takes IPv4 at the same port, too.
        socket.bind(f"tcp://{shown}:{address.port or '*'}")
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise AddressError(
                f"{address} is in use: choose another port with {flag} (0 picks a free one)"
            ) from None
        raise AddressError(f"can't listen at {address}: {error.strerror}") from None
    endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    return Address(address.host, int(endpoint.rpartition(":")[2]))


def usable_from_elsewhere(address: Address, socket: zmq.Socket[bytes]) -> Address:
    """The address by which other machines reach a socket that was bound at this one.

    It is one of loopback if they can't: as a name may mean on this machine (Debian has its own name
    at 127.0.1.1). Of all interfaces it is the one that leads out; where none does, they stay all.
    """
    if address.host in ("0.0.0.0", "::", WILDCARD):
        with suppress(OSError):
            return Address(interface_towards(_ELSEWHERE), address.port)
        return address
    bound = socket.getsockopt_string(zmq.LAST_ENDPOINT).removeprefix("tcp://").rpartition(":")[0]
    at = Address(bound.strip("[]"), address.port)
    return at if at.is_loopback and not address.is_loopback else address


def interface_towards(address: Address) -> str:
    """The IP address of the interface by which this machine reaches another one.

    Raises OSError, or UnicodeError for what can be no name.
    """
    if address.is_loopback:
        return "::1" if ":" in address.host else "127.0.0.1"
    found = std_socket.getaddrinfo(address.host, address.port, type=std_socket.SOCK_DGRAM)
    family, kind, protocol, _, place = found[0]
    with std_socket.socket(family, kind, protocol) as probe:
        probe.connect(place)  # of a datagram socket: nothing is sent
        host: str = probe.getsockname()[0]
    return host


def bind_ipc(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Bind the socket at `ipc://PATH`. Raises `AddressError`."""
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise AddressError(f"can't listen at {endpoint}: {error.strerror}") from None


def rebind(socket: zmq.Socket[bytes]) -> None:
    """End all connections of a bound socket, and take new ones at the same address.

    Raises `AddressError` if that has been taken by somebody else meanwhile.
    """
    endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    socket.unbind(endpoint)
    for _ in range(_MOST_TRIES):
        try:
            socket.bind(endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise AddressError(f"can't listen at {endpoint}: {error.strerror}") from None
        zmq.Poller().poll(_AGAIN_MS)  # libzmq lets go of it in a thread of its own
    raise AddressError(f"{endpoint} is in use by another program")


def _has_ipv6() -> bool:
    with suppress(OSError), std_socket.socket(std_socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return True
    return False


def connect(socket: zmq.Socket[bytes], address: Address) -> None:
    """Connect the socket, now or as soon as a peer listens there. Raises `AddressError`."""
    socket.setsockopt(zmq.IPV6, int(_needs_ipv6(address.host)))
    try:
        socket.connect(str(address))
    except zmq.ZMQError as error:
        raise AddressError(f"can't connect to {address}: {error.strerror}") from None


def _needs_ipv6(host: str) -> bool:
    """Whether it has addresses of IPv6 alone. A name that has both is reached by IPv4: libzmq would
    try one of them only, whichever comes first (libzmq#4313).
    """
    if ":" in host:
        return True
    try:
        found = std_socket.getaddrinfo(host, None, type=std_socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # it may resolve later; then it is asked again
    families = {family for family, *_ in found}
    return std_socket.AF_INET6 in families and std_socket.AF_INET not in families
