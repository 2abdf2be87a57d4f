"""A master's secret where it is kept, and what becomes of it while the master runs.

The secret is that of `--key-file` or ZMR_KEY, else the one in the state folder, else a new one at
each start. While the master listens, it is also in the files in which this user's commands look
for it (`zmr.net.key_files`); `zmr key --rotate` changes it there, and the master takes it over.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from zmr.errors import KeyFileError
from zmr.net.key_files import (
    keys_folder,
    paths_to_keep,
    read_key,
    require_private_folder,
    write_key,
)
from zmr.net.keyring import VARIABLE, GivenKey
from zmr.net.keys import Secret, new_secret
from zmr.wire.address import Address

log = logging.getLogger("zmr.master")

_FILE = "secret"  # in the state folder
_LOOK_EVERY_S = 0.5


class MasterKeys:
    """The secret of a master, from where it is given or kept. Raises `KeyFileError`.

    A `zmr.net.reactor.Timed`: looks for a change by `zmr key --rotate`, and reports it.
    """

    def __init__(self, given: GivenKey | None, state_dir: str | None) -> None:
        self._kept_in = ""
        self._is_of_variable = given is not None and given.where == VARIABLE
        self._paths: list[str] = []
        self._seen: dict[str, tuple[int, int]] = {}
        self._look_at = 0.0
        self.on_rotated: Callable[[], None] = lambda: None
        if given is not None:
            if not isinstance(given.key, Secret):
                raise KeyFileError(
                    f"{given.where} is a {given.key.role.value} key; a master needs a secret, "
                    "such as `zmr key new FILE` makes"
                )
            self.secret = given.key
            self._kept_in = given.where if given.where != VARIABLE else ""
        elif state_dir is not None:
            self._kept_in = os.path.join(os.path.abspath(state_dir), _FILE)
            self.secret = _kept_secret(self._kept_in)
        else:
            self.secret = new_secret()

    def publish(self, addresses: Iterable[Address]) -> None:
        """Write the files by which this user's commands find the keys at each of these addresses of
        the master, as far as that can be.
        """
        try:
            require_private_folder(keys_folder())
            for path in sorted({path for each in addresses for path in paths_to_keep(each)}):
                write_key(path, self.secret)
                self._paths.append(path)
        except (OSError, KeyFileError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            log.warning(
                "no command finds the key of this master by itself: can't keep it in %s (%s)",
                keys_folder(),
                why,
            )
        self._seen = self._stamps()

    def withdraw(self) -> None:
        """Remove those files; another master's, that has them by now, stay."""
        for path in self._paths:
            with suppress(OSError, KeyFileError):
                if read_key(path, is_found=True) == self.secret:
                    os.unlink(path)

    def next_deadline(self) -> float | None:
        """When to look for a change."""
        return self._look_at if self._paths else None

    def tick(self, now: float) -> None:
        """Look for a change."""
        self._look_at = now + _LOOK_EVERY_S
        if self._stamps() == self._seen:
            return
        before = self.secret
        kept = {path: self._kept(path) for path in self._paths}
        for changed in kept.values():
            if changed is not None:
                self.secret = self.secret.later(changed)
        for path, found in kept.items():
            # Gone, or changed while another role's was: as long as it is this master's.
            if found != self.secret and (found is None or found.seed == self.secret.seed):
                self._keep(path)
        self._seen = self._stamps()
        if self.secret != before:
            if self._kept_in:
                self._keep(self._kept_in)
            elif self._is_of_variable:
                log.warning(
                    "the changed key is kept nowhere: the next start takes that of %s", VARIABLE
                )
            self.on_rotated()

    def _kept(self, path: str) -> Secret | None:
        with suppress(OSError, KeyFileError):
            found = read_key(path, is_found=True)
            return found if isinstance(found, Secret) else None
        return None

    def _keep(self, path: str) -> None:
        try:
            write_key(path, self.secret)
        except OSError as error:
            log.error(
                "can't keep the changed key in %s (%s): the next start takes the earlier one",
                path,
                error.strerror,
            )

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """What changes with each of the files, which are replaced as a whole."""
        stamps = {}
        for path in self._paths:
            with suppress(OSError):
                status = os.stat(path)
                stamps[path] = status.st_ino, status.st_mtime_ns
        return stamps


def _kept_secret(path: str) -> Secret:
    """That in the state folder, or a new one that is there from now on."""
    try:
        try:
            kept = read_key(path, is_found=True)
        except FileNotFoundError:
            kept = new_secret()
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write_key(path, kept, is_new=True)
    except OSError as error:
        raise KeyFileError(f"can't use {path} (--state-dir): {error.strerror}") from None
    if not isinstance(kept, Secret):
        raise KeyFileError(f"{path} is no master's secret: remove it, and a new one is made")
    return kept
