"""Every state of whatever has a life, from a job to the master itself, and every legal move.

A move that is not in one of the tables below is a bug of zmr and raises `IllegalMove`. The diagrams
in docs/dev/architecture.md are drawn from the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar


class State(Enum):
    """One of the states of a machine."""

    # There is one object of each, and moves are looked up for every event.
    __hash__ = object.__hash__


class JobState(State):
    QUEUED = "queued"
    MAP = "map"
    REDUCE = "reduce"
    COMPLETING = "completing"  # all of the output is there; the manifest is being written
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(State):
    IDLE = "idle"
    IN_PROGRESS = "in progress"
    COMPLETED = "completed"


class AttemptState(State):
    RUNNING = "running"
    COMMITTING = "committing"  # it has asked whether it may publish its output
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"  # its worker is silent; if it comes back, the attempt or its output does too
    CANCELLED = "cancelled"


class WorkerState(State):
    ALIVE = "alive"
    SUSPECT = "suspect"
    LOST = "lost"
    LEFT = "left"


class HealthState(State):
    """Whether a worker is trusted with tasks: see `zmr.core.quarantine`."""

    HEALTHY = "healthy"
    QUARANTINED = "quarantined"
    ON_TRIAL = "on trial"  # one task at a time, until one is complete


class MasterState(State):
    RUNNING = "running"
    DRAINING = "draining"  # nothing new is handed out; what runs may complete
    EXITING = "exiting"  # all workers have to exit
    OVER = "over"


class AgentState(State):
    """A worker agent's own view of itself; the master's view is `WorkerState`."""

    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    DRAINING = "draining"  # takes no more tasks; what runs may complete
    DRAINING_UNREGISTERED = "draining, unregistered"  # and its master was started again meanwhile
    OVER = "over"


class SlotState(State):
    EMPTY = "empty"
    OPEN = "open"  # a process is there
    STOPPING = "stopping"  # it was killed, and its end has not been reported yet


class IllegalMove(Exception):
    """What happened can't happen in the machine's state: a bug of zmr."""


S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Machine(Generic[S]):
    """A literal table of moves: (state, what happened) to the next state."""

    name: str
    initial: S
    moves: dict[tuple[S, str], S]

    def move(self, state: S, happened: str, subject: object = "") -> S:
        """The next state. Raises `IllegalMove`, naming the subject, if there is none."""
        try:
            return self.moves[state, happened]
        except KeyError:
            raise IllegalMove(
                f"{self.name} {subject}: '{happened}' can't happen in state '{state.value}'"
            ) from None

    def mermaid(self) -> str:
        """The table as the source of a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {_identifier(self.initial)}"]
        lines += [f'    state "{s.value}" as {_identifier(s)}' for s in type(self.initial)]
        lines += [
            f"    {_identifier(state)} --> {_identifier(following)}: {happened}"
            for (state, happened), following in self.moves.items()
        ]
        left = {state for state, _ in self.moves}
        lines += [f"    {_identifier(s)} --> [*]" for s in type(self.initial) if s not in left]
        return "\n".join(lines)


def _identifier(state: State) -> str:
    return state.name.lower()


JOB = Machine(
    "job",
    JobState.QUEUED,
    {
        (JobState.QUEUED, "start"): JobState.MAP,
        (JobState.QUEUED, "cancel"): JobState.CANCELLED,
        (JobState.QUEUED, "fail"): JobState.FAILED,
        (JobState.MAP, "all maps completed"): JobState.REDUCE,
        (JobState.MAP, "step complete"): JobState.MAP,  # a map-only step; the next one begins
        (JobState.MAP, "complete output"): JobState.COMPLETING,  # a map-only job
        (JobState.MAP, "fail"): JobState.FAILED,
        (JobState.MAP, "cancel"): JobState.CANCELLED,
        (JobState.REDUCE, "step complete"): JobState.MAP,  # of the next one
        (JobState.REDUCE, "complete output"): JobState.COMPLETING,
        (JobState.REDUCE, "fail"): JobState.FAILED,
        (JobState.REDUCE, "cancel"): JobState.CANCELLED,
        (JobState.COMPLETING, "output complete"): JobState.DONE,
        (JobState.COMPLETING, "fail"): JobState.FAILED,
        (JobState.COMPLETING, "cancel"): JobState.CANCELLED,
    },
)

TASK = Machine(
    "task",
    TaskState.IDLE,
    {
        (TaskState.IDLE, "hand out"): TaskState.IN_PROGRESS,
        (TaskState.IDLE, "lost attempt returns"): TaskState.IN_PROGRESS,
        (TaskState.IDLE, "complete"): TaskState.COMPLETED,  # by an attempt given up for lost
        (TaskState.IN_PROGRESS, "hand out"): TaskState.IN_PROGRESS,  # a backup task
        (TaskState.IN_PROGRESS, "lost attempt returns"): TaskState.IN_PROGRESS,
        (TaskState.IN_PROGRESS, "last attempt ends"): TaskState.IDLE,
        (TaskState.IN_PROGRESS, "complete"): TaskState.COMPLETED,
        (TaskState.COMPLETED, "output lost"): TaskState.IDLE,  # maps only
    },
)

ATTEMPT = Machine(
    "attempt",
    AttemptState.RUNNING,
    {
        (AttemptState.RUNNING, "ask to commit"): AttemptState.COMMITTING,
        (AttemptState.RUNNING, "succeed"): AttemptState.SUCCEEDED,
        (AttemptState.RUNNING, "fail"): AttemptState.FAILED,
        (AttemptState.RUNNING, "worker lost"): AttemptState.LOST,
        (AttemptState.RUNNING, "cancel"): AttemptState.CANCELLED,
        (AttemptState.COMMITTING, "ask to commit"): AttemptState.COMMITTING,
        (AttemptState.COMMITTING, "succeed"): AttemptState.SUCCEEDED,
        (AttemptState.COMMITTING, "fail"): AttemptState.FAILED,
        (AttemptState.COMMITTING, "worker lost"): AttemptState.LOST,
        (AttemptState.COMMITTING, "cancel"): AttemptState.CANCELLED,
        (AttemptState.SUCCEEDED, "output lost"): AttemptState.LOST,  # maps only
        (AttemptState.LOST, "return"): AttemptState.RUNNING,
        (AttemptState.LOST, "succeed"): AttemptState.SUCCEEDED,
        (AttemptState.LOST, "fail"): AttemptState.FAILED,
        (AttemptState.LOST, "cancel"): AttemptState.CANCELLED,
    },
)

WORKER = Machine(
    "worker",
    WorkerState.ALIVE,
    {
        (WorkerState.ALIVE, "sign of life"): WorkerState.ALIVE,
        (WorkerState.ALIVE, "silence"): WorkerState.SUSPECT,
        (WorkerState.ALIVE, "leave"): WorkerState.LEFT,
        (WorkerState.SUSPECT, "sign of life"): WorkerState.ALIVE,
        (WorkerState.SUSPECT, "longer silence"): WorkerState.LOST,
        (WorkerState.LOST, "register again"): WorkerState.ALIVE,
    },
)

HEALTH = Machine(
    "health of worker",
    HealthState.HEALTHY,
    {
        (HealthState.HEALTHY, "quarantine"): HealthState.QUARANTINED,
        (HealthState.QUARANTINED, "time served"): HealthState.ON_TRIAL,
        (HealthState.ON_TRIAL, "succeed"): HealthState.HEALTHY,
        (HealthState.ON_TRIAL, "quarantine"): HealthState.QUARANTINED,
    },
)

MASTER = Machine(
    "master",
    MasterState.RUNNING,
    {
        (MasterState.RUNNING, "stop, work is under way"): MasterState.DRAINING,
        (MasterState.RUNNING, "stop, the journal keeps the jobs"): MasterState.OVER,
        (MasterState.RUNNING, "exit workers"): MasterState.EXITING,
        (MasterState.DRAINING, "exit workers"): MasterState.EXITING,
        (MasterState.EXITING, "workers gone, or time is up"): MasterState.OVER,
    },
)

AGENT = Machine(
    "agent",
    AgentState.UNREGISTERED,
    {
        (AgentState.UNREGISTERED, "registered"): AgentState.REGISTERED,
        (AgentState.UNREGISTERED, "quit"): AgentState.OVER,
        (AgentState.REGISTERED, "registered"): AgentState.REGISTERED,  # with another master
        (AgentState.REGISTERED, "register again"): AgentState.UNREGISTERED,
        (AgentState.REGISTERED, "stop, not idle"): AgentState.DRAINING,
        (AgentState.REGISTERED, "quit"): AgentState.OVER,
        (AgentState.DRAINING, "registered"): AgentState.DRAINING,
        (AgentState.DRAINING, "register again"): AgentState.DRAINING_UNREGISTERED,
        (AgentState.DRAINING, "quit"): AgentState.OVER,
        (AgentState.DRAINING_UNREGISTERED, "registered"): AgentState.DRAINING,
        (AgentState.DRAINING_UNREGISTERED, "quit"): AgentState.OVER,
    },
)

SLOT = Machine(
    "slot",
    SlotState.EMPTY,
    {
        (SlotState.EMPTY, "start"): SlotState.OPEN,
        (SlotState.OPEN, "kill"): SlotState.STOPPING,
        (SlotState.OPEN, "end"): SlotState.EMPTY,
        (SlotState.STOPPING, "end"): SlotState.EMPTY,
    },
)

MACHINES: tuple[Machine[Any], ...] = (JOB, TASK, ATTEMPT, WORKER, HEALTH, MASTER, AGENT, SLOT)
