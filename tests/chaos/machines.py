"""The processes of one chaos: a master on its journal, and workers with a local folder each."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.cluster import Cluster
from support.process import LEAK_GRACE_S, Argument, Command, Zmr

_MASTER = ("--lost-after", "2")
_LOCAL_DISK_BYTES = 4 * 1024 * 1024


class WorkerSeat:
    """A place for a worker process: its options and its local folder stay, processes come and go.

    `is_small`: its folder is a file system of its own, small enough to be filled.
    """

    def __init__(self, folder: Path, options: tuple[Argument, ...], is_small: bool) -> None:
        self.folder = folder
        self.options = options
        self.process: Command | None = None
        folder.mkdir()
        self.is_small = is_small and _mount(folder)

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.running

    @property
    def map_outputs(self) -> list[Path]:
        return [path for path in self.folder.glob("zmr-worker-*/*/*-map-*") if not path.suffix]

    def fill(self) -> None:
        """Leave no room on its disk."""
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(4096)):
                    pass
            except OSError:
                return

    def make_room(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def unmount(self) -> None:
        if self.is_small:
            subprocess.run(["umount", "-l", self.folder], check=True)
            self.is_small = False


class Machines:
    """A master and `seats` for workers."""

    def __init__(self, zmr: Zmr, port: int) -> None:
        self.zmr = zmr
        self.cluster = Cluster(zmr)
        self.seats: list[WorkerSeat] = []
        self._port = port

    def start_master(self) -> None:
        self.cluster.start_master(
            "--state-dir", self.zmr.folder / "state", *_MASTER, port=self._port
        )

    @property
    def master(self) -> Command:
        return self.cluster.master

    def add_seat(self, *options: Argument, is_small: bool = False) -> None:
        folder = self.zmr.folder / f"local-{len(self.seats)}"
        self.seats.append(WorkerSeat(folder, options, is_small))

    def start_worker(self, seat: WorkerSeat) -> None:
        seat.process = self.cluster.start_worker("--local-dir", seat.folder, *seat.options, slots=2)

    def cancel(self, job_id: str) -> Command:
        """Start `zmr cancel`, which may have to wait for the master."""
        return self.zmr.start("cancel", self.cluster.address, job_id, "--timeout", "60")

    @property
    def up(self) -> list[WorkerSeat]:
        return [seat for seat in self.seats if seat.is_up]

    def descriptors(self) -> dict[int, int]:
        """How many file descriptors master and workers have open, by process id."""
        commands = [self.master, *(seat.process for seat in self.up if seat.process)]
        return {one.pid: len(os.listdir(f"/proc/{one.pid}/fd")) for one in commands}

    def stop(self) -> None:
        """End all of them as a person would: workers first, so that no one is waited for."""
        processes = [seat.process for seat in self.up if seat.process is not None]
        for process in processes:
            process.send(signal.SIGTERM)
        ends = [process.wait() for process in processes]
        assert all(end == 128 + signal.SIGTERM for end in ends), f"workers ended with {ends}"
        self.master.send(signal.SIGTERM)
        assert self.master.wait() == 128 + signal.SIGTERM, str(self.master)

    def check_nothing_is_left(self) -> None:
        """Fail if a process or a temporary file is, after `stop`."""
        until(lambda: not self.zmr.processes(), LEAK_GRACE_S)
        processes = self.zmr.processes()
        assert not processes, f"left running: {processes}"
        folders = [self.zmr.temporary, *(seat.folder for seat in self.seats)]
        files = [str(path) for folder in folders for path in folder.iterdir()]
        assert not files, f"temporary files are left: {files}"

    def unmount(self) -> None:
        """Take the small disks away."""
        for seat in self.seats:
            seat.unmount()


def children(pid: int) -> list[int]:
    """The process ids of the children, as far as they still are."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def pause(duration_s: float) -> None:
    """Let the processes do what they do."""
    select.select([], [], [], duration_s)


def until(is_so: Callable[[], bool], limit_s: float) -> bool:
    """Whether it becomes so, looked at now and then."""
    looks = max(1, int(limit_s / 0.05))
    for _ in range(looks):
        if is_so():
            return True
        pause(0.05)
    return is_so()


def _mount(folder: Path) -> bool:
    """Whether the folder is a small file system of its own now, which needs privileges."""
    if os.geteuid() != 0:
        return False
    options = f"size={_LOCAL_DISK_BYTES}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
