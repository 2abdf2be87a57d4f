"""A connection with a master, made and made again with the key that there is by then.

libzmq connects again by itself after most failures, but with the same key, and after a refused key
never. A monitor of the socket tells what became of each handshake: so a wrong key is not taken for
a master that is not there.
"""

from __future__ import annotations

import socket as std_socket
from contextlib import suppress

import zmq

from zmr.errors import KeyRefused
from zmr.net.key_files import paths_to_find
from zmr.net.keyring import GivenKey, Keyring
from zmr.net.keys import Key
from zmr.net.monitor import Monitor
from zmr.sockets import addresses
from zmr.sockets.curve import present
from zmr.wire.address import Address
from zmr.wire.roles import Role

_WATCHED = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)

_EVENTS_A_TURN = 100

# A key that is missing or outdated is looked for again so often.
_LOOK_AGAIN_S = 0.05

# So many failures in a row are worth a question why: one may be a master that ended just then.
_SUSPICIOUS = 2

_GREETING_BYTES = 64
_MECHANISM = slice(12, 32)  # of a ZMTP 3 greeting (http://rfc.zeromq.org/spec:23)
_PROBE_S = 0.5


class Connection:
    """That of a DEALER which belongs to the caller; `monitor` tells when `on_monitor` is due.

    With `is_patient`, also a key that was given may be taken later.
    All methods raise `KeyRefused` or `KeyFileError` when it will never work.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        keyring: Keyring,
        role: Role,
        is_patient: bool = False,
    ) -> None:
        self._monitor = Monitor(socket, _WATCHED)
        self.is_up = False  # the latest connection has been, as far as is known
        self.n_connects = 0  # what was sent before the latest, and not answered, may be lost
        self.n_handshakes = 0
        self.address = keyring.address
        self._socket = socket
        self._keyring = keyring
        self._role = role
        self._is_patient = is_patient
        self.key: Key | None = None  # with which it was connected
        self._endpoint = ""
        self._failures = 0
        self._seen_mechanism = ""
        self._retry_at: float | None = None

    def connect(self, now: float) -> None:
        """Connect, or connect again, with the key that there is; or as soon as there is one."""
        self._retry_at = None
        self.is_up = False
        if self._endpoint:
            with suppress(zmq.ZMQError):  # libzmq may have given it up itself
                self._socket.disconnect(self._endpoint)
            self._endpoint = ""
        if not self._keyring.is_insecure:
            self.key = self._keyring.find(self._role)
            if self.key is None:
                self._retry_at = now + _LOOK_AGAIN_S
                return
            present(self._socket, self.key.master, self.key.pair)
        addresses.connect(self._socket, self._keyring.address)
        self._endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.n_connects += 1

    def next_deadline(self) -> float | None:
        """When `tick` is due."""
        return self._retry_at

    def tick(self, now: float) -> None:
        """Look whether there is another key by now."""
        if self._retry_at is None or now < self._retry_at:
            return
        self._retry_at = None
        if self._failures or self._keyring.find(self._role) != self.key:
            self.connect(now)
        elif not self.has_key:
            self._retry_at = now + _LOOK_AGAIN_S

    @property
    def monitor(self) -> zmq.Socket[bytes]:
        """Readable when `on_monitor` is due."""
        return self._monitor.socket

    @property
    def has_key(self) -> bool:
        """Whether it has one, or needs none."""
        return self.key is not None or self._keyring.is_insecure

    def on_monitor(self, now: float) -> None:
        """Take in what became of handshakes."""
        for event in self._monitor.told(_EVENTS_A_TURN):
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._failures = 0
                self._seen_mechanism = ""
                self.is_up = True
                self.n_handshakes += 1
            else:
                self._failures += 1
                self._on_failure(event, now)

    def why_waiting(self) -> str:
        """What is missing, and what to do about it, as long as there is no key."""
        address = self._keyring.address
        return (
            f"no master of this user keeps a key for {address} in {paths_to_find(address)[0]}; for "
            f"one of another user or machine set ZMR_KEY to what `zmr key {self._role.value} "
            "ADDRESS` prints there"
        )

    def suspicion(self) -> str:
        """What the handshakes say of a master that does not answer, behind its address."""
        if not self.has_key:
            return f": {self.why_waiting()}"
        if not self._failures or self._keyring.is_insecure:
            return ""
        given = self._keyring.given
        where = given.where if given is not None else paths_to_find(self.address)[0]
        return f": who is there does not take the key in {where}"

    def close(self) -> None:
        """Stop to watch the socket, which is closed by its owner."""
        self._monitor.close()

    def _on_failure(self, event: int, now: float) -> None:
        given = self._keyring.given
        if self._is_patient or (given is None and not self._keyring.is_insecure):
            if self._retry_at is None:
                self._retry_at = now + _LOOK_AGAIN_S  # the file will be written, or is outdated
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and given is not None:
            raise KeyRefused(
                f"the master at {self.address} refuses the key in {given.where}: it has been "
                "changed, or is for nothing that this master knows"
            )
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL or self._failures >= _SUSPICIOUS:
            # Who has begun to listen just now may still take the key: once more, then.
            before, self._seen_mechanism = self._seen_mechanism, mechanism_of(self.address)
            if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL or before == self._seen_mechanism:
                self._refuse(given, self._seen_mechanism)

    def _refuse(self, given: GivenKey | None, mechanism: str) -> None:
        """Raise `KeyRefused` if this is no master for that key."""
        if given is None and mechanism == "CURVE":
            raise KeyRefused(f"the master at {self.address} wants a key: leave --insecure out")
        if given is not None and mechanism == "CURVE":
            raise KeyRefused(
                f"the key in {given.where} is that of another master than the one at {self.address}"
            )
        if given is not None and mechanism == "NULL":
            raise KeyRefused(
                f"the master at {self.address} has been started with --insecure, without keys"
            )


def mechanism_of(address: Address) -> str:
    """How who listens there wants to be spoken to: "CURVE", "NULL"; empty: nobody said anything."""
    greeting = b""
    signature = b"\xff" + bytes(8) + b"\x7f"
    try:
        with std_socket.create_connection((address.host, address.port), _PROBE_S) as probe:
            probe.settimeout(_PROBE_S)
            # No more: who knows our mechanism, and has another one, says nothing of its own.
            probe.sendall(signature + b"\x03\x01")
            while len(greeting) < _GREETING_BYTES and (data := probe.recv(_GREETING_BYTES)):
                greeting += data
    except (OSError, UnicodeError):
        pass
    is_whole = len(greeting) >= _GREETING_BYTES and greeting[:1] == b"\xff"
    return greeting[_MECHANISM].rstrip(b"\0").decode(errors="replace") if is_whole else ""
