"""Compiles zmr/columns/native.c into the wheel, where there is a C compiler.

As usual, CC says which one, if not `cc`, and CFLAGS adds options. Where there is none, or it can't
compile the file, the wheel is without the library: zmr then does the same in numpy.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE, LIBRARY = "zmr/columns/native.c", "zmr/columns/libnative.so"
FLAGS = ["-std=gnu11", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


class NativeBuildHook(BuildHookInterface[Any]):
    """Called by hatchling, for a wheel and for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = tempfile.mkdtemp(prefix="zmr-build-")
        made = Path(self._folder, "libnative.so")
        if self.target_name != "wheel" or not self._compile(made):
            return
        # It is loaded by ctypes, so any Python 3 will do.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"py3-none-{platform}")
        if version == "editable":
            self._put_into_the_checkout(made)
        else:
            build_data["force_include"][str(made)] = LIBRARY

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _put_into_the_checkout(self, made: Path) -> None:
        part = Path(self.root, LIBRARY + ".part")
        try:
            shutil.copy(made, part)
            os.replace(part, Path(self.root, LIBRARY))
        except OSError as error:
            self._without(str(error))

    def _compile(self, made: Path) -> bool:
        source = Path(self.root, SOURCE)
        checksum = f"-DZMR_SOURCE={zlib.crc32(source.read_bytes())}u"
        # A compiler that is a Python package is not to see the packages of this build alone.
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        try:
            compiler = shlex.split(os.environ.get("CC") or "cc")
            flags = [*FLAGS, *shlex.split(os.environ.get("CFLAGS", "")), checksum]
            done = subprocess.run(
                [*compiler, *flags, "-o", str(made), str(source)],
                cwd=self.root,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=300,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return self._without(str(error))
        if done.returncode or not made.exists():
            return self._without(done.stderr.strip() or f"{compiler[0]} failed")
        return True

    def _without(self, reason: str) -> bool:
        self.app.display_warning(f"zmr is built without {LIBRARY}: {reason}")
        return False
