"""Slot processes as an agent has them: real ones, with user code that does its worst."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import CHECKOUT, Zmr
from support.leaks import MARK_VARIABLE, marked_processes, wait_until_gone
from support.slots import OBEY, WAIT_S, SlotAgent, process_named, wait_for_death, wait_until_reaped

from zmr.messages import (
    CommitReply,
    CommitRequest,
    FailureReason,
    MapDone,
    Progress,
    ReduceDone,
    TaskFailed,
)
from zmr.slots.pool import SlotStartError

MEMORY_BYTES = 200 * 1024 * 1024


@contextmanager
def leaving_nothing_behind() -> Iterator[str]:
    """Mark all processes started meanwhile; fail if one of them, or an open file, is left."""
    mark = uuid.uuid4().hex
    fds = set(os.listdir("/proc/self/fd"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK_VARIABLE, mark)
        try:
            yield mark
        finally:
            left = wait_until_gone(mark, WAIT_S)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
    assert left == {}
    assert set(os.listdir("/proc/self/fd")) == fds


@pytest.fixture(scope="module")
def shared_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlotAgent]:
    with leaving_nothing_behind():
        agent = SlotAgent(tmp_path_factory.mktemp("slots"), memory_bytes=MEMORY_BYTES)
        yield agent
        agent.pool.close()


@pytest.fixture
def agent(shared_agent: SlotAgent) -> Iterator[SlotAgent]:
    """Give an agent none of whose slots is started."""
    shared_agent.events.clear()
    yield shared_agent
    for slot in tuple(shared_agent.live):
        shared_agent.pool.kill(slot)
        shared_agent.wait_for_end(slot)


# --- tasks -------------------------------------------------------------------------------------


def test_tasks_that_are_queued_are_answered_in_their_order(agent: SlotAgent) -> None:
    agent.start(0)
    tasks = [agent.map_task("pass", "x = 1"), agent.map_task("pass"), agent.map_task()]
    agent.pool.send(0, tasks)

    agent.wait_for_message(2)

    done = [message for message in agent.said() if isinstance(message, MapDone)]
    assert [message.attempt for message in done] == [task.attempt for task in tasks]
    assert [message.stats.records_in for message in done] == [2, 1, 0]


def test_two_slots_work_at_the_same_time(agent: SlotAgent) -> None:
    # Each record waits for the other slot's to arrive, so neither can end alone.
    rendezvous = str(agent.folder / "rendezvous")
    os.mkfifo(rendezvous)
    agent.run(0, f"open({rendezvous!r}, 'w').close()")
    agent.run(1, f"open({rendezvous!r}).close()")

    assert isinstance(agent.wait_for_message(slot=0), MapDone)
    assert isinstance(agent.wait_for_message(slot=1), MapDone)


def test_an_error_in_user_code_fails_its_task_only(agent: SlotAgent) -> None:
    agent.run(0, "pass", "1 / 0")
    agent.pool.send(0, [agent.map_task("sys.exit(3)"), agent.map_task("pass")])

    first, second = agent.wait_for_message(0), agent.wait_for_message(1)

    assert isinstance(first, TaskFailed)
    assert first.reason is FailureReason.USER_ERROR
    assert "ZeroDivisionError" in first.message
    assert "line 2" in first.message
    assert "exec(line, globals())" in first.traceback
    assert isinstance(second, TaskFailed)
    assert "SystemExit: 3" in second.message
    assert isinstance(agent.wait_for_message(2), MapDone)


@pytest.mark.parametrize(
    ("source", "reason", "message"),
    [
        ("import no_such_module", FailureReason.BAD_JOB, "no_such_module"),
        (OBEY + "    def setup(self): 1 / 0", FailureReason.USER_ERROR, "ZeroDivisionError"),
    ],
)
def test_every_task_of_a_job_that_cannot_begin_is_told_why(
    agent: SlotAgent, source: str, reason: FailureReason, message: str
) -> None:
    agent.start(0, source)
    agent.pool.send(0, [agent.map_task("pass"), agent.map_task("pass")])

    for number in range(2):
        failed = agent.wait_for_message(number)
        assert isinstance(failed, TaskFailed)
        assert failed.reason is reason
        assert message in failed.message
        assert "Error" in failed.traceback


@pytest.mark.parametrize("granted", [True, False])
def test_a_reduce_commits_only_when_it_may(agent: SlotAgent, granted: bool) -> None:
    agent.start(0)
    task = agent.reduce_task()
    output = Path(task.output, "mr-out-0")
    agent.pool.send(0, [task, agent.map_task("pass")])

    request = agent.wait_for_message()
    assert isinstance(request, CommitRequest)
    assert request.attempt == task.attempt
    assert not output.exists()
    another = CommitReply(task.attempt + 1, not granted)
    agent.pool.send(0, [another, CommitReply(task.attempt, granted), another])

    assert isinstance(agent.wait_for_message(1), ReduceDone if granted else TaskFailed)
    assert output.exists() is granted
    output.unlink(missing_ok=True)
    assert isinstance(agent.wait_for_message(2), MapDone)


def test_a_slow_record_is_seen_as_no_progress(agent: SlotAgent) -> None:
    agent.start(0, progress_interval_s=0.01)
    task = agent.map_task("pass", "while True: pass")
    agent.pool.send(0, [task])

    reports = [agent.wait_for_message(number) for number in range(4)]

    assert all(isinstance(report, Progress) for report in reports)
    assert reports[-1] == reports[-2]
    assert reports[-1].attempt == task.attempt


def printed(tmp_path: Path, caplog: pytest.LogCaptureFixture, *lines: str) -> list[str]:
    """What the agent shows of two tasks: one of these lines, and one with last words."""
    caplog.set_level(logging.INFO, "zmr.prints")
    with leaving_nothing_behind():
        agent = SlotAgent(tmp_path)
        agent.run(0, *lines)
        agent.pool.send(0, [agent.map_task("print('last words'); os._exit(0)")])
        agent.wait_for_end()
        agent.pool.close()
    return [r.getMessage() for r in caplog.records if r.name == "zmr.prints"]


def test_what_user_code_prints_comes_in_order_and_with_its_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ("print('one')", "print('t\\x1bwo', file=sys.stderr)", "os.system('echo three')")
    assert printed(tmp_path, caplog, *lines) == [
        "job-1 map 0: one",
        "job-1 map 0: t\\x1bwo",
        "job-1 map 0: three",
        "job-1 map 0: last words",
    ]
    logs = tmp_path / "out" / "_logs"
    assert (logs / "map-0.1.txt").read_text() == "one\nt\x1bwo\n"  # what Python has printed
    assert (logs / "map-0.2.txt").read_text() == "last words\n"


def test_a_task_that_prints_without_end_is_shown_and_kept_in_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = printed(tmp_path, caplog, "print(('x' * 999 + chr(10)) * 3000, end='y')", "print()")
    assert 1000 < len(shown) < 1100
    assert shown[-2:] == [
        "job-1 map 0: (it prints more than 1 MiB: the rest is not shown)",
        "job-1 map 0: last words",
    ]
    kept = (tmp_path / "out" / "_logs" / "map-0.1.txt").read_text()
    assert 65_000 < len(kept) < 66_000
    assert kept.endswith("x\n(it printed more: the rest is not kept)\n")


@pytest.mark.parametrize(
    "line",
    [
        "os.close(1); os.close(2)",
        "sys.stdout.close()",
        "os.set_blocking(1, False); print('x' * 3_000_000)",
        "sys.stdout = None",
    ],
)
def test_what_becomes_of_a_stream_fails_no_task(tmp_path: Path, line: str) -> None:
    with leaving_nothing_behind():
        agent = SlotAgent(tmp_path)
        agent.run(0, line)
        agent.pool.send(0, [agent.map_task("print('next', file=sys.stderr)")])
        agent.wait_for_message(1)
        agent.pool.close()
    done = [message for message in agent.said() if isinstance(message, MapDone)]
    assert len(done) == 2


def test_a_file_in_place_of_stdout_gets_what_is_written_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "own")
    point = f"os.dup2(os.open({path!r}, os.O_CREAT | os.O_WRONLY), 1); print('one')"
    assert printed(tmp_path, caplog, point) == []
    assert (tmp_path / "own").read_text() == "one\nlast words\n"


def test_a_link_in_place_of_the_folder_for_logs_is_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "others").mkdir()
    link = f"os.symlink({str(tmp_path / 'others')!r}, {str(tmp_path / 'out' / '_logs')!r})"
    assert "job-1 map 0: shown" in printed(tmp_path, caplog, f"{link}; print('shown')")
    assert list((tmp_path / "others").iterdir()) == []


def test_what_is_printed_where_no_output_folder_is_makes_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = str(tmp_path / "out")
    remove = f"import shutil; shutil.rmtree({out!r}); print('still heard', flush=True); os._exit(0)"
    assert "job-1 map 0: still heard" in printed(tmp_path, caplog, remove)
    assert not (tmp_path / "out").exists()


# --- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "exit_status", "signal_number"),
    [
        ("os._exit(7)", 7, None),
        ("ctypes.string_at(0)", None, signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", None, signal.SIGKILL),
    ],
)
def test_a_slot_that_dies_is_reported_and_can_be_replaced(
    agent: SlotAgent, line: str, exit_status: int | None, signal_number: int | None
) -> None:
    agent.run(0, line)

    ended = agent.wait_for_end()

    assert (ended.exit_status, ended.signal) == (exit_status, signal_number)
    assert not ended.over_memory
    agent.run(0, "pass")
    assert isinstance(agent.wait_for_message(), MapDone)


def test_the_last_words_of_a_slot_come_before_its_end(agent: SlotAgent) -> None:
    # The agent looks at nothing before the process is gone, and its end lies there to be read.
    pipe = agent.folder / "pid"
    os.mkfifo(pipe)
    agent.start(0)
    tasks = [agent.map_task(f"open({str(pipe)!r}, 'w').write(str(os.getpid()))")]
    tasks += [agent.map_task("pass") for _ in range(20)]
    agent.pool.send(0, [*tasks, agent.map_task("os._exit(7)")])
    wait_until_reaped(int(pipe.read_text()))

    assert agent.wait_for_end().exit_status == 7

    assert len(agent.said()) == len(tasks)


def test_a_slot_that_outgrows_its_memory_is_killed(agent: SlotAgent) -> None:
    agent.run(0, "hoard = []", "while True: hoard.append(bytes(1) * 2**23)")
    agent.run(1, "hoard = bytes(1) * 2**26")

    ended = agent.wait_for_end(0)

    assert ended.over_memory
    assert ended.signal == signal.SIGKILL
    assert ended.peak_bytes > MEMORY_BYTES
    assert isinstance(agent.wait_for_message(slot=1), MapDone)


@pytest.mark.parametrize(
    "start",
    [
        "subprocess.Popen(['sleep', '1000'])",
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)",
        "os.system('(setsid sleep 1000 &)')",
    ],
    ids=["child", "session", "daemon"],
)
@pytest.mark.parametrize("by_itself", [True, False])
def test_a_slot_ends_with_the_processes_that_it_started(
    agent: SlotAgent, by_itself: bool, start: str
) -> None:
    with leaving_nothing_behind() as mark:
        mark_it = f"os.environ[{MARK_VARIABLE!r}] = {mark!r}"
        agent.run(0, mark_it, start)
        agent.wait_for_message()
        assert len(marked_processes(mark)) == 1

        if by_itself:
            agent.pool.send(0, [agent.map_task("os._exit(0)")])
        else:
            agent.hang(0)
            agent.pool.kill(0)

        agent.wait_for_end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_left_to_the_agent(agent: SlotAgent, number: signal.Signals) -> None:
    # Given what a service that is stopped sends to all of its processes
    agent.run(0, f"os.kill(os.getpid(), {int(number)})", "pass")
    assert isinstance(agent.wait_for_message(), MapDone)
    # But what the slot has started, or forked, ends by them as anywhere
    lines = (
        "program = subprocess.Popen(['sleep', '1000'])",
        f"program.send_signal({int(number)})",
        f"assert program.wait(30) == -{int(number)}",
        "readable, writable = os.pipe()",
        "child = os.fork()",
        "child or (os.write(writable, b'!'), any(0 for _ in iter(int, 1)), os._exit(0))",
        "os.read(readable, 1)",
        f"os.kill(child, {int(number)})",
        "_, status = os.waitpid(child, 0)",
        "assert status != 0, status",
    )
    agent.pool.send(0, [agent.map_task(*lines)])
    assert isinstance(agent.wait_for_message(1), MapDone)


def test_a_process_forked_by_user_code_neither_speaks_for_the_slot_nor_keeps_its_end_secret(
    agent: SlotAgent,
) -> None:
    # The child leaves the slot's process group, then goes on as if it were the slot.
    agent.run(0, "child = os.fork()", "child or os.setsid()", "child and os._exit(5)")

    assert agent.wait_for_end().exit_status == 5
    assert agent.said() == []


@pytest.mark.parametrize(
    "data", [b"\xff" * 100, b"\x04\x00\x00\x00junk"], ids=["length", "contents"]
)
def test_a_slot_whose_stream_is_spoilt_is_killed(agent: SlotAgent, data: bytes) -> None:
    agent.run(
        0,
        "links = {f: os.path.realpath(f'/proc/self/fd/{f}') for f in range(64)}",
        "stream, = [f for f, link in links.items() if 'socket:' in link and f > 2]",
        f"os.write(stream, {data!r})",
        "while True: pass",
    )

    assert agent.wait_for_end().signal == signal.SIGKILL


# --- the fork server and the agent --------------------------------------------------------------


def test_close_ends_even_processes_that_hide(tmp_path: Path) -> None:
    with leaving_nothing_behind() as mark:
        agent = SlotAgent(tmp_path)
        agent.run(0, "subprocess.Popen(['sleep', '1000'], start_new_session=True)")
        agent.run(1, "pass")
        agent.hang(0)
        agent.hang(1)
        assert len(marked_processes(mark)) == 4

        agent.pool.close()

        assert marked_processes(mark) == {}


def test_a_pool_outlives_its_fork_server(tmp_path: Path) -> None:
    with leaving_nothing_behind() as mark:
        agent = SlotAgent(tmp_path)
        agent.run(0, "pass")
        agent.run(1, "subprocess.Popen(['sleep', '1000'])")
        agent.wait_for_message(slot=0)
        agent.hang(1)
        assert len(marked_processes(mark)) == 4  # the fork server, two slots, and sleep

        processes = marked_processes(mark)
        os.kill(process_named("zmr-forkserver", processes), signal.SIGKILL)

        wait_for_death(process_named("zmr-slot-0", processes))
        wait_for_death(process_named("zmr-slot-1", processes))
        assert agent.wait_for_end(0).signal == signal.SIGKILL
        assert agent.wait_for_end(1).signal == signal.SIGKILL
        assert wait_until_gone(mark, WAIT_S) == {}
        agent.run(0, "pass")
        assert isinstance(agent.wait_for_message(1), MapDone)
        agent.pool.close()


@pytest.mark.parametrize("closed", ["", "2>&-"], ids=["", "stderr closed"])
def test_an_agent_that_is_killed_leaves_no_process(zmr: Zmr, tmp_path: Path, closed: str) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from support.slots import SlotAgent

        agent = SlotAgent(Path(sys.argv[1]))
        agent.run(0, "subprocess.Popen(['sleep', '1000'], start_new_session=True)")
        agent.run(1, "pass")
        agent.hang(0)
        agent.hang(1)
        print("working", flush=True)
        agent.wait_until(lambda: False)
    """
    search_path = os.pathsep.join([str(CHECKOUT / "tests"), *filter(None, sys.path)])
    folder = tmp_path / "agent"
    folder.mkdir()
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    owner = zmr.start(
        folder, program=[*shell, sys.executable, "-c", program], env={"PYTHONPATH": search_path}
    )
    owner.wait_for("working")
    assert len(zmr.processes()) == 5  # and the agent itself

    owner.send(signal.SIGKILL)

    owner.wait()
    zmr.close()  # fails if any of them is left


def test_the_fork_server_has_a_single_thread(tmp_path: Path) -> None:
    with leaving_nothing_behind() as mark:
        agent = SlotAgent(tmp_path)
        agent.run(0, "pass")
        agent.wait_for_message()
        server = process_named("zmr-forkserver", marked_processes(mark))
        assert len(os.listdir(f"/proc/{server}/task")) == 1
        agent.pool.close()


def test_slots_that_cannot_start_are_given_up_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pyarrow.py").write_text("raise ImportError('libarrow is missing')")
    search_path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, sys.path)])
    monkeypatch.setenv("PYTHONPATH", search_path)
    with leaving_nothing_behind():
        agent = SlotAgent(tmp_path)
        for _ in range(3):
            agent.start(0)
            agent.wait_for_end()

        with pytest.raises(SlotStartError, match="can't start: ImportError: libarrow is missing"):
            agent.start(0)
        agent.pool.close()
