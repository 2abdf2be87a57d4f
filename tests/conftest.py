"""The fixtures that all tests may use."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import zmq
from support import Zmr, terminate, write_corpus
from support.process import zmr_processes

# A loaded machine is slow now and then; pytest's own timeout bounds a test.
hypothesis.settings.register_profile("zmr", deadline=None, print_blob=True)
hypothesis.settings.load_profile("zmr")

# Masters keep their keys there, and whoever connects to them finds them.
os.environ["ZMR_HOME"] = tempfile.mkdtemp(prefix="zmr-home-")
atexit.register(shutil.rmtree, os.environ["ZMR_HOME"], ignore_errors=True)

# In the background of a script, or under nohup, signals are ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)


@pytest.fixture
def zmr(tmp_path: Path) -> Iterator[Zmr]:
    """Run `zmr` and other programs as real processes; fails the test that leaves one running."""
    with zmr_processes(tmp_path) as processes:
        yield processes


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder of five small text files, the same ones in every run."""
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def zmq_context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """Give a context; fails the test that leaves a socket of it open."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.linger = 0
    yield context
    terminate(context)
