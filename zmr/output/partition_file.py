"""The output file of one partition, from its first line to its place in the output folder.

Lines go to a file of the attempt's own, beside the target. Publishing links it to its final name,
and a link never replaces: a file that has that name already stays, and a late attempt returns the
description of that file. Readers therefore see one whole file or none, and never two. The attempt's
own name of it stays until the job ends: it shows that the file was published by an attempt, and not
put there by another program. The names are on the disk when `_SUCCESS` is: that is one sync of the
folder, and not one for each file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from zmr.checksum import crc32
from zmr.messages import OutputFile
from zmr.output.durable_file import DurableFile
from zmr.output.folder import SUCCESS
from zmr.pipeline_steps import temporary_folder, whole_output

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class PartitionFile:
    """An output file being written: `write`, then `finish`, then `publish` or `discard`."""

    def __init__(self, folder: str, job_id: str, name: str, attempt: int) -> None:
        """Raises OSError if the file can't be made."""
        self.folder = folder
        self.name = name
        self.size_bytes = 0
        self._checksum = 0
        self._is_published = False
        self._pid = os.getpid()
        self._temporary_folder = temporary_folder(folder, job_id)
        self._temporary = os.path.join(self._temporary_folder, f"{name}.{attempt}")
        os.makedirs(self._temporary_folder, exist_ok=True)
        while os.path.lexists(self._temporary):  # of a slot that was killed: it may be published
            self._temporary += "-"
        # What goes from one step of a pipeline to the next is read soon.
        self._file = DurableFile(self._temporary, past_cache=whole_output(folder) == folder)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._checksum = crc32(data, self._checksum)
        self.size_bytes += len(data)

    def finish(self, is_synced: bool = True) -> None:
        """Have everything on the disk, as must be before the file is published: or not, where a
        machine that ends has the whole job end, which then does so before `_SUCCESS` is written.
        """
        self._file.finish(is_synced)

    def publish(self) -> OutputFile:
        """Give the file its final name, unless that is taken; what now has that name.

        Raises OSError, also if the file that has it was published by no attempt of the job. That is
        not known where the file system has no links.
        """
        final = os.path.join(self.folder, self.name)
        try:
            os.link(self._temporary, final)
            self._is_published = True
        except FileExistsError:
            self._require_own(final)
            return describe(self.folder, self.name)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.exists(final):
                return describe(self.folder, self.name)
            os.rename(self._temporary, final)
        finally:
            self.discard()
        return self.written()

    def written(self) -> OutputFile:
        """What was written."""
        return OutputFile(self.name, self.size_bytes, f"crc32:{self._checksum:08x}")

    def discard(self) -> None:
        """Remove what is not published."""
        if os.getpid() != self._pid:
            return  # a child that user code forked, and that ended by an exception: not its file
        self._file.close()
        if not self._is_published:
            _ignoring_errors(os.unlink, self._temporary)
        if os.path.exists(os.path.join(whole_output(self.folder), SUCCESS)):
            # The job is over and its temporary folder removed; this late attempt made it again.
            _ignoring_errors(os.removedirs, self._temporary_folder)

    def _require_own(self, final: str) -> None:
        """Raise OSError unless an attempt has the file as its own, too."""
        inode = os.stat(final).st_ino
        with os.scandir(self._temporary_folder) as entries:
            attempts = [each for each in entries if each.name.startswith(f"{self.name}.")]
        if all(attempt.inode() != inode for attempt in attempts):
            why = f"{self.name} is there, and the job has not written it"
            raise FileExistsError(errno.EEXIST, why, final)


def describe(folder: str, name: str) -> OutputFile:
    """Name, size and checksum of an output file, which is read. Raises OSError."""
    size_bytes = checksum = 0
    with open(os.path.join(folder, name), "rb") as file:
        while block := file.read(1 << 20):
            checksum = crc32(block, checksum)
            size_bytes += len(block)
    return OutputFile(name, size_bytes, f"crc32:{checksum:08x}")


def _ignoring_errors(remove: Callable[[str], None], path: str) -> None:
    with suppress(OSError):
        remove(path)
