"""The module that a job's class lives in: run from the text of a file, or imported by name.

A job file is run from text that was sent along; the file itself need not exist on this machine.
All the same its tracebacks show the source, and objects of its classes can be pickled. Whatever
goes wrong in the user's code is a `JobError` that names the file, the line and the reason.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from types import ModuleType
from zlib import crc32

from zmr.errors import JobError

_SOURCE = "__zmr_source__"
_SEARCH_PATH = "__zmr_search_path__"


def run_file(path: str, source: bytes, search_path: str) -> ModuleType:
    """The module of a job file whose text is `source`; run once in a process. Raises `JobError`.

    The module's name depends on the path alone, so all processes of a job agree on it, and it
    hides no module that happens to be called like the file.
    """
    name = _name_of(path)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, _SOURCE, None) == source:
        return loaded
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise JobError(_told(error, path)) from None
    except ValueError as error:
        raise JobError(f"{path}: {error}") from None
    module = ModuleType(name)
    module.__file__ = path
    setattr(module, _SOURCE, source)
    setattr(module, _SEARCH_PATH, search_path)
    _show_in_tracebacks(path, source)
    _search_first(search_path)
    sys.modules[name] = module
    _loading.append(path)
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise JobError(_told(error, path)) from error
    finally:
        _loading.pop()
    return module


_loading: list[str] = []  # the job files that are being run, each by the one before


def file_being_run() -> str:
    """The job file that is being run as a module; empty: none is."""
    return _loading[-1] if _loading else ""


def files_run() -> list[tuple[str, str, bytes, str]]:
    """The modules of job files in this process: name, path, text, the folder looked in first."""
    return [
        (name, str(module.__file__), getattr(module, _SOURCE), getattr(module, _SEARCH_PATH))
        for name, module in list(sys.modules.items())
        if hasattr(module, _SEARCH_PATH)
    ]


def let_others_import(path: str, source: bytes, search_path: str, folder: str) -> None:
    """Have a process that multiprocessing starts anew (spawn, forkserver) find the job's module: by
    a file of its name in `folder`, which is looked in last. Raises OSError.

    Such a process gets this one's sys.path, and imports by name what it is to call.
    """
    os.makedirs(folder, exist_ok=True)
    text = (
        "from zmr.module_loader import run_file\n"
        f"run_file({path!a}, {source!r}, {search_path!a})\n"  # which takes this module's place
    )
    file = os.path.join(folder, f"{_name_of(path)}.py")
    written = f"{file}.{os.getpid()}"
    with open(written, "w", encoding="ascii") as stub:
        stub.write(text)
    os.replace(written, file)
    if folder not in sys.path:
        sys.path.append(folder)


def _name_of(path: str) -> str:
    stem = os.path.splitext(os.path.basename(path))[0]
    return f"zmr_job_{stem}_{crc32(os.fsencode(path)):08x}"


def import_module(name: str, search_path: str) -> ModuleType:
    """The module of this name, looked for in `search_path` first. Raises `JobError`."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise JobError(f"{name!r} can't be the name of a module")
    _search_first(search_path)
    try:
        return importlib.import_module(name)
    except SyntaxError as error:
        raise JobError(_told(error, name)) from None
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise JobError(
                f"there is no module {error.name!r} in {search_path} "
                f"or where Python looks for modules"
            ) from None
        raise JobError(_told(error, name)) from error
    except (Exception, SystemExit) as error:
        raise JobError(_told(error, name)) from error


def _search_first(folder: str) -> None:
    if os.path.isdir(folder) and (not sys.path or sys.path[0] != folder):
        sys.path.insert(0, folder)


def _show_in_tracebacks(path: str, source: bytes) -> None:
    from importlib.util import decode_source

    lines = decode_source(source).splitlines(keepends=True)
    # Without a modification time, linecache never compares the entry with a file.
    linecache.cache[path] = (len(source), None, lines, path)


def _told(error: BaseException, where: str) -> str:
    """The user's error in one line, with the place that it came from."""
    place = where
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<frozen ") and file != importlib.__file__:
            place = f"{file}, line {step.tb_lineno}"
        step = step.tb_next
    text = str(error)
    if isinstance(error, SyntaxError):
        place, text = error.filename or where, error.msg
        if error.lineno:  # without, it is the file as a whole
            place += f", line {error.lineno}"
    return f"{place}: {type(error).__name__}: {' '.join(text.split())}"
