"""`tox -e sanitize`: runs pytest with the sanitizers' runtime loaded first, as it has to be.

The library itself was compiled with them: see `[testenv:.pkg-sanitize]` in tox.ini.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from zmr.columns import native


def main() -> None:
    compiler = os.environ.get("CC", "cc")
    found = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    environment = {
        **os.environ,
        "LD_PRELOAD": found.stdout.strip(),
        # Python itself, and numpy, keep memory until the end.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    library = Path(native.__file__).with_name("libnative.so")
    if b"__asan_init" not in library.read_bytes():
        sys.exit(f"{library} was compiled without the sanitizers")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main()
