"""Jobs that are given as objects, from a script, a notebook or a test, as bytes for slots.

The bytes are a line of JSON and a pickle. The line says with which Python the pickle was made, and
where modules are found; classes that no other process can import (of a script or a notebook, or
within a function) are pickled themselves, by cloudpickle. They are opened by slots, which run the
job's code anyway, and by nothing else.
"""

from __future__ import annotations

import base64
import json
import linecache
import os
import sys
from collections.abc import Iterator
from copy import copy
from types import CodeType, FunctionType
from typing import Any

from zmr.errors import JobError
from zmr.job import Job
from zmr.module_loader import files_run, run_file
from zmr.pipeline import Pipeline

PICKLED = "pickled:"  # before the name of the class, in the reference of such a job

_PYTHON = list(sys.version_info[:2])
_NO_FILE = "<dynamic-code>"  # what cloudpickle has in place of a file's name


def is_pickled(reference: str) -> bool:
    """Whether it is that of a job given as an object."""
    return reference.startswith(PICKLED)


def own_copy(job: Job | Pipeline) -> Any:
    """The job as it is now, without what its methods made for a process (`@zmr.once`)."""
    own = copy(job)
    if isinstance(own, Pipeline):
        own.jobs = tuple(map(own_copy, own.jobs))
    else:
        own._counters, own._once = {}, {}
    return own


def pickle_job(job: Job | Pipeline) -> bytes:
    """The bytes of the job. Raises `JobError` if it has something that can't be pickled."""
    import cloudpickle  # type: ignore[import-untyped]

    try:
        try:
            data: bytes = cloudpickle.dumps((job, _own_classes()))
        except Exception:  # one of them can't be, which need not be the job's concern
            data = cloudpickle.dumps((job, list(filter(_is_picklable, _own_classes()))))
    except Exception as error:
        raise JobError(
            f"{type(job).__name__} can't be sent to the processes that run it: "
            f"{type(error).__name__}: {error} (make what can't be pickled in setup())"
        ) from error
    files = {key: function.__code__.co_filename for key, function in _functions(job)}
    head = {
        "python": _PYTHON,
        "code": files,
        "lines": {path: linecache.getlines(path) for path in set(files.values())},
        "path": [os.path.abspath(folder) for folder in sys.path],
        "files": [
            [path, base64.b64encode(source).decode(), search_path]
            for name, path, source, search_path in files_run()
            if name.encode() in data
        ],
    }
    return json.dumps(head).encode() + b"\n" + data


def unpickle_job(source: bytes) -> Any:
    """The job of the bytes. Raises `JobError`."""
    line, _, data = source.partition(b"\n")
    head = json.loads(line)
    if head["python"] != _PYTHON:
        theirs, ours = (".".join(map(str, version)) for version in (head["python"], _PYTHON))
        raise JobError(
            f"the job was submitted by Python {theirs}, and can't be opened by the Python {ours} "
            "of this worker"
        )
    sys.path += [folder for folder in head["path"] if folder not in sys.path]
    for path, text, search_path in head["files"]:
        run_file(path, base64.b64decode(text), search_path)
    import pickle

    try:
        job, classes = pickle.loads(data)
    except Exception as error:
        raise JobError(
            f"the job can't be opened where it is to run: {type(error).__name__}: {error}"
        ) from error
    _show_in_tracebacks(job, head["code"], head["lines"])
    main = sys.modules["__main__"]
    for found in classes:  # so that instances of them can be pickled here
        setattr(main, found.__qualname__, found)
    return job


def _functions(job: Job | Pipeline) -> Iterator[tuple[str, FunctionType]]:
    """The functions of a job, and of its module that they call, with a name for each."""
    for one in job.jobs if isinstance(job, Pipeline) else (job,):
        for owner in type(one).__mro__:
            if owner.__module__.partition(".")[0] in ("zmr", "builtins"):
                continue
            for name, method in vars(owner).items():
                if isinstance(method, FunctionType):
                    yield f"{owner.__name__}.{name}", method
                    for used in method.__code__.co_names:
                        found = method.__globals__.get(used)
                        if isinstance(found, FunctionType) and found.__module__ == owner.__module__:
                            yield used, found


def _show_in_tracebacks(
    job: Job | Pipeline, files: dict[str, str], lines: dict[str, list[str]]
) -> None:
    """Give functions that were pickled the names of their files again, which cloudpickle drops, and
    have tracebacks show their lines: those of a notebook's cell are in no file.
    """
    for key, function in _functions(job):
        if function.__code__.co_filename == _NO_FILE and key in files:
            function.__code__ = _of_file(function.__code__, files[key])
    for path, text in lines.items():
        if text and path not in linecache.cache:
            linecache.cache[path] = (sum(map(len, text)), None, text, path)


def _of_file(code: CodeType, path: str) -> CodeType:
    constants = tuple(
        _of_file(constant, path) if isinstance(constant, CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=path, co_consts=constants)


def _is_picklable(found: type) -> bool:
    import cloudpickle

    try:
        cloudpickle.dumps(found)
    except Exception:
        return False
    return True


def _own_classes() -> list[type]:
    """The classes of the script or notebook: what a job yields may be an instance of one."""
    return [
        value
        for name, value in vars(sys.modules["__main__"]).items()
        if isinstance(value, type) and value.__module__ == "__main__" and value.__qualname__ == name
    ]
