"""Where keys are kept: each master's in a file that commands of the same user find by its address.

    ~/.zmr/keys/HOST-PORT      (ZMR_HOME in place of ~/.zmr)

The folder and the files are for their owner alone, whatever the umask; what others could have
written or read is refused.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket as std_socket
import stat
import tempfile
from contextlib import suppress

from zmr.errors import KeyFileError
from zmr.net.keys import Key, Secret, parse
from zmr.wire.address import Address

_LARGEST_BYTES = 4096  # of a file: a key has about a hundred
_USUAL_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WILDCARDS = ("0.0.0.0", "::", "*")


def keys_folder() -> str:
    """Where the keys of this user's masters are."""
    home = os.environ.get("ZMR_HOME") or os.path.expanduser("~/.zmr")
    if home.startswith("~"):  # of a user without a home
        home = os.path.join(tempfile.gettempdir(), f".zmr-{os.geteuid()}")
    return os.path.join(home, "keys")


def paths_to_find(address: Address) -> list[str]:
    """The files in which the keys of a master at this address may be, the likeliest first."""
    host, here = address.host, _this_host()
    if host in _USUAL_LOOPBACK or host in _WILDCARDS:
        names = [here]
    elif address.is_loopback:
        names = [f"{here}-{host}"]
    else:
        names = [host, *([here] if _is_of_this_machine(host) else ()), _short(host)]
    return [_path(name, address.port) for name in dict.fromkeys(names)]


def paths_to_keep(address: Address) -> list[str]:
    """The files in which a master that listens at this address keeps its keys."""
    host, here = address.host, _this_host()
    if address.is_loopback and host not in _USUAL_LOOPBACK:
        names = [f"{here}-{host}"]
    else:
        names = [here, _short(here)]
        if host not in _USUAL_LOOPBACK + _WILDCARDS:
            names.append(host)
    return [_path(name, address.port) for name in dict.fromkeys(names)]


def _this_host() -> str:
    return std_socket.gethostname() or "localhost"


def _short(host: str) -> str:
    """The first part of a name; an IP address has none."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return host
    return host.partition(".")[0]


def _is_of_this_machine(host: str) -> bool:
    """Whether a name or an IP address is one of this machine's."""
    with suppress(OSError, UnicodeError):
        for family, kind, _, _, place in std_socket.getaddrinfo(
            host, 0, type=std_socket.SOCK_DGRAM
        ):
            with suppress(OSError), std_socket.socket(family, kind) as probe:
                probe.bind(place)  # only what is an address of an interface can be bound
                return True
    return False


def _path(name: str, port: int) -> str:
    return os.path.join(keys_folder(), f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{port}")


def read_key(path: str, is_found: bool = False) -> Secret | Key:
    """The key in a file. Raises `KeyFileError`, and OSError if there is no such file.

    One that was found, not named by the user, has to be that user's alone.
    """
    # O_NONBLOCK: somebody may have put a pipe there.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if is_found else 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"{path} is no file with a key")
        if is_found and status.st_uid != os.geteuid():
            raise KeyFileError(f"{path} belongs to another user: remove it")
        others = 0o077 if is_found else 0o007  # a group may share a file that was named
        if status.st_mode & others:
            raise KeyFileError(f"others can read {path}: chmod 600 it, and make a new key")
        data = os.read(descriptor, _LARGEST_BYTES)
    finally:
        os.close(descriptor)
    return parse(data.decode(errors="replace"), path)


def find_key(address: Address) -> tuple[Secret | Key, str] | None:
    """The key of a master at this address, and the file that it is in; None: there is none.

    Of several files it is the newest: a master that was killed may have left one under one of its
    names. Raises `KeyFileError`.
    """
    for path in sorted(paths_to_find(address), key=_age):
        with suppress(OSError):
            return read_key(path, is_found=True), path
    return None


def _age(path: str) -> float:
    """The smaller, the newer the file is."""
    try:
        return -os.stat(path).st_mtime
    except OSError:
        return 0.0


def write_key(path: str, secret: Secret, is_new: bool = False) -> None:
    """Write a file for its owner alone. Raises OSError; with `is_new` if there is one already.

    One that is there is replaced, whole or not at all.
    """
    written = f"{path}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(written, flags, 0o600)
    try:
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, f"{secret.text()}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not is_new:
            os.replace(written, path)
            return
        try:
            os.link(written, path)  # which replaces nothing
        except FileExistsError:
            raise
        except OSError:  # of a file system without links
            os.close(os.open(path, flags, 0o600))
            os.replace(written, path)
    finally:
        with suppress(OSError):
            os.unlink(written)


def require_private_folder(folder: str) -> None:
    """Have a folder be there that nobody else writes into. Raises `KeyFileError`, OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        raise KeyFileError(f"{folder} is no folder")
    if status.st_uid != os.geteuid():
        raise KeyFileError(f"{folder} belongs to another user: choose a folder with ZMR_HOME")
    if status.st_mode & 0o077:
        os.chmod(folder, 0o700)
