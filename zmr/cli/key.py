"""`zmr key`: prints the keys of a master, makes one, and changes them."""

from __future__ import annotations

import click

from zmr.cli.base import Command
from zmr.cli.streams import to_stdout, write_stderr
from zmr.errors import KeyFileError, MasterLost
from zmr.net.client import Client
from zmr.net.key_files import find_key, keys_folder, write_key
from zmr.net.keyring import GivenKey, Keyring
from zmr.net.keys import Secret, new_secret
from zmr.wire.address import Address, parse
from zmr.wire.roles import Role

_NEW = "new"

# A master looks for a changed key twice a second.
_CHANGED_WITHIN_S = 10.0


@click.command(
    cls=Command,
    examples=(
        ("zmr key worker tcp://127.0.0.1:5555", "beside the master: for a worker elsewhere"),
        ("ZMR_KEY=... zmr worker tcp://10.0.0.5:5555", "and there"),
        ("zmr key new master.key", "a secret, to be given to a master with --key-file"),
        ("zmr key --rotate client tcp://127.0.0.1:5555", "who has the earlier one is out"),
    ),
)
@click.argument("what", type=click.Choice([*(role.value for role in Role), _NEW]))
@click.argument("where", metavar="ADDRESS|FILE")
@click.option("--rotate", is_flag=True, help="Change that key, at a running master of this user.")
def key(what: str, where: str, rotate: bool) -> int:
    """Print the key of that kind of the master at ADDRESS; or make a secret in FILE, a new one.

    watch lets its holder see jobs and workers (zmr status, zmr tail); client also submit and
    cancel; worker take part in the work. A client's or a worker's key is the right to run code on
    all workers. Commands of the user who started the master, on the same machine or with the same
    home folder, find their keys by themselves.

    FILE may be given to `zmr master` and all others with --key-file: all keys follow from it.
    """
    if what == _NEW:
        if rotate:
            raise click.UsageError("--rotate is for the keys of a running master")
        _make(where)
        return 0
    address = parse(where)
    secret, path = _found(address)
    role = Role(what)
    if rotate:
        secret = _rotated(secret, role, path, address)
    with to_stdout():
        click.echo(secret.key(role).text())
    return 0


def _make(file: str) -> None:
    try:
        write_key(file, new_secret(), is_new=True)
    except FileExistsError:
        raise KeyFileError(f"{file} is there already, and is left as it is") from None
    except OSError as error:
        raise KeyFileError(f"can't write {file}: {error.strerror}") from None


def _found(address: Address) -> tuple[Secret, str]:
    found = find_key(address)
    if found is not None and isinstance(found[0], Secret):
        return found[0], found[1]
    raise KeyFileError(
        f"no keys of a master at {address} in {keys_folder()}: it is not running, was started by "
        "another user or on another machine, or with --insecure"
    )


def _rotated(secret: Secret, role: Role, path: str, address: Address) -> Secret:
    """With another key for the role, which the master at the address has taken over."""
    changed = secret.rotated(role)
    try:
        write_key(path, changed)
    except OSError as error:
        raise KeyFileError(f"can't write {path}: {error.strerror}") from None
    keyring = Keyring(address, GivenKey(changed.key(role), path))
    client = Client(keyring, Role.WATCH, _CHANGED_WITHIN_S, is_patient=True)
    try:
        with client:
            client.snapshot()
    except MasterLost:
        raise MasterLost(
            f"the key is changed in {path}, but no master at {address} has taken it over"
        ) from None
    write_stderr(f"zmr: the {role.value} key is changed: who has the earlier one is out")
    return changed
