"""The connection of a peer with its master: when it looks for a key."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from zmr.net.connection import Connection
from zmr.net.key_files import paths_to_keep, require_private_folder, write_key
from zmr.net.keyring import Keyring
from zmr.net.keys import new_secret
from zmr.wire.address import parse
from zmr.wire.roles import Role


def test_a_key_that_is_not_there_yet_is_looked_for_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZMR_HOME", str(tmp_path))
    monkeypatch.delenv("ZMR_KEY", raising=False)
    address = parse("tcp://127.0.0.1:9")
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        connection = Connection(socket, Keyring(address), Role.WATCH)
        connection.connect(0.0)
        looks = 0
        while (due := connection.next_deadline()) is not None and due < 2.0:
            connection.tick(due)
            looks += 1
        assert looks > 20
        assert connection.n_connects == 0
        require_private_folder(str(tmp_path / "keys"))
        for path in paths_to_keep(address):
            write_key(path, new_secret())
        due = connection.next_deadline()
        assert due is not None
        connection.tick(due)
        assert connection.has_key
        assert connection.n_connects == 1
        connection.close()
