"""Peers that are no workers of ours: garbage, other versions, and messages made up.

Whatever a stranger says changes nothing but what a worker may change that comes, gets tasks, and is
never heard of again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from zmr import messages as m
from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb

from .machines.master import MasterMachine
from .machines.network import MASTER, Network
from .odd_frames import check_odd_frame

_SENT_KEPT = 50


def _is_obeyed(data: bytes) -> bool:
    """Whether the frame says something that any peer may say."""
    obeyed = m.Register | m.Submit | m.CancelJob
    return any(isinstance(message, obeyed) for message in _messages_of(data))


def _messages_of(data: bytes) -> tuple[m.Message, ...]:
    try:
        return codec.decode(data).messages
    except codec.BadFrame:
        return ()


def _tasks_in(data: bytes) -> list[m.Task]:
    """What a frame hands out."""
    responses = (each for each in _messages_of(data) if isinstance(each, m.TaskResponse))
    return [task for response in responses for task in response.tasks]


def _attempts_in(data: bytes) -> list[int]:
    """Which attempts a frame says something of."""
    found: list[int] = []
    for message in _messages_of(data):
        match message:
            case m.MapDone() | m.ReduceDone() | m.TaskFailed() | m.CommitRequest():
                found.append(message.attempt)
            case m.Heartbeat():
                found += [progress.attempt for progress in message.progress]
            case m.OutputsChecked():
                found += [*message.whole, *message.damaged]
    return found


class Stranger:
    """Speaks to the master now and then. It hears everything, and heeds nothing."""

    def __init__(self, name: str, network: Network, master: MasterMachine, rng: Random) -> None:
        self.name = name
        self._network, self._master, self._rng = network, master, rng
        self._odd_rng = Random(rng.random())
        self._heard: list[bytes] = []  # of what others have said
        self._own: set[int] = set()  # attempts that it was given: of these it does not lie
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._garbage,
            self._damaged,
            self._repeated,
            self._of_another_version,
            self._made_up,
            self._made_up,
            self._made_up,
            self._comes_as_a_worker,
        )

    def overhear(self, sender: str, receiver: str, data: bytes) -> None:
        """A frame is sent."""
        if receiver == self.name:
            self._own |= {task.attempt for task in _tasks_in(data)}
        elif sender != self.name:
            self._heard.append(data)
            del self._heard[:-_SENT_KEPT]

    def speak(self) -> None:
        """Send the master something."""
        data = self._rng.choice(self._kinds)()
        if not self._own.isdisjoint(_attempts_in(data)) or self._foresees(data):
            data = self._garbage()
        odd = check_odd_frame(self._odd_rng)
        if self._odd_rng.random() < 0.2:
            data = odd
        self._network.send(
            self.name, MASTER, lambda data: self._master.receive(self.name, data), data
        )

    def _foresees(self, data: bytes) -> bool:
        """Whether the frame names an attempt that this master may hand out: perhaps to it."""
        newest = self._master.core.cluster.newest_attempt
        return any(a > newest and a >> 32 == newest >> 32 for a in _attempts_in(data))

    def receive(self, process: str, data: bytes) -> None:
        """The master answers, or takes it for a worker."""
        codec.decode(data)

    # --- what it says ---

    def _garbage(self) -> bytes:
        return self._rng.randbytes(self._rng.choice([0, 1, 20, 300]))

    def _damaged(self) -> bytes:
        """A frame of another peer with a flipped bit, or without its end."""
        data = bytearray(self._rng.choice(self._heard or [codec.encode(m.Frame(1, ()))]))
        at = self._rng.randrange(len(data) + 1)
        if at < len(data) and self._rng.random() < 0.5:
            data[at] ^= 1 << self._rng.randrange(8)
        else:
            del data[at:]
        # A copy of what a client or a new worker says would be obeyed.
        return self._garbage() if _is_obeyed(bytes(data)) else bytes(data)

    def _repeated(self) -> bytes:
        """What another peer has said, as if it were its own."""
        data = self._rng.choice(self._heard or [b""])
        return self._garbage() if _is_obeyed(data) else data

    def _of_another_version(self) -> bytes:
        parsed = pb.Frame.FromString(codec.encode(m.Frame(1, (self._message(),))))
        parsed.version = self._rng.choice([0, 2, 99])
        return bytes(parsed.SerializeToString())

    def _made_up(self) -> bytes:
        messages = tuple(self._message() for _ in range(self._rng.randint(1, 3)))
        epoch = self._rng.choice([0, self._master.epoch, self._master.epoch])
        return codec.encode(m.Frame(epoch, messages))

    def _comes_as_a_worker(self) -> bytes:
        register = m.Register(self.name, self.name, 1, 1)
        said = (register, m.GetTask(1)) if self._rng.random() < 0.3 else (register,)
        return codec.encode(m.Frame(self._master.epoch, said))

    def _tasks(self) -> list[m.Task]:
        """What was handed to others of late."""
        return [task for data in self._heard for task in _tasks_in(data)]

    def _message(self) -> m.Message:
        rng = self._rng
        job_id = rng.choice(["job-1", "job-1", "job-1.2", "job-2", "job-99"])
        kind = rng.choice(list(m.TaskKind))
        index = rng.randint(0, 4)
        attempt = rng.choice([self._master.epoch, 1, 0]) << 32 | rng.randint(0, 12)
        tasks = self._tasks()
        if tasks and rng.random() < 0.7:
            job_id, kind, index, attempt = rng.choice(tasks)[:4]
        file = m.OutputFile(f"mr-out-{index}", 1, "crc32:0")
        path = rng.choice(["", "/w1.1/job-1/0.1", "/nowhere"])
        reason = rng.choice(list(m.FailureReason))
        return rng.choice(
            (
                m.Heartbeat(rng.choice([0, 1, 1000]), (m.Progress(attempt, 1, 1),), ("job-1",)),
                m.GetTask(rng.choice([0, 1, 1000])),
                m.MapDone(job_id, index, attempt, path, m.Stats()),
                m.MapDone(job_id, index, attempt, path, m.Stats()),
                m.MapDone(job_id, index, attempt, "", m.Stats(), file=file),
                m.ReduceDone(job_id, index, attempt, file, m.Stats()),
                m.TaskFailed(job_id, kind, index, attempt, reason, "no", lost=((0, attempt),)),
                m.CommitRequest(job_id, kind, index, attempt),
                m.OutputsChecked(job_id, (), (attempt,)),
                m.Leave("no reason"),
                m.Cancel((attempt,), "not for a master"),
                m.ForgetJob(job_id),
                m.RegisterAgain(),
            )
        )
