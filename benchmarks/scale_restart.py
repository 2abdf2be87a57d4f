"""How long a master takes to go on from its journal: `python -m benchmarks.scale_restart TASKS`.

The journal is that of a job of so many maps, all of which are complete but the last. It is written
to a temporary folder by the production code, then opened and replayed in a fresh process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from tempfile import TemporaryDirectory
from time import process_time

from benchmarks.places import CHECKOUT
from benchmarks.scale import resident_bytes
from zmr import messages as m
from zmr.core import journal as j
from zmr.core.master import Master
from zmr.journal.store import Journal
from zmr.net.master_server import collect_garbage_rarely

WORKERS = 10_000
JOB = "job"

_RECORDS_A_TURN = 1_000


def write(folder: str, tasks: int) -> None:
    """Write the journal."""
    journal = Journal(folder)
    records = _records(tasks)
    while turn := list(islice(records, _RECORDS_A_TURN)):
        journal.append(turn)
        journal.commit()
    journal.close()


def _records(tasks: int) -> Iterator[j.Record]:
    peers = [b"w%015d" % number for number in range(WORKERS)]
    yield j.EpochBegun(1)
    for number, peer in enumerate(peers):
        yield j.WorkerJoined(peer, m.Register(f"host:{number}", "host", number, 4))
    spec = m.JobSpec(JOB, "test", "test", b"", "", (), 10, "/out")
    inputs = tuple(
        m.InputFile(f"/some/folder/file-{n:07}.txt", 2_000_000, True) for n in range(tasks)
    )
    yield j.JobSubmitted(m.Submit(spec, inputs), 64 << 20, "")
    for index in range(tasks - 1):
        attempt = 1 << 32 | index + 1
        yield j.HandedOut(JOB, m.TaskKind.MAP, index, attempt, peers[index % WORKERS])
        path = f"/local/zmr-worker-abcdefgh/{JOB}/{index}.{attempt}"
        stats = m.Stats(index + 1000, index + 100_000, 500, 5000, 0.5)
        yield j.Completed(m.MapDone(JOB, index, attempt, path, stats, (("bad lines", index),)))


def restart(folder: str) -> str:
    """Go on from the journal; what that took, in words."""
    collect_garbage_rarely()  # as `zmr master` does
    began = process_time()
    journal = Journal(folder)
    opened = process_time()
    master = Master(2)
    master.restore(journal.read(), 0.0)
    ended = process_time()
    journal.close()
    status = master.jobs[JOB].status()
    assert status.maps_done == status.n_map - 1
    return (
        f"{status.n_map:,} tasks: journal checked in {opened - began:.1f} s of CPU, "
        f"replayed in {ended - opened:.1f} s; {resident_bytes() / 1e6:,.0f} MB in memory"
    )


def main() -> int:
    """One case: so many tasks, or the journal in a folder that is there."""
    (given,) = sys.argv[1:]
    if not given.isdecimal():
        print(restart(given))
        return 0
    with TemporaryDirectory(prefix="zmr-restart-") as folder:
        write(folder, int(given))
        command = [sys.executable, "-m", "benchmarks.scale_restart", folder]
        subprocess.run(command, check=True, cwd=CHECKOUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
