"""Standard input as an input of `zmr run`: a file for as long as the job runs."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack

from zmr.errors import InputError

STDIN = "-"


def with_stdin(inputs: tuple[str, ...], local_dir: str | None, stack: ExitStack) -> tuple[str, ...]:
    """The inputs with a file of all of stdin in the place of `-`. Raises `InputError`.

    Tasks run in processes of their own, and may be tried again, for which they need a file.
    """
    if STDIN not in inputs:
        return inputs
    if inputs.count(STDIN) > 1:
        raise InputError("standard input (-) can be read only once")
    from zmr.output.local_dir import LocalDir

    folder = LocalDir(local_dir)
    stack.callback(folder.close)
    path = os.path.join(folder.path, "stdin")
    try:
        if sys.stdin is None:
            raise InputError("can't read standard input (-): it is closed")
        with open(path, "xb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    except OSError as error:
        raise InputError(f"can't keep standard input (-) in {path}: {error.strerror}") from None
    return tuple(path if each == STDIN else each for each in inputs)
