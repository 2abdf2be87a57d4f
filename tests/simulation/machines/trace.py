"""What happened, for a person: the time, who, and what, a line each, in the field's words."""

from __future__ import annotations

from typing import Any

from zmr import messages as m

_LONGEST_LINE = 300


class Trace:
    """Keeps lines if it is on, and costs nothing if it is not."""

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on
        self.lines: list[str] = []

    def say(self, now: float, who: str, what: str) -> None:
        if self.is_on:
            self.lines.append(f"{now:9.3f}  {who:<8} {what}"[:_LONGEST_LINE])

    def frame(self, now: float, sender: str, way: str, frame: m.Frame) -> None:
        if self.is_on:
            for message in frame.messages:
                self.say(now, sender, f"{way} {shown(message)}")


def shown(message: Any) -> str:
    """A message in a few words."""
    kind = type(message).__name__
    match message:
        case m.Heartbeat(credit, progress):
            return f"{kind}, credit {credit}, attempts {_attempts(p.attempt for p in progress)}"
        case m.Register():
            running, held = message.running, [done.attempt for done in message.held]
            return f"{kind}, running {_attempts(running)}, holds {_attempts(held)}"
        case m.TaskResponse(tasks):
            return f"{kind}: " + ", ".join(task_text(task) for task in tasks)
        case m.Task():
            return task_text(message)
        case m.MapDone() | m.ReduceDone() | m.CommitRequest():
            kind_of_task = getattr(message, "kind", None)
            what = f"{kind_of_task.label} " if kind_of_task is not None else ""
            return f"{kind}, {what}{message.index} of {message.job_id}, {_one(message.attempt)}"
        case m.TaskFailed():
            what = f"{message.kind.label} {message.index} of {message.job_id}"
            return f"{kind}, {what}, {_one(message.attempt)}: {message.message}"
        case m.Cancel(attempts, reason):
            return f"{kind} of attempts {_attempts(attempts)}: {reason}"
        case m.Ack(attempts):
            return f"{kind} of attempts {_attempts(attempts)}"
        case m.CommitReply(attempt, granted):
            return f"{kind}, {_one(attempt)}: {'granted' if granted else 'refused'}"
        case m.Progress():
            return f"{kind}, {_one(message.attempt)}: {message.records} records"
    return _event(message)


def _event(message: Any) -> str:
    """What is published, and all else."""
    match message:
        case m.TaskEvent():
            text = f" ({message.text})" if message.text else ""
            what = f"{message.kind.label} {message.index} of {message.job_id}"
            return f"{what}, attempt {message.attempt} on {message.worker}: {message.state}{text}"
        case m.JobEvent():
            return f"job {message.job_id}: {message.state} {message.text}"
        case m.WorkerEvent():
            return f"worker {message.worker}: {message.state} {message.text}"
        case m.Submit(spec):
            return f"Submit of {spec.job_id}"
    return repr(message)


def task_text(task: m.Task) -> str:
    return f"{task.kind.label} {task.index} of {task.job_id}, {_one(task.attempt)}"


def _one(attempt: int) -> str:
    return f"attempt {_number(attempt)}"


def _attempts(attempts: Any) -> str:
    return " ".join(map(_number, attempts)) or "none"


def _number(attempt: int) -> str:
    """As people are told: the number, behind the epoch where that is another than the first."""
    epoch, number = attempt >> 32, attempt & 0xFFFFFFFF
    return f"{number}" if epoch == 1 else f"{epoch}/{number}"
