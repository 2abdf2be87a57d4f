"""What happens to the processes and to their files, drawn from the seed; and how it is undone."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from time import monotonic

from support.process import Command

from .machines import Machines, WorkerSeat, children

_LONGEST_STOP_S = 4.0


class Accidents:
    def __init__(self, machines: Machines, rng: Random, tell: Callable[[str], None]) -> None:
        self._machines = machines
        self._rng = rng
        self._tell = tell
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.happened: Counter[str] = Counter()
        self.submits: list[Command] = []  # of the jobs that run
        self.cancels: dict[str, Command] = {}  # by the job's id

    def happen(self) -> None:
        """One accident, to whom it may concern."""
        self.undo_what_is_due()
        accident = self._rng.choice(_ACCIDENTS)
        up = self._machines.up
        if up and accident(self, self._rng.choice(up)):
            what = accident.__name__.strip("_").replace("_", " ")
            self.happened[what] += 1
            self._tell(what)

    def undo_what_is_due(self) -> None:
        """Whoever has been away for long enough comes back."""
        now = monotonic()
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()

    def end(self) -> None:
        """All come back."""
        undo, self._undo = self._undo, []
        for _, each in undo:
            each()

    def _later(self, longest_s: float, undo: Callable[[], None]) -> None:
        self._undo.append((monotonic() + self._rng.random() * longest_s, undo))

    # --- processes ---

    def _kill_worker(self, seat: WorkerSeat) -> bool:
        assert seat.process is not None
        seat.process.send(signal.SIGKILL)
        seat.process.wait()
        self._later(2.0, lambda: self._machines.start_worker(seat))
        return True

    def _ask_worker_to_leave(self, seat: WorkerSeat) -> bool:
        process = seat.process
        assert process is not None
        process.send(signal.SIGTERM)
        process.send(signal.SIGTERM)
        # One that is stopped hears nothing; and who hears the two as one hands in its task to the
        # master before it leaves, and needs that. Nobody goes on while this waits.
        self.end()
        process.wait()
        self._later(1.0, lambda: self._machines.start_worker(seat))
        return True

    def _stop_worker(self, seat: WorkerSeat) -> bool:
        assert seat.process is not None
        return self._stop(seat.process.pid)

    def _kill_fork_server(self, seat: WorkerSeat) -> bool:
        return self._send_to_one(self._fork_servers(seat), signal.SIGKILL)

    def _kill_slot(self, seat: WorkerSeat) -> bool:
        return self._send_to_one(self._slots(seat), signal.SIGKILL)

    def _stop_slot(self, seat: WorkerSeat) -> bool:
        slots = self._slots(seat)
        return bool(slots) and self._stop(self._rng.choice(slots))

    def _kill_master(self, _: WorkerSeat) -> bool:
        master = self._machines.master
        master.send(signal.SIGKILL)
        master.wait()
        self._machines.start_master()
        return True

    def _stop_master(self, _: WorkerSeat) -> bool:
        return self._stop(self._machines.master.pid)

    def _stop(self, pid: int) -> bool:
        """For a while. Who is killed meanwhile can't be told to go on."""
        if not self._send(pid, signal.SIGSTOP):
            return False
        self._later(_LONGEST_STOP_S, lambda: self._go_on(pid))
        return True

    def _go_on(self, pid: int) -> None:
        self._send(pid, signal.SIGCONT)

    def _send_to_one(self, pids: list[int], number: signal.Signals) -> bool:
        return bool(pids) and self._send(self._rng.choice(pids), number)

    def _send(self, pid: int, number: signal.Signals) -> bool:
        """Only ever to a process of this chaos."""
        if pid not in self._machines.zmr.processes():
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def _fork_servers(self, seat: WorkerSeat) -> list[int]:
        return children(seat.process.pid) if seat.process is not None else []

    def _slots(self, seat: WorkerSeat) -> list[int]:
        return [slot for server in self._fork_servers(seat) for slot in children(server)]

    # --- jobs ---

    def _cancel_job(self, _: WorkerSeat) -> bool:
        """End a job, as its user may. A job has an id once its client has handed it over."""
        running = [submit.stdout.strip() for submit in self.submits if submit.running]
        ids = [job_id for job_id in running if job_id and job_id not in self.cancels]
        if ids:
            job_id = self._rng.choice(ids)
            self.cancels[job_id] = self._machines.cancel(job_id)
        return bool(ids)

    # --- files ---

    def _fill_disk(self, _: WorkerSeat) -> bool:
        small = [seat for seat in self._machines.seats if seat.is_small]
        for seat in small:
            seat.fill()
            self._later(6.0, seat.make_room)
        return bool(small)

    def _delete_map_outputs(self, seat: WorkerSeat) -> bool:
        outputs = seat.map_outputs
        for path in outputs:
            if self._rng.random() < 0.5:
                path.unlink(missing_ok=True)
        return bool(outputs)

    def _damage_map_outputs(self, seat: WorkerSeat) -> bool:
        outputs = seat.map_outputs
        for path in outputs:
            if self._rng.random() < 0.5:
                with suppress(OSError), path.open("r+b") as file:
                    at = self._rng.randrange(max(1, path.stat().st_size))
                    file.seek(at)
                    byte = file.read(1) or b"\0"
                    file.seek(at)
                    file.write(bytes([byte[0] ^ 0x55]))
        return bool(outputs)

    def _replace_map_output(self, seat: WorkerSeat) -> bool:
        """Put one intact map output in the place of another."""
        outputs = seat.map_outputs
        if len(outputs) < 2:
            return False
        replaced, other = self._rng.sample(outputs, 2)
        with suppress(OSError), replaced.open("r+b") as file:
            file.write(other.read_bytes())
            file.truncate()
        return True


_ACCIDENTS = (
    Accidents._kill_worker,
    Accidents._kill_worker,
    Accidents._ask_worker_to_leave,
    Accidents._stop_worker,
    Accidents._kill_fork_server,
    Accidents._kill_slot,
    Accidents._kill_slot,
    Accidents._stop_slot,
    Accidents._kill_master,
    Accidents._stop_master,
    Accidents._cancel_job,
    Accidents._fill_disk,
    Accidents._delete_map_outputs,
    Accidents._damage_map_outputs,
    Accidents._damage_map_outputs,
    Accidents._replace_map_output,
)
