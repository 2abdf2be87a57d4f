"""Why a slot process ended, in words that a person can act on."""

from __future__ import annotations

from zmr.core.humanize import megabytes
from zmr.messages import Circumstances, FailureReason, SlotEnded

# The numbers are the same on Linux and macOS. The standard module that names them is not for the
# core: it can send signals.
_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
}


def slot_death(
    ended: SlotEnded, memory_bytes: int, records_read: int = 0
) -> tuple[FailureReason, str, Circumstances]:
    """The reason, the text and the circumstances for the task that was running.

    `records_read` is how many records it had read when it was last heard of.
    """
    reason, text = _reason_and_text(ended, memory_bytes)
    if ended.record >= 0:
        text += f", and was at record {ended.record + 1:,} of its input"
    elif records_read:
        text += f", and had read {records_read:,} records or more"
    known = Circumstances(ended.exit_status, ended.signal, ended.peak_bytes, ended.record)
    return reason, text, known


def _reason_and_text(ended: SlotEnded, memory_bytes: int) -> tuple[FailureReason, str]:
    peak = f"it had used up to {megabytes(ended.peak_bytes)} of memory"
    if ended.over_memory:
        limit = f"more than its {megabytes(memory_bytes)} of memory (--memory)"
        return FailureReason.OVER_MEMORY, f"killed by SIGKILL for using {limit}; {peak}"
    if ended.signal is not None:
        name = _SIGNALS.get(ended.signal, f"signal {ended.signal}")
        hint = " (perhaps the system ran out of memory)" if ended.signal == 9 else ""
        return FailureReason.SLOT_DIED, f"the slot process was killed by {name}{hint}; {peak}"
    text = f"the slot process exited with status {ended.exit_status}; {peak}"
    return FailureReason.SLOT_DIED, text
