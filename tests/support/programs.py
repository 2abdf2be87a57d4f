"""Ways to start `zmr` in circumstances of a kind: for `Zmr.start(..., program=...)`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from support.process import ZMR, Argument

# Its terminal is both stdout and stderr, and the process says on stdout what it shows.
ON_A_TERMINAL: Sequence[Argument] = (
    sys.executable,
    "-c",
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
    *ZMR,
)

# Nobody may override the permissions of files, not even root.
WITHOUT_PRIVILEGES: Sequence[Argument] = (
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "prctl, PR_CAPBSET_DROP = ctypes.CDLL(None).prctl, 24\n"
    "CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2\n"
    "prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)\n"
    "prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
    *ZMR,
)


def in_shell(template: str) -> Sequence[Argument]:
    """Run a line of shell, in which "$@" is `zmr` with its arguments."""
    return ("sh", "-c", template, "sh", *ZMR)


def with_files_of_at_most(size_bytes: int) -> Sequence[Argument]:
    """Let no file grow beyond that size, as if the disk were full."""
    return (
        sys.executable,
        "-c",
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size_bytes}, {size_bytes}))\n"
        "os.execv(sys.argv[1], sys.argv[1:])",
        *ZMR,
    )


def as_nobody(home: Path) -> Sequence[Argument]:
    """Be another user of this machine, one without any rights, whose home folder that is.

    All of zmr is loaded before, as that user may not be able to read where it is.
    """
    return (
        sys.executable,
        "-c",
        "import importlib, os, pkgutil, sys, zmr\n"
        "import ctypes, decimal, difflib, encodings.ascii, encodings.idna, pwd, resource, uuid\n"
        "import multiprocessing.resource_tracker, pyarrow.compute, zmq.utils.monitor\n"
        "from zmr.cli import main\n"
        "for module in pkgutil.walk_packages(zmr.__path__, 'zmr.'):\n"
        "    if not module.name.endswith(('__main__', 'native', '.forkserver')):\n"
        "        importlib.import_module(module.name)\n"
        "import zmr.net.broadcast\n"
        "spawn = os.posix_spawn\n"
        "def forked(path, argv, env, *, file_actions, setsid):\n"  # nor may it start Python
        "    if 'zmr.net.broadcast' not in argv[3]:\n"
        "        return spawn(path, argv, env, file_actions=file_actions, setsid=setsid)\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os.dup2(file_actions[-1][1], 3); os.closerange(4, 1000)\n"
        "        zmr.net.broadcast.main(); os._exit(0)\n"
        "    return pid\n"
        "os.posix_spawn = forked\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"os.chdir({str(home)!r})\n"
        f"os.environ.update(HOME={str(home)!r}, TMPDIR={str(home)!r})\n"
        "os.environ.pop('ZMR_HOME', None)\n"
        "sys.exit(main())",
    )
