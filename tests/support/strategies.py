"""Random messages for hypothesis: every kind, each field over all that the protocol allows.

With a `Vocabulary` of few words the messages speak of what a test really has: its jobs, its
attempts, its tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from zmr import messages as m
from zmr.core import journal as j
from zmr.core.states import JobState

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
SLOTS = st.integers(1, 10_000)
UP_TO_A_MILLION = st.integers(0, 1_000_000)
RECORD = st.integers(-1, 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.floats(1e-6, 1e9)
FRACTION = st.floats(0.0, 1.0)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PATH = st.text(max_size=20).filter(lambda path: _is_path(path))
NAME = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", fullmatch=True)
ENDPOINT = st.sampled_from(
    ["", "tcp://127.0.0.1:1", "tcp://[::1]:65535", "tcp://[fe80::1%eth0]:5", "tcp://a-host.b:5557"]
)
CIRCUMSTANCES = st.builds(
    m.Circumstances, st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | U32, U64, RECORD
)
LABEL = TEXT.map(lambda text: "".join(c for c in text if c.isprintable()))


def _is_path(text: str) -> bool:
    """Whether a file system could have named a file so."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == text
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Vocabulary:
    """What messages may speak of."""

    job_ids: st.SearchStrategy[str] = NAME
    attempts: st.SearchStrategy[int] = U64
    indices: st.SearchStrategy[int] = U32
    paths: st.SearchStrategy[str] = PATH
    file_names: st.SearchStrategy[str] = NAME
    slots: st.SearchStrategy[int] = SLOTS
    reduces: st.SearchStrategy[int] = UP_TO_A_MILLION
    sizes: st.SearchStrategy[int] = U64
    credits: st.SearchStrategy[int] = UP_TO_A_MILLION


def several(each: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    """A few of them, as a tuple."""
    return st.lists(each, max_size=4).map(tuple)


class _Parts:
    """What several kinds of messages are made of."""

    def __init__(self, words: Vocabulary) -> None:
        jobs, paths, indices, attempts = words.job_ids, words.paths, words.indices, words.attempts
        self.kinds = st.sampled_from(m.TaskKind)
        self.stats = st.builds(m.Stats, U64, U64, U64, U64, FINITE)
        self.counters = several(st.tuples(TEXT, I64))
        self.file = st.builds(m.OutputFile, words.file_names, U64, TEXT)
        job = st.builds(
            m.JobSpec,
            jobs,
            TEXT,
            paths,
            st.binary(max_size=20),
            paths,
            several(st.tuples(TEXT, TEXT)),
            words.reduces,
            paths,
            st.integers(1, 2**32 - 1),
            SECONDS,
            SECONDS,
            st.binary(max_size=20),
            skip_bad_records=U32,
            skip_bad_files=U32,
        )
        step = st.builds(m.Step, TEXT, several(st.tuples(TEXT, TEXT)), words.reduces)
        self.spec = job | st.builds(_pipeline, job, several(step), st.integers(0, 4))
        self.status = st.builds(m.JobStatus, jobs, TEXT, TEXT, U32, U32, U32, U32, TEXT, U32, U32)
        split = st.builds(m.Split, paths, U64, st.integers(-1, 2**63 - 1))
        source = st.builds(m.MapOutput, indices, attempts, TEXT, paths, ENDPOINT)
        self.task = st.builds(
            m.Task,
            jobs,
            self.kinds,
            indices,
            attempts,
            words.reduces,
            paths,
            several(split),
            several(source),
            U32,
            st.booleans(),
            several(U64),
        )
        self.progress = st.builds(m.Progress, attempts, U64, U64, st.booleans(), FRACTION)
        self.map_done = st.builds(
            m.MapDone,
            jobs,
            indices,
            attempts,
            paths,
            self.stats,
            self.counters,
            st.none() | self.file,
            U32,
            TEXT,
            U32,
        )


def _pipeline(spec: m.JobSpec, steps: tuple[m.Step, ...], step: int) -> m.JobSpec:
    """The job as one of these steps, or of all of them; the ids of steps are longer."""
    job_id = spec.job_id[:90]
    if steps:
        spec = replace(spec, skip_bad_records=0, skip_bad_files=0)
    return replace(spec, job_id=job_id, steps=steps, step=min(step, len(steps)))


def messages(words: Vocabulary = Vocabulary()) -> dict[type, st.SearchStrategy[m.Message]]:
    """Every kind of message, by its class."""
    parts = _Parts(words)
    kinds, stats, counters, file = parts.kinds, parts.stats, parts.counters, parts.file
    jobs, attempts, indices, paths = words.job_ids, words.attempts, words.indices, words.paths
    failed = st.builds(
        m.TaskFailed,
        jobs,
        kinds,
        indices,
        attempts,
        st.sampled_from(m.FailureReason),
        TEXT,
        TEXT,
        several(st.tuples(indices, attempts)),
        CIRCUMSTANCES,
    )
    held = several(parts.map_done)
    inputs = several(st.builds(m.InputFile, paths, words.sizes, st.booleans()))
    return {
        m.Register: st.builds(
            m.Register, LABEL, LABEL, U32, words.slots, several(attempts), held, ENDPOINT
        ),
        m.GetTask: st.builds(m.GetTask, words.credits),
        m.Heartbeat: st.builds(m.Heartbeat, words.credits, several(parts.progress)),
        m.MapDone: parts.map_done,
        m.ReduceDone: st.builds(m.ReduceDone, jobs, indices, attempts, file, stats, counters),
        m.TaskFailed: failed,
        m.CommitRequest: st.builds(m.CommitRequest, jobs, kinds, indices, attempts),
        m.OutputsChecked: st.builds(m.OutputsChecked, jobs, several(attempts), several(attempts)),
        m.Leave: st.builds(m.Leave, TEXT),
        m.Registered: st.builds(m.Registered, SECONDS, SECONDS),
        m.TaskResponse: st.builds(m.TaskResponse, several(parts.task), several(parts.spec)),
        m.Cancel: st.builds(m.Cancel, several(attempts), TEXT),
        m.CommitReply: st.builds(m.CommitReply, attempts, st.booleans()),
        m.Ack: st.builds(m.Ack, several(attempts)),
        m.HeartbeatReply: st.just(m.HeartbeatReply()),
        m.RegisterAgain: st.just(m.RegisterAgain()),
        m.ForgetJob: st.builds(m.ForgetJob, jobs),
        m.CheckOutputs: st.builds(m.CheckOutputs, jobs, several(attempts)),
        m.Exit: st.builds(m.Exit, TEXT),
        m.Refused: st.builds(m.Refused, TEXT),
        m.Submit: st.builds(m.Submit, parts.spec, inputs),
        m.CancelJob: st.builds(m.CancelJob, jobs, TEXT),
        m.GetSnapshot: st.builds(m.GetSnapshot, I64),
        m.Submitted: st.builds(m.Submitted, jobs),
        m.Snapshot: st.builds(
            m.Snapshot,
            U64,
            TEXT,
            several(parts.status),
            several(st.builds(m.WorkerStatus, TEXT, TEXT, U32, U32)),
            several(published()),
        ),
        m.StartJob: st.builds(m.StartJob, parts.spec, paths, U64, FINITE, st.booleans()),
        m.Task: parts.task,
        m.Progress: parts.progress,
    }


def published() -> st.SearchStrategy[m.Published]:
    """Random published events."""
    kinds = st.sampled_from(m.TaskKind)
    event = st.one_of(
        st.builds(m.JobEvent, TEXT, TEXT, TEXT),
        st.builds(
            m.TaskEvent,
            TEXT,
            kinds,
            U32,
            U64,
            TEXT,
            TEXT,
            TEXT,
            st.none() | st.sampled_from(m.FailureReason),
            CIRCUMSTANCES,
        ),
        st.builds(m.WorkerEvent, TEXT, TEXT, TEXT),
        st.builds(m.MasterEvent, TEXT, TEXT),
    )
    return st.builds(m.Published, U64, FINITE, event)


def records() -> dict[type, st.SearchStrategy[j.Record]]:
    """Every kind of record of the journal, by its class."""
    parts, of = _Parts(Vocabulary()), messages()
    peers, kinds = st.binary(max_size=20), st.sampled_from(m.TaskKind)
    states = st.sampled_from([state.value for state in JobState])
    status = st.builds(m.JobStatus, NAME, TEXT, states, U32, U32, U32, U32, TEXT, U32, U32)
    return {
        j.EpochBegun: st.builds(j.EpochBegun, U64),
        j.WorkerJoined: st.builds(j.WorkerJoined, peers, of[m.Register]),
        j.WorkerGone: st.builds(j.WorkerGone, peers),
        j.JobSubmitted: st.builds(j.JobSubmitted, of[m.Submit], U64, TEXT),
        j.StepBegun: st.builds(j.StepBegun, NAME),
        j.HandedOut: st.builds(j.HandedOut, NAME, kinds, U32, U64, peers),
        j.CommitGranted: st.builds(j.CommitGranted, NAME, U64),
        j.Completed: st.builds(j.Completed, of[m.MapDone] | of[m.ReduceDone]),
        j.AttemptFailed: st.builds(j.AttemptFailed, NAME, U64, st.booleans(), RECORD),
        j.OutputLost: st.builds(j.OutputLost, NAME, U32, st.booleans()),
        j.JobClosed: st.builds(j.JobClosed, parts.spec, status, TEXT, st.booleans(), TEXT, NAME),
        j.JobForgotten: st.builds(j.JobForgotten, NAME),
    }
