"""Keys: what follows from a master's secret, as text and in files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.errors import KeyFileError
from zmr.net.key_files import (
    keys_folder,
    paths_to_find,
    paths_to_keep,
    read_key,
    require_private_folder,
    write_key,
)
from zmr.net.keyring import GivenKey, Keyring, given_key
from zmr.net.keys import Secret, new_secret, parse
from zmr.net.master_keys import MasterKeys
from zmr.wire.address import Address
from zmr.wire.address import parse as parse_address
from zmr.wire.roles import Role

SECRET = Secret(bytes(range(32)), (0, 3, 1))
seeds = st.binary(min_size=32, max_size=32)
generations = st.tuples(*[st.integers(0, 10**9 - 1)] * 3)


@given(seeds, generations)
def test_what_is_written_is_read_again(seed: bytes, generations: tuple[int, ...]) -> None:
    secret = Secret(seed, generations)
    assert parse(secret.text() + "\n", "") == secret
    for role in Role:
        key = secret.key(role)
        assert parse(key.text(), "") == key
        assert key.text().isascii()
        assert not set(key.text()) & set(" '\"$#&!*\\")


def test_all_keys_of_a_master_differ_and_none_is_a_part_of_another() -> None:
    keys = [SECRET.key(role) for role in Role] + [SECRET.rotated(r).key(r) for r in Role]
    assert len({key.pair.secret for key in keys} | {SECRET.pair().secret}) == 7
    assert {key.master for key in keys} == {SECRET.pair().public}
    assert len(SECRET.allowed()) == 3
    assert SECRET.allowed().keys() != SECRET.rotated(Role.WATCH).allowed().keys()
    assert len(SECRET.allowed().keys() & SECRET.rotated(Role.WATCH).allowed().keys()) == 2


def test_two_masters_have_nothing_in_common() -> None:
    one, other = new_secret(), new_secret()
    assert not one.allowed().keys() & other.allowed().keys()
    assert one.pair() != other.pair()


@pytest.mark.parametrize(
    "text",
    [
        *("", "secret", "secret.", "worker.abc", "admin." + "A" * 86, "worker." + "A" * 85),
        *("worker." + "ä" * 86, "secret." + "A" * 43, "secret." + "A" * 43 + ".0-0", "\0"),
        *("secret." + "A" * 43 + ".0-0-0-0", "worker." + "A" * 86 + " x", "client:" + "A" * 86),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(KeyFileError, match="ZMR_KEY is no key") as refused:
        parse(text, "ZMR_KEY")
    assert len(text) < 10 or text not in str(refused.value)


def test_no_secret_shows_where_values_are_printed() -> None:
    for text in (repr(SECRET), repr(SECRET.key(Role.WORKER)), repr(SECRET.pair())):
        assert SECRET.pair().secret.decode() not in text
        assert repr(SECRET.seed) not in text


# --- files -------------------------------------------------------------------------------------


def test_a_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    before = os.umask(0)
    try:
        write_key(str(file), SECRET)
        require_private_folder(str(tmp_path / "keys"))
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert read_key(str(file), is_found=True) == SECRET
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["key"]


def test_a_new_key_file_replaces_nothing(tmp_path: Path) -> None:
    write_key(str(tmp_path / "key"), SECRET, is_new=True)
    with pytest.raises(FileExistsError):
        write_key(str(tmp_path / "key"), new_secret(), is_new=True)
    write_key(str(tmp_path / "key"), SECRET.rotated(Role.WATCH))
    assert read_key(str(tmp_path / "key")) == SECRET.rotated(Role.WATCH)


@pytest.mark.parametrize(("mode", "is_found"), [(0o640, True), (0o604, True), (0o604, False)])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int, is_found: bool) -> None:
    file = tmp_path / "key"
    write_key(str(file), SECRET)
    file.chmod(mode)
    with pytest.raises(KeyFileError, match="others can read"):
        read_key(str(file), is_found)


def test_a_key_file_of_a_group_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_key(str(file), SECRET)
    file.chmod(0o440)
    assert read_key(str(file)) == SECRET


def test_what_is_no_file_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="is no file with a key"):
        read_key(str(tmp_path / "pipe"))
    write_key(str(tmp_path / "key"), SECRET)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    assert read_key(str(tmp_path / "link")) == SECRET
    with pytest.raises(OSError, match="symbolic links"):
        read_key(str(tmp_path / "link"), is_found=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_another_user_is_not_found(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_key(str(file), SECRET)
    os.chown(file, 65534, 65534)
    with pytest.raises(KeyFileError, match="belongs to another user"):
        read_key(str(file), is_found=True)
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(KeyFileError, match="belongs to another user"):
        require_private_folder(str(tmp_path))


def test_a_folder_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(KeyFileError, match="is no folder"):
        require_private_folder(str(tmp_path / "link"))


# --- by the address ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listens", "connects"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1", "::1", socket.gethostname()]),
        ("::1", ["localhost", "::1"]),
        ("0.0.0.0", ["127.0.0.1", socket.gethostname(), socket.gethostname().split(".")[0]]),
        ("127.0.0.2", ["127.0.0.2"]),
        ("node7.cluster.example", ["node7.cluster.example"]),
        ("192.0.2.7", ["192.0.2.7"]),
    ],
)
def test_who_connects_looks_where_a_master_keeps_its_keys(
    listens: str, connects: list[str]
) -> None:
    kept = set(paths_to_keep(Address(listens, 5555)))
    for host in connects:
        assert kept & set(paths_to_find(Address(host, 5555))), host
        assert not kept & set(paths_to_find(Address(host, 5556)))


def test_masters_at_two_loopback_addresses_have_files_of_their_own() -> None:
    one, other = (set(paths_to_keep(Address(f"127.0.0.{n}", 5555))) for n in (1, 2))
    assert not one & other


def test_a_name_can_not_leave_the_folder() -> None:
    for path in paths_to_find(Address("../../etc/passwd", 1)):
        assert os.path.basename(path).endswith("-1")
        assert "/etc/" not in path


# --- which key ---------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for keys, and no key given."""
    monkeypatch.setenv("ZMR_HOME", str(tmp_path))
    monkeypatch.delenv("ZMR_KEY", raising=False)
    return tmp_path


def test_a_key_is_found_as_soon_as_it_is_there(home: Path) -> None:
    address = parse_address("localhost:5555")
    keyring = Keyring(address)
    assert keyring.find(Role.WORKER) is None
    require_private_folder(str(home / "keys"))
    for path in paths_to_keep(address):
        write_key(path, SECRET)
    assert keyring.find(Role.WORKER) == SECRET.key(Role.WORKER)
    assert keyring.find(Role.WATCH) == SECRET.key(Role.WATCH)


def test_a_given_key_is_used_and_taken_out_of_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SECRET.key(Role.CLIENT)
    monkeypatch.setenv("ZMR_KEY", key.text())
    found = given_key(None, is_insecure=False)
    assert found == GivenKey(key, "ZMR_KEY")
    assert "ZMR_KEY" not in os.environ
    keyring = Keyring(parse_address("localhost:5555"), found)
    assert keyring.find(Role.CLIENT) == keyring.find(Role.WATCH) == key
    with pytest.raises(KeyFileError, match="is a client key, and a worker key is needed"):
        keyring.require(Role.WORKER)


def test_all_keys_follow_from_a_secret_that_is_given(home: Path) -> None:
    write_key(str(home / "secret"), SECRET)
    keyring = Keyring(parse_address("localhost:5555"), given_key(str(home / "secret"), False))
    for role in Role:
        assert keyring.find(role) == SECRET.key(role)


@pytest.mark.parametrize(
    ("variable", "file", "is_insecure", "wrong"),
    [
        ("x", None, False, "ZMR_KEY is no key"),
        ("x", "secret", False, "given twice"),
        ("x", None, True, "--insecure is without keys, and ZMR_KEY is one"),
        ("", "secret", True, "--insecure is without keys, and --key-file is one"),
        ("", "nothing", False, "can't read .*nothing: No such file"),
    ],
)
def test_a_key_that_can_not_be_used_is_an_error(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    file: str | None,
    is_insecure: bool,
    wrong: str,
) -> None:
    write_key(str(home / "secret"), SECRET)
    monkeypatch.setenv("ZMR_KEY", variable)
    with pytest.raises(KeyFileError, match=wrong):
        given_key(file and str(home / file), is_insecure)


def test_without_keys_none_is_looked_for(home: Path) -> None:
    keyring = Keyring(parse_address("localhost:5555"), given_key(None, True), is_insecure=True)
    require_private_folder(str(home / "keys"))
    for path in paths_to_keep(keyring.address):
        write_key(path, SECRET)
    assert keyring.find(Role.WORKER) is None


# --- while a master runs -----------------------------------------------------------------------


class Running:
    """The keys of a master that listens; what it was told of changes."""

    def __init__(self, given: GivenKey | None, state_dir: str | None = None) -> None:
        self.changes = 0
        self.keys = MasterKeys(given, state_dir)
        self.keys.on_rotated = self._on_rotated
        self.address = parse_address("localhost:5555")
        self.keys.publish([self.address])
        self._now = 0.0

    def _on_rotated(self) -> None:
        self.changes += 1

    def look(self) -> Secret:
        self._now += 10.0
        self.keys.tick(self._now)
        return self.keys.secret

    @property
    def files(self) -> list[str]:
        return paths_to_keep(self.address)


def test_a_change_in_a_file_is_taken_over_and_kept(home: Path) -> None:
    running = Running(None, str(home / "state"))
    first = running.keys.secret
    write_key(running.files[-1], first.rotated(Role.CLIENT))
    assert running.look() == first.rotated(Role.CLIENT)
    for path in (*running.files, str(home / "state" / "secret")):
        assert read_key(path, is_found=True) == first.rotated(Role.CLIENT)
    running.look()
    assert running.changes == 1


def test_changes_of_two_roles_at_once_are_both_taken(home: Path) -> None:
    running = Running(None)
    first = running.keys.secret
    write_key(running.files[0], first.rotated(Role.CLIENT))
    running.look()
    write_key(running.files[0], first.rotated(Role.WORKER))  # by one that had read the first
    both = first.rotated(Role.CLIENT).rotated(Role.WORKER)
    assert running.look() == both
    assert read_key(running.files[0], is_found=True) == both


@pytest.mark.parametrize("kind", ["gone", "no key", "earlier"])
def test_a_file_that_is_spoiled_is_written_again(home: Path, kind: str) -> None:
    running = Running(None)
    changed = running.keys.secret.rotated(Role.WATCH)
    write_key(running.files[0], changed)
    running.look()
    if kind == "gone":
        os.unlink(running.files[0])
    elif kind == "no key":
        Path(running.files[0]).write_text("garbage")
    else:
        write_key(running.files[0], Secret(changed.seed))
    assert running.look() == changed
    assert read_key(running.files[0], is_found=True) == changed
    assert running.changes == 1


def test_the_file_of_another_master_is_left_alone(home: Path) -> None:
    running = Running(None)
    first, other = running.keys.secret, new_secret()
    write_key(running.files[0], other)
    assert running.look() == first
    running.keys.withdraw()
    assert read_key(running.files[0], is_found=True) == other
    assert not running.changes


def test_a_change_that_is_kept_nowhere_is_said(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(GivenKey(SECRET, "ZMR_KEY"))
    write_key(running.files[0], SECRET.rotated(Role.WORKER))
    with caplog.at_level("WARNING", "zmr.master"):
        running.look()
    assert "the next start takes that of ZMR_KEY" in caplog.text


def test_the_newest_of_several_files_is_the_key(home: Path) -> None:
    require_private_folder(str(home / "keys"))
    address = Address("here.example", 5555)
    old, new = paths_to_find(address)
    write_key(old, new_secret())
    write_key(new, SECRET)
    os.utime(old, (1, 1))
    assert Keyring(address).find(Role.WATCH) == SECRET.key(Role.WATCH)


def test_a_user_without_a_home_has_a_folder_for_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZMR_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert os.path.isabs(keys_folder())
