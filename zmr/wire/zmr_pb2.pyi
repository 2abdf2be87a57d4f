from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_KIND_UNSPECIFIED: _ClassVar[TaskKind]
    TASK_KIND_MAP: _ClassVar[TaskKind]
    TASK_KIND_REDUCE: _ClassVar[TaskKind]

class FailureReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_REASON_UNSPECIFIED: _ClassVar[FailureReason]
    FAILURE_REASON_USER_ERROR: _ClassVar[FailureReason]
    FAILURE_REASON_SLOT_DIED: _ClassVar[FailureReason]
    FAILURE_REASON_NO_PROGRESS: _ClassVar[FailureReason]
    FAILURE_REASON_OVER_MEMORY: _ClassVar[FailureReason]
    FAILURE_REASON_LOST_INPUT: _ClassVar[FailureReason]
    FAILURE_REASON_WORKER_ERROR: _ClassVar[FailureReason]
    FAILURE_REASON_BAD_JOB: _ClassVar[FailureReason]
    FAILURE_REASON_DISK_FULL: _ClassVar[FailureReason]
    FAILURE_REASON_BAD_RECORDS: _ClassVar[FailureReason]
TASK_KIND_UNSPECIFIED: TaskKind
TASK_KIND_MAP: TaskKind
TASK_KIND_REDUCE: TaskKind
FAILURE_REASON_UNSPECIFIED: FailureReason
FAILURE_REASON_USER_ERROR: FailureReason
FAILURE_REASON_SLOT_DIED: FailureReason
FAILURE_REASON_NO_PROGRESS: FailureReason
FAILURE_REASON_OVER_MEMORY: FailureReason
FAILURE_REASON_LOST_INPUT: FailureReason
FAILURE_REASON_WORKER_ERROR: FailureReason
FAILURE_REASON_BAD_JOB: FailureReason
FAILURE_REASON_DISK_FULL: FailureReason
FAILURE_REASON_BAD_RECORDS: FailureReason

class Frame(_message.Message):
    __slots__ = ("version", "epoch", "messages", "part", "parts")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    epoch: int
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    part: int
    parts: int
    def __init__(self, version: _Optional[int] = ..., epoch: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("register", "get_task", "heartbeat", "map_done", "reduce_done", "task_failed", "commit_request", "leave", "outputs_checked", "registered", "task_response", "cancel", "commit_reply", "ack", "heartbeat_reply", "register_again", "forget_job", "exit", "refused", "check_outputs", "submit", "cancel_job", "get_snapshot", "submitted", "snapshot", "start_job", "task", "progress")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    GET_TASK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MAP_DONE_FIELD_NUMBER: _ClassVar[int]
    REDUCE_DONE_FIELD_NUMBER: _ClassVar[int]
    TASK_FAILED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_REQUEST_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_CHECKED_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    TASK_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    COMMIT_REPLY_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_REPLY_FIELD_NUMBER: _ClassVar[int]
    REGISTER_AGAIN_FIELD_NUMBER: _ClassVar[int]
    FORGET_JOB_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CHECK_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_JOB_FIELD_NUMBER: _ClassVar[int]
    GET_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    START_JOB_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    register: Register
    get_task: GetTask
    heartbeat: Heartbeat
    map_done: MapDone
    reduce_done: ReduceDone
    task_failed: TaskFailed
    commit_request: CommitRequest
    leave: Leave
    outputs_checked: OutputsChecked
    registered: Registered
    task_response: TaskResponse
    cancel: Cancel
    commit_reply: CommitReply
    ack: Ack
    heartbeat_reply: HeartbeatReply
    register_again: RegisterAgain
    forget_job: ForgetJob
    exit: Exit
    refused: Refused
    check_outputs: CheckOutputs
    submit: Submit
    cancel_job: CancelJob
    get_snapshot: GetSnapshot
    submitted: Submitted
    snapshot: Snapshot
    start_job: StartJob
    task: Task
    progress: Progress
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., get_task: _Optional[_Union[GetTask, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., map_done: _Optional[_Union[MapDone, _Mapping]] = ..., reduce_done: _Optional[_Union[ReduceDone, _Mapping]] = ..., task_failed: _Optional[_Union[TaskFailed, _Mapping]] = ..., commit_request: _Optional[_Union[CommitRequest, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ..., outputs_checked: _Optional[_Union[OutputsChecked, _Mapping]] = ..., registered: _Optional[_Union[Registered, _Mapping]] = ..., task_response: _Optional[_Union[TaskResponse, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., commit_reply: _Optional[_Union[CommitReply, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., heartbeat_reply: _Optional[_Union[HeartbeatReply, _Mapping]] = ..., register_again: _Optional[_Union[RegisterAgain, _Mapping]] = ..., forget_job: _Optional[_Union[ForgetJob, _Mapping]] = ..., exit: _Optional[_Union[Exit, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., check_outputs: _Optional[_Union[CheckOutputs, _Mapping]] = ..., submit: _Optional[_Union[Submit, _Mapping]] = ..., cancel_job: _Optional[_Union[CancelJob, _Mapping]] = ..., get_snapshot: _Optional[_Union[GetSnapshot, _Mapping]] = ..., submitted: _Optional[_Union[Submitted, _Mapping]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., start_job: _Optional[_Union[StartJob, _Mapping]] = ..., task: _Optional[_Union[Task, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class Split(_message.Message):
    __slots__ = ("path", "offset", "length", "file_bytes", "input", "lines_before")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    LINES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    offset: int
    length: int
    file_bytes: int
    input: int
    lines_before: int
    def __init__(self, path: _Optional[bytes] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., file_bytes: _Optional[int] = ..., input: _Optional[int] = ..., lines_before: _Optional[int] = ...) -> None: ...

class Param(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("name", "params", "n_reduce", "counters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    N_REDUCE_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    params: _containers.RepeatedCompositeFieldContainer[Param]
    n_reduce: int
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    def __init__(self, name: _Optional[str] = ..., params: _Optional[_Iterable[_Union[Param, _Mapping]]] = ..., n_reduce: _Optional[int] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("job_id", "name", "reference", "source", "search_path", "params", "n_reduce", "output", "max_attempts", "task_timeout_s", "backup_after_s", "bounds", "steps", "step", "skip_bad_records", "skip_bad_files", "setup_timeout_s")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_PATH_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    N_REDUCE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TASK_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    BACKUP_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    SKIP_BAD_RECORDS_FIELD_NUMBER: _ClassVar[int]
    SKIP_BAD_FILES_FIELD_NUMBER: _ClassVar[int]
    SETUP_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    reference: bytes
    source: bytes
    search_path: bytes
    params: _containers.RepeatedCompositeFieldContainer[Param]
    n_reduce: int
    output: bytes
    max_attempts: int
    task_timeout_s: float
    backup_after_s: float
    bounds: bytes
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    step: int
    skip_bad_records: int
    skip_bad_files: int
    setup_timeout_s: float
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., reference: _Optional[bytes] = ..., source: _Optional[bytes] = ..., search_path: _Optional[bytes] = ..., params: _Optional[_Iterable[_Union[Param, _Mapping]]] = ..., n_reduce: _Optional[int] = ..., output: _Optional[bytes] = ..., max_attempts: _Optional[int] = ..., task_timeout_s: _Optional[float] = ..., backup_after_s: _Optional[float] = ..., bounds: _Optional[bytes] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., step: _Optional[int] = ..., skip_bad_records: _Optional[int] = ..., skip_bad_files: _Optional[int] = ..., setup_timeout_s: _Optional[float] = ...) -> None: ...

class MapOutput(_message.Message):
    __slots__ = ("index", "attempt", "host", "path", "shuffle_address")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    index: int
    attempt: int
    host: str
    path: bytes
    shuffle_address: str
    def __init__(self, index: _Optional[int] = ..., attempt: _Optional[int] = ..., host: _Optional[str] = ..., path: _Optional[bytes] = ..., shuffle_address: _Optional[str] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("job_id", "kind", "index", "attempt", "n_reduce", "output", "splits", "sources", "failures", "is_last", "skips")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    N_REDUCE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    SKIPS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: TaskKind
    index: int
    attempt: int
    n_reduce: int
    output: bytes
    splits: _containers.RepeatedCompositeFieldContainer[Split]
    sources: _containers.RepeatedCompositeFieldContainer[MapOutput]
    failures: int
    is_last: bool
    skips: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., n_reduce: _Optional[int] = ..., output: _Optional[bytes] = ..., splits: _Optional[_Iterable[_Union[Split, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[MapOutput, _Mapping]]] = ..., failures: _Optional[int] = ..., is_last: _Optional[bool] = ..., skips: _Optional[_Iterable[int]] = ...) -> None: ...

class Stats(_message.Message):
    __slots__ = ("records_in", "bytes_in", "records_out", "bytes_out", "elapsed_s")
    RECORDS_IN_FIELD_NUMBER: _ClassVar[int]
    BYTES_IN_FIELD_NUMBER: _ClassVar[int]
    RECORDS_OUT_FIELD_NUMBER: _ClassVar[int]
    BYTES_OUT_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    records_in: int
    bytes_in: int
    records_out: int
    bytes_out: int
    elapsed_s: float
    def __init__(self, records_in: _Optional[int] = ..., bytes_in: _Optional[int] = ..., records_out: _Optional[int] = ..., bytes_out: _Optional[int] = ..., elapsed_s: _Optional[float] = ...) -> None: ...

class Counter(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

class OutputFile(_message.Message):
    __slots__ = ("name", "size_bytes", "checksum", "format", "key_type", "value_type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    KEY_TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    checksum: str
    format: str
    key_type: str
    value_type: str
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., checksum: _Optional[str] = ..., format: _Optional[str] = ..., key_type: _Optional[str] = ..., value_type: _Optional[str] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("name", "host", "pid", "slots", "running", "held", "shuffle_address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    host: str
    pid: int
    slots: int
    running: _containers.RepeatedScalarFieldContainer[int]
    held: _containers.RepeatedCompositeFieldContainer[MapDone]
    shuffle_address: str
    def __init__(self, name: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., slots: _Optional[int] = ..., running: _Optional[_Iterable[int]] = ..., held: _Optional[_Iterable[_Union[MapDone, _Mapping]]] = ..., shuffle_address: _Optional[str] = ...) -> None: ...

class GetTask(_message.Message):
    __slots__ = ("credit",)
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    credit: int
    def __init__(self, credit: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("attempt", "records", "bytes", "queued", "fraction", "starting")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    STARTING_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    records: int
    bytes: int
    queued: bool
    fraction: float
    starting: bool
    def __init__(self, attempt: _Optional[int] = ..., records: _Optional[int] = ..., bytes: _Optional[int] = ..., queued: _Optional[bool] = ..., fraction: _Optional[float] = ..., starting: _Optional[bool] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("credit", "progress", "jobs")
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    credit: int
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, credit: _Optional[int] = ..., progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., jobs: _Optional[_Iterable[str]] = ...) -> None: ...

class MapDone(_message.Message):
    __slots__ = ("job_id", "index", "attempt", "path", "stats", "counters", "file", "skipped", "last_skipped", "skipped_files", "input_bytes")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    LAST_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FILES_FIELD_NUMBER: _ClassVar[int]
    INPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    index: int
    attempt: int
    path: bytes
    stats: Stats
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    file: OutputFile
    skipped: int
    last_skipped: str
    skipped_files: int
    input_bytes: int
    def __init__(self, job_id: _Optional[str] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., path: _Optional[bytes] = ..., stats: _Optional[_Union[Stats, _Mapping]] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ..., file: _Optional[_Union[OutputFile, _Mapping]] = ..., skipped: _Optional[int] = ..., last_skipped: _Optional[str] = ..., skipped_files: _Optional[int] = ..., input_bytes: _Optional[int] = ...) -> None: ...

class ReduceDone(_message.Message):
    __slots__ = ("job_id", "index", "attempt", "file", "stats", "counters")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    index: int
    attempt: int
    file: OutputFile
    stats: Stats
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    def __init__(self, job_id: _Optional[str] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., file: _Optional[_Union[OutputFile, _Mapping]] = ..., stats: _Optional[_Union[Stats, _Mapping]] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ...) -> None: ...

class Circumstances(_message.Message):
    __slots__ = ("exit_status", "signal", "peak_bytes", "record")
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    exit_status: int
    signal: int
    peak_bytes: int
    record: int
    def __init__(self, exit_status: _Optional[int] = ..., signal: _Optional[int] = ..., peak_bytes: _Optional[int] = ..., record: _Optional[int] = ...) -> None: ...

class LostOutput(_message.Message):
    __slots__ = ("index", "attempt")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    index: int
    attempt: int
    def __init__(self, index: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class TaskFailed(_message.Message):
    __slots__ = ("job_id", "kind", "index", "attempt", "reason", "message", "traceback", "lost", "circumstances")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    CIRCUMSTANCES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: TaskKind
    index: int
    attempt: int
    reason: FailureReason
    message: str
    traceback: str
    lost: _containers.RepeatedCompositeFieldContainer[LostOutput]
    circumstances: Circumstances
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., reason: _Optional[_Union[FailureReason, str]] = ..., message: _Optional[str] = ..., traceback: _Optional[str] = ..., lost: _Optional[_Iterable[_Union[LostOutput, _Mapping]]] = ..., circumstances: _Optional[_Union[Circumstances, _Mapping]] = ...) -> None: ...

class CommitRequest(_message.Message):
    __slots__ = ("job_id", "kind", "index", "attempt")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: TaskKind
    index: int
    attempt: int
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class OutputsChecked(_message.Message):
    __slots__ = ("job_id", "whole", "damaged")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    whole: _containers.RepeatedScalarFieldContainer[int]
    damaged: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job_id: _Optional[str] = ..., whole: _Optional[_Iterable[int]] = ..., damaged: _Optional[_Iterable[int]] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("heartbeat_interval_s", "lost_after_s")
    HEARTBEAT_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    LOST_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    heartbeat_interval_s: float
    lost_after_s: float
    def __init__(self, heartbeat_interval_s: _Optional[float] = ..., lost_after_s: _Optional[float] = ...) -> None: ...

class TaskResponse(_message.Message):
    __slots__ = ("tasks", "jobs")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    jobs: _containers.RepeatedCompositeFieldContainer[JobSpec]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[JobSpec, _Mapping]]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("attempts", "reason")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    reason: str
    def __init__(self, attempts: _Optional[_Iterable[int]] = ..., reason: _Optional[str] = ...) -> None: ...

class CommitReply(_message.Message):
    __slots__ = ("attempt", "granted")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    granted: bool
    def __init__(self, attempt: _Optional[int] = ..., granted: _Optional[bool] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("attempts",)
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, attempts: _Optional[_Iterable[int]] = ...) -> None: ...

class HeartbeatReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RegisterAgain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckOutputs(_message.Message):
    __slots__ = ("job_id", "attempts")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job_id: _Optional[str] = ..., attempts: _Optional[_Iterable[int]] = ...) -> None: ...

class ForgetJob(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class InputFile(_message.Message):
    __slots__ = ("path", "size_bytes", "splittable", "input")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SPLITTABLE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    size_bytes: int
    splittable: bool
    input: int
    def __init__(self, path: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., splittable: _Optional[bool] = ..., input: _Optional[int] = ...) -> None: ...

class Submit(_message.Message):
    __slots__ = ("spec", "inputs")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    inputs: _containers.RepeatedCompositeFieldContainer[InputFile]
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[InputFile, _Mapping]]] = ...) -> None: ...

class Submitted(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJob(_message.Message):
    __slots__ = ("job_id", "reason")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    reason: str
    def __init__(self, job_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class GetSnapshot(_message.Message):
    __slots__ = ("after_seq",)
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    after_seq: int
    def __init__(self, after_seq: _Optional[int] = ...) -> None: ...

class JobStatus(_message.Message):
    __slots__ = ("job_id", "name", "state", "maps_done", "n_map", "reduces_done", "n_reduce", "reason", "step", "n_steps")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MAPS_DONE_FIELD_NUMBER: _ClassVar[int]
    N_MAP_FIELD_NUMBER: _ClassVar[int]
    REDUCES_DONE_FIELD_NUMBER: _ClassVar[int]
    N_REDUCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    N_STEPS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    state: str
    maps_done: int
    n_map: int
    reduces_done: int
    n_reduce: int
    reason: str
    step: int
    n_steps: int
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[str] = ..., maps_done: _Optional[int] = ..., n_map: _Optional[int] = ..., reduces_done: _Optional[int] = ..., n_reduce: _Optional[int] = ..., reason: _Optional[str] = ..., step: _Optional[int] = ..., n_steps: _Optional[int] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("name", "state", "slots", "running")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: str
    slots: int
    running: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[str] = ..., slots: _Optional[int] = ..., running: _Optional[int] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("seq", "events_address", "jobs", "workers", "events")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EVENTS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    seq: int
    events_address: str
    jobs: _containers.RepeatedCompositeFieldContainer[JobStatus]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    events: _containers.RepeatedCompositeFieldContainer[Published]
    def __init__(self, seq: _Optional[int] = ..., events_address: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[JobStatus, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Published, _Mapping]]] = ...) -> None: ...

class Events(_message.Message):
    __slots__ = ("version", "epoch", "events")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    epoch: int
    events: _containers.RepeatedCompositeFieldContainer[Published]
    def __init__(self, version: _Optional[int] = ..., epoch: _Optional[int] = ..., events: _Optional[_Iterable[_Union[Published, _Mapping]]] = ...) -> None: ...

class Published(_message.Message):
    __slots__ = ("seq", "time_s", "job", "task", "worker", "master")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    seq: int
    time_s: float
    job: JobEvent
    task: TaskEvent
    worker: WorkerEvent
    master: MasterEvent
    def __init__(self, seq: _Optional[int] = ..., time_s: _Optional[float] = ..., job: _Optional[_Union[JobEvent, _Mapping]] = ..., task: _Optional[_Union[TaskEvent, _Mapping]] = ..., worker: _Optional[_Union[WorkerEvent, _Mapping]] = ..., master: _Optional[_Union[MasterEvent, _Mapping]] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("job_id", "state", "text")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: str
    text: str
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class TaskEvent(_message.Message):
    __slots__ = ("job_id", "kind", "index", "attempt", "state", "worker", "text", "reason", "circumstances")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CIRCUMSTANCES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: TaskKind
    index: int
    attempt: int
    state: str
    worker: str
    text: str
    reason: FailureReason
    circumstances: Circumstances
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[str] = ..., worker: _Optional[str] = ..., text: _Optional[str] = ..., reason: _Optional[_Union[FailureReason, str]] = ..., circumstances: _Optional[_Union[Circumstances, _Mapping]] = ...) -> None: ...

class WorkerEvent(_message.Message):
    __slots__ = ("worker", "state", "text")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    worker: str
    state: str
    text: str
    def __init__(self, worker: _Optional[str] = ..., state: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class MasterEvent(_message.Message):
    __slots__ = ("state", "text")
    STATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    state: str
    text: str
    def __init__(self, state: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("version", "id", "job_id", "map_index", "attempt", "offset", "size_bytes", "from_end")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    MAP_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FROM_END_FIELD_NUMBER: _ClassVar[int]
    version: int
    id: int
    job_id: str
    map_index: int
    attempt: int
    offset: int
    size_bytes: int
    from_end: bool
    def __init__(self, version: _Optional[int] = ..., id: _Optional[int] = ..., job_id: _Optional[str] = ..., map_index: _Optional[int] = ..., attempt: _Optional[int] = ..., offset: _Optional[int] = ..., size_bytes: _Optional[int] = ..., from_end: _Optional[bool] = ...) -> None: ...

class FetchReply(_message.Message):
    __slots__ = ("version", "id", "file_bytes", "error")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    version: int
    id: int
    file_bytes: int
    error: str
    def __init__(self, version: _Optional[int] = ..., id: _Optional[int] = ..., file_bytes: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class StartJob(_message.Message):
    __slots__ = ("spec", "folder", "memory_bytes", "progress_interval_s", "no_direct_read", "syncs_late")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    NO_DIRECT_READ_FIELD_NUMBER: _ClassVar[int]
    SYNCS_LATE_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    folder: bytes
    memory_bytes: int
    progress_interval_s: float
    no_direct_read: bool
    syncs_late: bool
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., folder: _Optional[bytes] = ..., memory_bytes: _Optional[int] = ..., progress_interval_s: _Optional[float] = ..., no_direct_read: _Optional[bool] = ..., syncs_late: _Optional[bool] = ...) -> None: ...

class JournalRecord(_message.Message):
    __slots__ = ("epoch_begun", "worker_joined", "worker_gone", "job_submitted", "handed_out", "commit_granted", "map_completed", "reduce_completed", "attempt_failed", "output_lost", "job_closed", "job_forgotten", "step_begun")
    EPOCH_BEGUN_FIELD_NUMBER: _ClassVar[int]
    WORKER_JOINED_FIELD_NUMBER: _ClassVar[int]
    WORKER_GONE_FIELD_NUMBER: _ClassVar[int]
    JOB_SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    HANDED_OUT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_GRANTED_FIELD_NUMBER: _ClassVar[int]
    MAP_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    REDUCE_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FAILED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LOST_FIELD_NUMBER: _ClassVar[int]
    JOB_CLOSED_FIELD_NUMBER: _ClassVar[int]
    JOB_FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    STEP_BEGUN_FIELD_NUMBER: _ClassVar[int]
    epoch_begun: EpochBegun
    worker_joined: WorkerJoined
    worker_gone: WorkerGone
    job_submitted: JobSubmitted
    handed_out: HandedOut
    commit_granted: CommitGranted
    map_completed: MapDone
    reduce_completed: ReduceDone
    attempt_failed: AttemptFailed
    output_lost: OutputLost
    job_closed: JobClosed
    job_forgotten: JobForgotten
    step_begun: StepBegun
    def __init__(self, epoch_begun: _Optional[_Union[EpochBegun, _Mapping]] = ..., worker_joined: _Optional[_Union[WorkerJoined, _Mapping]] = ..., worker_gone: _Optional[_Union[WorkerGone, _Mapping]] = ..., job_submitted: _Optional[_Union[JobSubmitted, _Mapping]] = ..., handed_out: _Optional[_Union[HandedOut, _Mapping]] = ..., commit_granted: _Optional[_Union[CommitGranted, _Mapping]] = ..., map_completed: _Optional[_Union[MapDone, _Mapping]] = ..., reduce_completed: _Optional[_Union[ReduceDone, _Mapping]] = ..., attempt_failed: _Optional[_Union[AttemptFailed, _Mapping]] = ..., output_lost: _Optional[_Union[OutputLost, _Mapping]] = ..., job_closed: _Optional[_Union[JobClosed, _Mapping]] = ..., job_forgotten: _Optional[_Union[JobForgotten, _Mapping]] = ..., step_begun: _Optional[_Union[StepBegun, _Mapping]] = ...) -> None: ...

class EpochBegun(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class WorkerJoined(_message.Message):
    __slots__ = ("peer", "register")
    PEER_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    register: Register
    def __init__(self, peer: _Optional[bytes] = ..., register: _Optional[_Union[Register, _Mapping]] = ...) -> None: ...

class WorkerGone(_message.Message):
    __slots__ = ("peer",)
    PEER_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    def __init__(self, peer: _Optional[bytes] = ...) -> None: ...

class JobSubmitted(_message.Message):
    __slots__ = ("submit", "split_bytes", "fingerprint")
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    submit: Submit
    split_bytes: int
    fingerprint: str
    def __init__(self, submit: _Optional[_Union[Submit, _Mapping]] = ..., split_bytes: _Optional[int] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class StepBegun(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class HandedOut(_message.Message):
    __slots__ = ("job_id", "kind", "task", "attempt", "peer")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: TaskKind
    task: int
    attempt: int
    peer: bytes
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[TaskKind, str]] = ..., task: _Optional[int] = ..., attempt: _Optional[int] = ..., peer: _Optional[bytes] = ...) -> None: ...

class CommitGranted(_message.Message):
    __slots__ = ("job_id", "attempt")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class AttemptFailed(_message.Message):
    __slots__ = ("job_id", "attempt", "lost_input", "record", "error")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LOST_INPUT_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    lost_input: bool
    record: int
    error: str
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lost_input: _Optional[bool] = ..., record: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class OutputLost(_message.Message):
    __slots__ = ("job_id", "task", "may_return")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    MAY_RETURN_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task: int
    may_return: bool
    def __init__(self, job_id: _Optional[str] = ..., task: _Optional[int] = ..., may_return: _Optional[bool] = ...) -> None: ...

class JobClosed(_message.Message):
    __slots__ = ("spec", "status", "traceback", "out_of_workers", "fingerprint", "failed_task")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_WORKERS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    FAILED_TASK_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    status: JobStatus
    traceback: str
    out_of_workers: bool
    fingerprint: str
    failed_task: str
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., status: _Optional[_Union[JobStatus, _Mapping]] = ..., traceback: _Optional[str] = ..., out_of_workers: _Optional[bool] = ..., fingerprint: _Optional[str] = ..., failed_task: _Optional[str] = ...) -> None: ...

class JobForgotten(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...
