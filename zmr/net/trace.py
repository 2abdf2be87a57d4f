"""What goes between a master and its workers, in a line for each frame: the log's details (`-v`).

Nothing here is called unless such lines are logged: no-op tasks at full speed are thousands of
messages a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, islice

from zmr import messages as m
from zmr.display import counted

# Of as many a line names each; of more only the number.
_MOST_NAMED = 8

_LONGEST_LINE = 1_000


def described(messages: Iterable[m.Message]) -> str:
    """The messages by kind, with what each is about: "MapDone map 3 (attempt 17), GetTask 2".

    One line, whatever a peer has written into its messages.
    """
    kinds = (_kind(kind.__name__, list(group)) for kind, group in groupby(messages, key=type))
    line = ", ".join(kinds)[:_LONGEST_LINE]
    return "".join(c if c.isprintable() else "?" for c in line)


def _kind(name: str, messages: Sequence[m.Message]) -> str:
    about = [text for message in islice(messages, _MOST_NAMED) if (text := _about(message))]
    if len(messages) > _MOST_NAMED:
        return f"{name} x {len(messages)}: {', '.join(about)}, ..."
    return f"{name} {', '.join(about)}" if about else name


def _about(message: m.Message) -> str:
    match message:
        case m.TaskResponse():
            return _several([_about(task) for task in message.tasks])
        case m.Task() | m.CommitRequest():
            return f"{_task(message.kind, message.index, message.attempt)} of {message.job_id}"
        case m.MapDone():
            return _task(m.TaskKind.MAP, message.index, message.attempt)
        case m.ReduceDone():
            return _task(m.TaskKind.REDUCE, message.index, message.attempt)
        case m.TaskFailed():
            task = _task(message.kind, message.index, message.attempt)
            return f"{task}: {message.reason.name}, {message.message}"
        case m.CommitReply():
            return f"{_attempt(message.attempt)}: {'granted' if message.granted else 'refused'}"
        case m.Ack() | m.Cancel() | m.CheckOutputs():
            return _several([_attempt(attempt) for attempt in message.attempts])
        case m.OutputsChecked():
            return f"{len(message.whole)} whole, {len(message.damaged)} damaged"
        case _:
            return _short(message)


def _short(message: m.Message) -> str:
    """What there is to say of a message that is about no task."""
    match message:
        case m.Register():
            return f"{message.name}, {counted(message.slots, 'slot')}"
        case m.GetTask():
            return str(message.credit)
        case m.Heartbeat():
            return f"of {counted(len(message.progress), 'attempt')}, credit {message.credit}"
        case m.Progress():
            return f"{_attempt(message.attempt)}: {counted(message.records, 'record')}"
        case m.ForgetJob() | m.CancelJob() | m.Submitted():
            return message.job_id
        case m.Submit() | m.StartJob():
            return message.spec.job_id
        case m.Leave() | m.Exit() | m.Refused():
            return message.reason
        case _:
            return ""


def _task(kind: m.TaskKind, index: int, attempt: int) -> str:
    return f"{kind.label} {index} ({_attempt(attempt)})"


def _attempt(attempt: int) -> str:
    """The number that an attempt has in all log lines, without the epoch of its master."""
    return f"attempt {attempt & 0xFFFFFFFF}"


def _several(texts: list[str]) -> str:
    if len(texts) <= _MOST_NAMED:
        return ", ".join(texts)
    return f"{', '.join(texts[:_MOST_NAMED])} and {len(texts) - _MOST_NAMED} more"
