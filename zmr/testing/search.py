"""Whether a job is a MapReduce job: its answer must not depend on what an engine may choose.

It is run over the same records in many drawn schedules. When two answers differ, it is found out
on what they depend, and for how few records they still do (delta debugging: Zeller and Hildebrandt,
2002). That reducers depend on the order of their values, unnoticed, is common: Xiao et al., 2014,
"Nondeterminism in MapReduce considered harmful?".
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from zmr.display import counted, printable
from zmr.errors import JobError, JobFailed
from zmr.job import Job
from zmr.pickled_job import pickle_job, unpickle_job
from zmr.testing.schedule import SEQUENTIAL, Answer, Choice, Record, Schedule, is_in_order, run

TRIES = 200
_TRIES_A_CAUSE = 40  # to see whether answers still differ
_PROCESSES = 2
_MOST_SHOWN = 10

_CAUSES = {
    Choice.AGAIN: "it keeps something from one task to the next, in the class or the module",
    Choice.CUTS: "it keeps something from record to record, or from key to key",
    Choice.COMBINES: "combine does not make of values what reduce makes the same of",
    Choice.ORDER: (
        "reduce depends on the order of a key's values: zmr keeps that of the input, but Spark, "
        "Ray and Hadoop do not (--ordered takes it as given; sort_values makes one)"
    ),
}
_UNSTEADY = (
    "it is another one each time: it depends on chance, the clock, or what is kept in the class or "
    "the module"
)
_HASHES = (
    "it depends on the hashes of str, which are others in each process: on the order of a set, or "
    "on hash()"
)


@dataclass(frozen=True)
class Finding:
    """Two answers of a job, and the fewest records that were found to have two."""

    cause: str
    records: Sequence[Record]
    answers: tuple[Answer, Answer]
    seed: int

    def __str__(self) -> str:
        """The cause, the records, and the answers side by side."""
        lines = [self.cause, f"for {counted(len(self.records), 'record')}:"]
        lines += (f"  {record.text:.200}" for record in self.records[:_MOST_SHOWN])
        if len(self.records) > _MOST_SHOWN:
            lines.append(f"  ... and {len(self.records) - _MOST_SHOWN} more")
        one, other = map(_texts, _different(*self.answers))
        width = max(map(len, [*one, "one answer"]))
        lines.append(f"  {'one answer':{width}} | another one")
        for left, right in zip_longest(one, other, fillvalue=""):
            lines.append(f"  {left:{width}} | {right}")
        return "\n".join([*lines, f"(seed {self.seed})"])


def _different(one: Answer, other: Answer) -> tuple[Answer, Answer]:
    """Without the lines that both have."""
    if isinstance(one, str) or isinstance(other, str):
        return one, other
    both = Counter(one) & Counter(other)
    return tuple((Counter(one) - both).elements()), tuple((Counter(other) - both).elements())


def _texts(answer: Answer) -> list[str]:
    """The lines of an answer, as many as are shown; or the error."""
    lines = [answer] if isinstance(answer, str) else list(map(_text, answer))
    if not lines:
        return ["(nothing)"]
    if len(lines) > _MOST_SHOWN:
        lines = [*lines[:_MOST_SHOWN], f"... and {len(lines) - _MOST_SHOWN} more"]
    return [f"{printable(line):.80}" for line in lines]


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n").replace("\t", "  ")


def find(job: Job, records: Sequence[Record], tries: int = TRIES, seed: int = 0,
          ordered: bool = False) -> Finding | None:  # fmt: skip
    """Run the job in so many schedules, drawn from this seed and those after it.

    None: all answers were the same. With `ordered`, values come in the order of the input.
    Raises `JobError` for a job that can't be checked so, and `JobFailed` if it fails as it is.
    """
    if type(job).map_batch is not None and type(job).map is Job.map:
        raise JobError(f"{type(job).__name__} has no map, by which it could be checked")
    expected = run(job, records)
    if isinstance(expected, str):
        raise JobFailed(f"{type(job).__name__} fails on these records: {expected}")
    if run(job, records) != expected:
        return _found(job, records, _UNSTEADY, lambda some: (run(job, some), run(job, some)), seed)
    if finding := _by_hashes(job, records, expected, seed):
        return finding
    choices = frozenset(Choice) - ({Choice.ORDER} if ordered or is_in_order(job) else set())
    for number in range(seed, seed + tries):
        schedule = Schedule(number, choices)
        if run(job, records, schedule) != expected:
            return _explained(job, records, schedule)
    return None


def _explained(job: Job, records: Sequence[Record], schedule: Schedule) -> Finding:
    """By one choice alone, if one is enough; and for as few records as can be found."""
    of_one = [frozenset({choice}) for choice in Choice if choice in schedule.drawn]
    for drawn in (*of_one, schedule.drawn):

        def two(some: Sequence[Record]) -> tuple[Answer, Answer]:
            return _two_answers(job, some, replace(schedule, drawn=drawn))  # noqa: B023

        one, other = two(records)
        if one != other:
            break
    cause = _CAUSES[next(iter(drawn))] if len(drawn) == 1 else "it depends on how it is run"
    return _found(job, records, cause, two, schedule.seed)


def _two_answers(job: Job, records: Sequence[Record], schedule: Schedule) -> tuple[Answer, Answer]:
    expected = other = run(job, records)
    for number in range(_TRIES_A_CAUSE):
        other = run(job, records, replace(schedule, seed=schedule.seed + number))
        if other != expected:
            break
    return expected, other


def _found(
    job: Job,
    records: Sequence[Record],
    cause: str,
    two: Callable[[Sequence[Record]], tuple[Answer, Answer]],
    seed: int,
) -> Finding:
    def differ(some: Sequence[Record]) -> bool:
        one, other = two(some)
        return one != other

    fewest = smallest(records, differ)
    return Finding(cause, fewest, two(fewest), seed)


def smallest(records: Sequence[Record], differ: Callable[[Sequence[Record]], bool]) -> list[Record]:
    """A part of the records, in their order, of which none can be left out."""
    kept, n_parts = list(records), 2
    while len(kept) > 1:
        size = -(-len(kept) // n_parts)
        parts = [kept[start : start + size] for start in range(0, len(kept), size)]
        for number in range(len(parts)):
            others = [each for n, part in enumerate(parts) if n != number for each in part]
            if others and differ(others):
                kept, n_parts = others, max(2, n_parts - 1)
                break
        else:
            if size == 1:
                break
            n_parts = min(len(kept), 2 * n_parts)
    return kept


def _by_hashes(job: Job, records: Sequence[Record], expected: Answer, seed: int) -> Finding | None:
    """Run it in processes in which the hashes of str, and so sets of them, are others."""
    data = pickle_job(job)

    def elsewhere(some: Sequence[Record], hash_seed: int) -> Answer:
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, _ROOT],
            input=pickle.dumps((data, list(some))),
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
            check=False,
        )
        if not done.stdout:  # it ended itself, or has said on stderr what is wrong
            raise JobFailed(
                f"{type(job).__name__} fails in another process, which ended with status "
                f"{done.returncode}"
            )
        answer: Answer = pickle.loads(done.stdout)
        return answer

    for hash_seed in range(1, 1 + _PROCESSES):
        if (other := elsewhere(records, hash_seed)) == expected:
            continue
        some = list(records)
        while len(some) > 1:  # each look takes a process: halves are enough
            halves = some[: len(some) // 2], some[len(some) // 2 :]
            smaller = next((h for h in halves if elsewhere(h, hash_seed) != run(job, h)), None)
            if smaller is None:
                break
            some, other = smaller, elsewhere(smaller, hash_seed)
        return Finding(_HASHES, some, (run(job, some), other), seed)
    return None


_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_ELSEWHERE = """
import os
import sys
out = open(os.dup(1), "wb")
os.dup2(2, 1)  # what the job prints is no answer
sys.path.insert(0, sys.argv[1])
from zmr.testing.search import answer_elsewhere
out.write(answer_elsewhere(sys.stdin.buffer.read()))
"""


def answer_elsewhere(given: bytes) -> bytes:
    """The sequential answer, in another process."""
    data, records = pickle.loads(given)
    return pickle.dumps(run(unpickle_job(data), records, SEQUENTIAL))
