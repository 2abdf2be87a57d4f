"""A master's secret, and the keys that are derived from it: who may talk to it, and as what.

All keys of a master follow from 32 random bytes: its own key pair, and one for each role, by
HMAC-SHA256 (RFC 2104) over what the key is for. Any 32 bytes are a secret half of CURVE. A role's
key changes with its generation; what had the earlier one is refused from then on.

As text, on one line, for a file or an environment variable:

    secret.SEED.W-C-K     SEED: 32 bytes in base64url; the generations of watch, client and worker
    worker.KEYS           KEYS: the master's public half, and the secret half of this role's key
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from zmq.utils import z85

from zmr.errors import KeyFileError
from zmr.sockets.curve import KEY_BYTES, KeyPair, from_text, pair_of, to_text
from zmr.wire.roles import Role

_ROLES = tuple(Role)
_SECRET = re.compile(r"secret\.([A-Za-z0-9_-]{43})\.(\d{1,9})-(\d{1,9})-(\d{1,9})").fullmatch
_KEY = re.compile(r"(watch|client|worker)\.([A-Za-z0-9_-]{86})").fullmatch


@dataclass(frozen=True, slots=True)
class Key:
    """What a peer has to have: its master's public half in Z85, and the key pair of its role."""

    role: Role
    master: bytes
    pair: KeyPair

    def text(self) -> str:
        """All of it on one line, for another machine."""
        return (
            f"{self.role.value}.{to_text(z85.decode(self.master) + z85.decode(self.pair.secret))}"
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """A master's, and how often each role's key has been changed."""

    seed: bytes = field(repr=False)
    generations: tuple[int, ...] = (0,) * len(_ROLES)  # in the order of `Role`

    def text(self) -> str:
        """All of it on one line, for a file."""
        return f"secret.{to_text(self.seed)}.{'-'.join(map(str, self.generations))}"

    def pair(self) -> KeyPair:
        """The master's own."""
        return self._derive("master")

    def key(self, role: Role) -> Key:
        """What a peer of this role has to have."""
        generation = self.generations[_ROLES.index(role)]
        return Key(role, self.pair().public, self._derive(f"{role.value} {generation}"))

    def rotated(self, role: Role) -> Secret:
        """The same with a new key for this role."""
        of_role = _ROLES.index(role)
        changed = (n + (i == of_role) for i, n in enumerate(self.generations))
        return replace(self, generations=tuple(changed))

    def later(self, other: Secret) -> Secret:
        """The same with the later key of each role; of another master, as it is."""
        if other.seed != self.seed:
            return self
        pairs = zip(self.generations, other.generations, strict=True)
        return replace(self, generations=tuple(map(max, pairs)))

    def allowed(self) -> Mapping[bytes, Role]:
        """The role of each public half, as bytes, that the master takes."""
        return {z85.decode(self.key(role).pair.public): role for role in _ROLES}

    def _derive(self, purpose: str) -> KeyPair:
        return pair_of(hmac.digest(self.seed, f"zmr 1 {purpose}".encode(), "sha256"))


def new_secret() -> Secret:
    """One that nobody has had before."""
    return Secret(secrets.token_bytes(KEY_BYTES))


def parse(text: str, where: str) -> Secret | Key:
    """What `Secret.text` or `Key.text` gave. `where` it is from is in the error.

    Raises `KeyFileError`, which does not show the text: it may be most of a key.
    """
    text = text.strip()
    try:
        if found := _SECRET(text):
            return Secret(from_text(found[1]), tuple(map(int, found.groups()[1:])))
        if found := _KEY(text):
            both = from_text(found[2])
            master, own = both[:KEY_BYTES], both[KEY_BYTES:]
            return Key(Role(found[1]), z85.encode(master), pair_of(own))
    except ValueError:
        pass
    raise KeyFileError(
        f"{where} is no key: `zmr key worker ADDRESS`, beside the master, prints one; "
        "`zmr key new FILE` makes one for a master"
    )
