"""The tests' own tools: a leak, a hang and an early end must not go unseen."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import zmq
from support import Zmr, terminate, write_corpus
from support.process import zmr_processes

PYTHON = (sys.executable, "-c")
FOREVER = "import signal, sys; print('up', flush=True); signal.pause()"


def test_output_is_seen_as_it_comes(zmr: Zmr) -> None:
    command = zmr.start(
        "import signal; print('port 1', flush=True); print('port 2', flush=True); signal.pause()",
        program=PYTHON,
    )
    assert command.wait_for(r"port (\d+)").group(1) == "1"
    assert command.wait_for(r"port (\d+)", stream="stdout", count=2).group(1) == "2"
    assert command.running


def test_a_line_that_never_comes_fails_with_all_that_was_written(zmr: Zmr) -> None:
    command = zmr.start(FOREVER, program=PYTHON)
    command.wait_for("up")
    with pytest.raises(AssertionError, match=r"no 'done' .* within 0\.1 s(.|\n)*stdout: up"):
        command.wait_for("done", timeout_s=0.1)
    with pytest.raises(AssertionError, match=r"did not end within 0\.1 s"):
        command.wait(timeout_s=0.1)


def test_a_process_that_ends_before_its_line_fails_at_once(zmr: Zmr) -> None:
    command = zmr.start("import sys; sys.exit('no disk')", program=PYTHON)
    with pytest.raises(AssertionError, match=r"before it ended(.|\n)*stderr: no disk"):
        command.wait_for("ready")
    assert command.wait() == 1


def test_the_end_tells_status_and_output_exactly(zmr: Zmr) -> None:
    finished = zmr.run("import sys; sys.stdout.write('a\\r\\nß'); sys.exit(3)", program=PYTHON)
    assert (finished.status, finished.stdout, finished.stderr) == (3, "a\r\nß", "")


def test_a_signal_is_the_status(zmr: Zmr) -> None:
    command = zmr.start(FOREVER, program=PYTHON)
    command.wait_for("up")
    command.send(signal.SIGTERM, group=True)
    assert command.wait() == -signal.SIGTERM


def test_the_callers_environment_stays_out(zmr: Zmr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZMR_PORT", "1")
    finished = zmr.run(
        "import os; print(os.environ.get('ZMR_PORT'), os.environ['TMPDIR'])", program=PYTHON
    )
    assert finished.stdout == f"None {zmr.temporary}\n"


def test_a_process_left_behind_fails_the_test_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.process.LEAK_GRACE_S", 0.2)
    # Given a parent whose child has a session of its own, so that no group signal reaches it
    parent = (
        "import subprocess, sys;"
        f"subprocess.Popen([sys.executable, '-c', {FOREVER!r}], start_new_session=True).wait()"
    )
    with zmr_processes(tmp_path) as processes:
        processes.start(parent, program=PYTHON).wait_for("up")
        assert len(processes.processes()) == 2
        # When the parent is killed at the end of the test, then the child is found
        with pytest.raises(AssertionError, match=r"left running(.|\n)*signal\.pause"):
            processes.close()
        assert processes.processes() == {}


def test_a_socket_left_open_fails_the_test() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    left = context.socket(zmq.DEALER)
    with pytest.raises(AssertionError, match="1 sockets were left open"):
        terminate(context, timeout_s=0.1)
    assert left.closed
    assert context.closed


def test_a_context_without_sockets_ends(zmq_context: zmq.Context[zmq.Socket[bytes]]) -> None:
    zmq_context.socket(zmq.DEALER).close()
    terminate(zmq_context)
    assert zmq_context.closed


def test_the_same_seed_writes_the_same_text(tmp_path: Path, corpus: Path) -> None:
    again = write_corpus(tmp_path / "again")
    other = write_corpus(tmp_path / "other", seed=2)

    def texts(folder: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted(folder.iterdir())]

    assert texts(corpus) == texts(again)
    assert texts(corpus) != texts(other)
    assert len(texts(corpus)) == 5
