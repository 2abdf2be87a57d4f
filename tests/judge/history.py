"""The history of a cluster: operations, made of the messages that its processes send and get.

An operation begins when its question is first sent and ends when its answer is first received, both
by the one that asks. What a master does by itself begins with the turn in which it is decided, and
ends when it leaves the master. So the moment at which the master does it is within these times,
whatever is lost, late or doubled, and whichever start of the master it was.

| kind | from | to |
| --- | --- | --- |
| submit | a client's `Submit` | `Submitted` |
| cancel | a client's `CancelJob` | `Submitted` |
| refused cancel | a client's `CancelJob` | `Refused` |
| hand-out | the master's turn | `TaskResponse` leaves |
| grant | a worker's `CommitRequest` | `CommitReply`, if it is granted |
| commit | a worker's `ReduceDone` or `MapDone` | its `Ack`, if it counts |
| release | the master's turn | the attempt is published as failed, lost or cancelled |
| end | the master's turn | the job is published as done, failed or cancelled |

An operation without an answer is open: it takes effect at any time after its beginning, or never.
So does a commit whose result is of no use by the time of the answer, since it may have counted
before, and a submit that is refused, since a copy of it may be on the way. A grant without its
reply is none, because no worker can rely on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from zmr import messages as m

_NUMBER = 0xFFFFFFFF  # of an attempt, in its id; of one job, no two attempts have the same
_OVER = ("failed", "lost", "cancelled")
_ENDED = ("done", "failed", "cancelled")

# Of an attempt: the id of its job as clients know it, and its number.
_Attempt = tuple[str, int]


@dataclass(slots=True)
class Operation:
    """What `Operation` in tests/judge/porcupine/model.go says."""

    job: str
    kind: str
    client: str
    call_ns: int
    return_ns: int | None = None
    partition: str = ""
    attempt: int = 0
    output: str = ""
    partitions: tuple[str, ...] = ()


class History:
    """Takes what happens, in the order of the times, and has the operations.

    `partitions` gives the names of all partitions that a job has to publish.
    """

    def __init__(self, partitions: Callable[[str], Iterable[str]]) -> None:
        self.operations: list[Operation] = []
        self._partitions = partitions
        self._questions: dict[tuple[str, str, str], Operation] = {}  # of clients: peer, kind, job
        self._publishing: dict[_Attempt, str] = {}  # attempts that publish, and what
        # By who speaks of which attempt; what is asked is not in `operations`.
        self._asking: dict[tuple[str, int], Operation] = {}
        self._commits: dict[tuple[str, int], Operation] = {}

    def write(self, name: str, out: TextIO) -> None:
        """Write it, a line for each operation."""
        for operation in self.operations:
            print(json.dumps({"history": name} | asdict(operation)), file=out)

    # --- what clients and workers see ---

    def sends(self, now_ns: int, peer: str, messages: Sequence[m.Message]) -> None:
        """A client or a worker sends these."""
        for message in messages:
            match message:
                case m.Submit(spec):
                    self._ask(now_ns, peer, "submit", spec.job_id)
                case m.CancelJob(job_id):
                    self._ask(now_ns, peer, "cancel", job_id)
                case m.CommitRequest(job_id, kind, index, attempt):
                    if (peer, attempt) not in self._asking:
                        self._asking[peer, attempt] = Operation(
                            *(_public(job_id), "grant", peer, now_ns, None),
                            *(partition(job_id, kind, index), attempt & _NUMBER),
                        )
                case m.ReduceDone() | m.MapDone():
                    self._result(now_ns, peer, message)

    def gets(self, now_ns: int, peer: str, messages: Sequence[m.Message]) -> None:
        """A client or a worker has received a frame with these."""
        useless = {
            attempt
            for message in messages
            if isinstance(message, m.Cancel)
            for attempt in message.attempts
        }
        for message in messages:
            match message:
                case m.Submitted(job_id):
                    for kind in ("submit", "cancel"):
                        _close(self._questions.get((peer, kind, job_id)), now_ns)
                case m.Refused():
                    self._refused(now_ns, peer)
                case m.CommitReply(attempt, True):
                    granted = self._asking.get((peer, attempt))
                    if granted is not None and granted.return_ns is None:
                        granted.return_ns = now_ns
                        self.operations.append(granted)
                case m.Ack(attempts):
                    for attempt in attempts:
                        if attempt not in useless:
                            _close(self._commits.get((peer, attempt)), now_ns)

    def _ask(self, now_ns: int, peer: str, kind: str, job_id: str) -> None:
        if (peer, kind, job_id) not in self._questions:
            question = self._questions[peer, kind, job_id] = Operation(job_id, kind, peer, now_ns)
            if kind == "submit":
                question.partitions = tuple(self._partitions(job_id))
            self.operations.append(question)

    def _refused(self, now_ns: int, peer: str) -> None:
        """The answer does not say to what. It is clear if there is one question."""
        asked = [asked for (by, _, _), asked in self._questions.items() if by == peer]
        if len(asked) == 1 and asked[0].return_ns is None and asked[0].kind == "cancel":
            cancel = asked[0]
            refused = Operation(cancel.job, "refused cancel", peer, cancel.call_ns, now_ns)
            self.operations.append(refused)

    def _result(self, now_ns: int, peer: str, done: m.MapDone | m.ReduceDone) -> None:
        if (peer, done.attempt) in self._commits or (
            isinstance(done, m.MapDone) and done.file is None
        ):
            return
        kind = m.TaskKind.MAP if isinstance(done, m.MapDone) else m.TaskKind.REDUCE
        commit = self._commits[peer, done.attempt] = Operation(
            *(_public(done.job_id), "commit", peer, now_ns, None),
            *(partition(done.job_id, kind, done.index), done.attempt & _NUMBER),
        )
        self.operations.append(commit)

    # --- what the master does by itself ---

    def given(self, since_ns: int, job_id: str) -> None:
        """The master has the job from its own process, some time after that moment."""
        names = tuple(self._partitions(job_id))
        submit = Operation(job_id, "submit", "master", since_ns, partitions=names)
        self.operations.append(submit)

    def hands_out(self, since_ns: int, now_ns: int, tasks: Iterable[m.Task]) -> None:
        """Tasks leave the master, which began its turn at `since_ns`."""
        for task in tasks:
            job_id, number = _public(task.job_id), task.attempt & _NUMBER
            name = partition(task.job_id, task.kind, task.index)
            if task.kind is m.TaskKind.REDUCE or not task.n_reduce:
                self._publishing[job_id, number] = name
            self.operations.append(
                Operation(job_id, "hand-out", "master", since_ns, now_ns, name, number)
            )

    def publishes(self, since_ns: int, now_ns: int | None, event: m.Event) -> None:
        """The master publishes the event; `now_ns` is None if it died on the way."""
        match event:
            case m.TaskEvent() if event.state in _OVER:
                job_id = _public(event.job_id)
                name = self._publishing.get((job_id, event.attempt))
                if name is not None:
                    release = Operation(
                        *(job_id, "release", "master", since_ns, now_ns, name, event.attempt),
                        output=event.state,
                    )
                    self.operations.append(release)
            case m.JobEvent(job_id, state) if state in _ENDED:
                end = Operation(job_id, "end", "master", since_ns, now_ns, output=state)
                self.operations.append(end)


def partition(job_id: str, kind: m.TaskKind, index: int) -> str:
    """The name of a partition, or of a task that publishes none; `job_id` as workers know it."""
    return f"{job_id} {kind.label} {index}"


def _public(job_id: str) -> str:
    """The id of the whole, of a step's."""
    return job_id.partition(".")[0]


def _close(operation: Operation | None, now_ns: int) -> None:
    """The answer is there. If it comes again, the first one counts."""
    if operation is not None and operation.return_ns is None:
        operation.return_ns = now_ns
