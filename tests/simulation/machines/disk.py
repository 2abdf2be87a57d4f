"""The disks: one for each worker's map outputs, and the one with the jobs' output folders."""

from __future__ import annotations

from .oracle import Pairs


class DiskFull(Exception):
    """As ENOSPC."""


class Disk:
    """A worker's local disk."""

    def __init__(self, room_records: int) -> None:
        self.room_records = room_records
        self.is_full = False  # by somebody else
        self.files: dict[str, tuple[Pairs, ...]] = {}
        self.corrupt: set[str] = set()

    def write(self, path: str, content: tuple[Pairs, ...]) -> None:
        """Raises `DiskFull`."""
        used = sum(_size(file) for file in self.files.values())
        if self.is_full or used + _size(content) > self.room_records:
            raise DiskFull
        self.files[path] = content

    def read(self, path: str) -> tuple[Pairs, ...] | None:
        return None if path in self.corrupt else self.files.get(path)

    def remove(self, path: str) -> None:
        self.files.pop(path, None)
        self.corrupt.discard(path)

    def remove_folder(self, folder: str) -> None:
        for path in [path for path in self.files if path.startswith(folder + "/")]:
            self.remove(path)


def _size(content: tuple[Pairs, ...]) -> int:
    return 1 + sum(len(pairs) for pairs in content)


class OutputFolder:
    """Where the jobs' outputs are published: the first to give a file its name wins."""

    def __init__(self, has_links: bool) -> None:
        self.has_links = has_links
        self.files: dict[str, str] = {}

    def publish(self, path: str, content: str) -> bool:
        """Whether this has the name now, and nothing had it before."""
        return self.files.setdefault(path, content) is content

    def remove_folder(self, folder: str) -> None:
        for path in [path for path in self.files if path.startswith(folder + "/")]:
            del self.files[path]
