"""The addresses of a simulation, as people type them: right ones, and others that are refused."""

from __future__ import annotations

from random import Random

from zmr.errors import AddressError
from zmr.wire.address import Address, parse

# So many of the scenarios have workers that serve their map outputs at an address.
_WITH_ADDRESSES = 0.3

_HERE = ("localhost", "127.0.0.1", "127.8.8.8", "::1")
_ELSEWHERE = ("10.0.0.1", "example.org", "::", "0.0.0.0", "fe80::1", "localhost.example.org")
_PORTS = (1, 5555, 65535)
_NO_ADDRESSES = (
    *("", ":", "5555", ":5555", "tcp://:5555", "[]:5555", "localhost", "localhost:", "tcp://"),
    *("localhost:five", "localhost:0", "localhost:65536", "localhost:99999", "localhost:-1"),
    *("tcp://localhost:5555/x", "localhost:5/", "a/b:5555", "ipc:///tmp/a:5555", "localhost:1.5"),
)


class Addresses:
    """Those of one scenario."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"addresses {seed}")
        self._are_given = self._rng.random() < _WITH_ADDRESSES

    def shuffle_address(self) -> str:
        """Where a worker serves its map outputs; empty: nowhere."""
        if not self._are_given:
            return ""
        rng = self._rng
        self._check_no_address()
        is_here = rng.random() < 0.5
        host, port = rng.choice(_HERE if is_here else _ELSEWHERE), rng.choice(_PORTS)
        shown = f"[{host}]" if ":" in host else host
        text = rng.choice(["tcp://", ""]) + f"{shown}:{port}"
        address = parse(text)
        assert (address.host, address.port) == (host, port), f"{text} is read as {address}"
        assert str(address) == f"tcp://{shown}:{port}"
        assert address.is_loopback == is_here
        return str(address)

    def _check_no_address(self) -> None:
        text = self._rng.choice(_NO_ADDRESSES)
        assert _is_refused(text), f"{text!r} passes for an address"

    def check(self, text: str, owner: str) -> None:
        """A reduce is given the address of the worker that has what it needs."""
        assert text == owner, f"a reduce is sent to {text}, not to {owner}"
        assert not text or isinstance(parse(text), Address)


def _is_refused(text: str) -> bool:
    try:
        parse(text)
    except AddressError:
        return True
    return False
