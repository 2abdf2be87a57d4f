"""The key with which a command connects to a master: given by its user, or found by the address.

A key that was given is right or an error. One that is found may be missing or outdated, as the
order in which things are started is free: it is looked for again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from zmr.errors import KeyFileError
from zmr.net.key_files import find_key, read_key
from zmr.net.keys import Key, Secret, parse
from zmr.wire.address import Address
from zmr.wire.roles import Role

VARIABLE = "ZMR_KEY"

# Whose keys will do for whom.
_SUFFICES = {
    Role.WATCH: (Role.WATCH, Role.CLIENT, Role.WORKER),
    Role.CLIENT: (Role.CLIENT,),
    Role.WORKER: (Role.WORKER,),
}


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key and where the user gave it: "ZMR_KEY", or the name of a file."""

    key: Secret | Key
    where: str


def given_key(key_file: str | None, is_insecure: bool) -> GivenKey | None:
    """The key of `--key-file` or of ZMR_KEY, which is taken out of the environment: user code need
    not have it. Raises `KeyFileError`; also if it is given twice, or together with `--insecure`.
    """
    text = os.environ.pop(VARIABLE, "")
    if (text or key_file) and is_insecure:
        what = "--key-file" if key_file else VARIABLE
        raise KeyFileError(f"--insecure is without keys, and {what} is one: leave one of them out")
    if text and key_file:
        raise KeyFileError(f"a key is given twice, by --key-file and by {VARIABLE}: leave one out")
    if text:
        return GivenKey(parse(text, VARIABLE), VARIABLE)
    if key_file:
        try:
            return GivenKey(read_key(key_file), key_file)
        except OSError as error:
            raise KeyFileError(f"can't read {key_file}: {error.strerror}") from None
    return None


class Keyring:
    """Has the key for one master. `is_insecure`: there is none, nor any encryption."""

    def __init__(
        self, address: Address, given: GivenKey | None = None, is_insecure: bool = False
    ) -> None:
        self.address = address
        self.given = given
        self.is_insecure = is_insecure

    def require(self, role: Role) -> None:
        """Raise `KeyFileError` if the key that was given is another role's."""
        if self.given is not None:
            self.find(role)

    def find(self, role: Role) -> Key | None:
        """The key for this role, None: there is none yet. Raises `KeyFileError`."""
        if self.given is not None:
            return _of_role(self.given.key, role, self.given.where)
        found = None if self.is_insecure else find_key(self.address)
        return None if found is None else _of_role(found[0], role, found[1])


def _of_role(key: Secret | Key, role: Role, where: str) -> Key:
    if isinstance(key, Secret):
        return key.key(role)
    if key.role not in _SUFFICES[role]:
        raise KeyFileError(
            f"the key in {where} is a {key.role.value} key, and a {role.value} key is needed: "
            f"beside the master, zmr key {role.value} ADDRESS prints one"
        )
    return key
