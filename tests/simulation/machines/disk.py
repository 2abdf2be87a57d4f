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
    """Where the jobs' outputs are published, as `zmr.output.partition_file` does it.

    With links, the first to give a file its name wins. Without, a process looks whether the name is
    taken, and renames a little later, which replaces what has come between.
    """

    def __init__(self, has_links: bool) -> None:
        self.has_links = has_links
        self.files: dict[str, str] = {}

    def link(self, temporary: str, path: str) -> bool:
        """Whether the file has this name now, which it did not have. Raises `FileNotFoundError`."""
        content = self._take(temporary)
        return self.files.setdefault(path, content) is content

    def rename(self, temporary: str, path: str) -> None:
        """Give the file this name, whatever has it. Raises `FileNotFoundError`."""
        self.files[path] = self._take(temporary)

    def _take(self, temporary: str) -> str:
        if temporary not in self.files:
            raise FileNotFoundError(temporary)
        return self.files.pop(temporary)

    def remove_temporary(self, folder: str) -> None:
        """Remove what is in this temporary folder, and in those of steps beside it."""
        for path in [path for path in self.files if path.startswith((folder + "/", folder + "."))]:
            del self.files[path]

    def remove_files(self, folder: str) -> None:
        """Remove what was published in this folder."""
        for path in [path for path in self.files if path.rpartition("/")[0] == folder]:
            del self.files[path]
