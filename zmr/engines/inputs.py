"""The inputs of a job: from what the user names to the files that are read.

All that is wrong with the inputs is found here, before anything starts, and reported at once. The
order of the rows is the order of the job's tasks, and so of the values of a key: the arguments as
given, the files of a folder by the bytes of their paths.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from zmr.errors import InputError
from zmr.formats import BadRecord, InputFormat
from zmr.messages import InputFile
from zmr.output.folder import NOT_OUTPUT

log = logging.getLogger("zmr.inputs")

_MOST_NAMED = 10


def list_inputs(
    paths: Iterable[str],
    input_format: InputFormat | None = None,
    hidden_files: bool = False,
    skip_bad_files: bool = False,
) -> tuple[InputFile, ...]:
    """The files behind the paths, folders searched to the bottom, with absolute paths.

    A path that does not exist may be a pattern: `data/*.txt`, or `data/**/*.txt` for all folders
    below `data`. In folders, files and folders whose names begin with `.` or `_` are no data, as in
    Hadoop and Spark: they are passed over, by patterns that don't begin so too. `hidden_files` has
    them read, but for the markers of earlier jobs (`_SUCCESS`). A file named twice is read twice; a
    pattern gives each file once. Without `input_format`, which decides what files may be split,
    none may. Raises `InputError`, which names everything that is
    missing, unreadable, not a regular file, or not text where there should be text. With
    `skip_bad_files`, what is unreadable or no text is left to the tasks.
    """
    files: list[InputFile] = []
    problems: list[str] = []
    unreadable: list[str] = [] if skip_bad_files else problems
    ignored = NOT_OUTPUT | (input_format.ignored_names if input_format else frozenset())
    passes = _Passes(ignored, "" if hidden_files else "._")
    for path in paths:
        if not path:  # of a variable that isn't set, in all likelihood: not the current folder
            problems.append("'': an empty name")
            continue
        if path == "-":
            problems.append("-: only `zmr run` reads standard input; a file of this name is ./-")
            continue
        names = sorted(_files_behind(path, passes, problems), key=os.fsencode)
        if not names and not problems:
            log.warning("%s has no files that are read", path)
        for name in names:
            size_bytes = _size(name, problems, unreadable)
            if size_bytes is not None:
                can_split = _can_split(name, input_format, unreadable)
                files.append(InputFile(name, size_bytes, can_split))
    if problems:
        raise InputError(_in_one_message(problems))
    _warn_of_duplicates(files)
    return tuple(files)


def _warn_of_duplicates(files: list[InputFile]) -> None:
    seen: set[str] = set()
    twice: list[str] = []
    for file in files:
        if file.path in seen:
            twice.append(file.path)
        seen.add(file.path)
    if twice:
        more = f"; so are {len(twice) - 1} more" if len(twice) > 1 else ""
        log.warning("%s is named as input more than once, and read as often%s", twice[0], more)


class _Passes(NamedTuple):
    """Whether a file or folder of this name is read, where only a folder above it is named."""

    ignored: frozenset[str]
    hidden: str  # the first characters of names that are no data

    def __call__(self, name: str) -> bool:
        return name not in self.ignored and not name.startswith(tuple(self.hidden))


def _files_behind(path: str, passes: _Passes, problems: list[str]) -> Iterable[str]:
    absolute = os.path.abspath(path)
    if os.path.isdir(absolute):
        return _files_below(absolute, passes, (), problems)
    if os.path.lexists(absolute) or not any(char in path for char in "*?["):
        return [absolute]
    found = _matches(path, passes, problems)
    if not found:
        problems.append(f"{path}: no file matches the pattern")
    return found


def _matches(pattern: str, passes: _Passes, problems: list[str]) -> set[str]:
    """The files that match the pattern, and those below the folders that match."""
    from glob import iglob

    found: set[str] = set()
    said = pattern.split(os.sep)
    hidden = "".join(char for char in passes.hidden if not any(part[:1] == char for part in said))
    of_pattern = _Passes(passes.ignored, hidden)

    def matches(of: str) -> Iterator[str]:
        for match in iglob(of, recursive=True, include_hidden=not passes.hidden):
            if all(of_pattern(part) or part in said for part in match.split(os.sep)):
                yield os.path.abspath(match)

    # `glob` passes over folders that it can't search, without a word.
    folders = {each for above in _above(said) for each in matches(above)}
    unread = sorted(each for each in folders if not os.access(each, os.R_OK | os.X_OK))
    problems += [f"{folder}: Permission denied" for folder in unread]
    for absolute in matches(pattern):
        if os.path.isdir(absolute):
            found.update(_files_below(absolute, passes, (), problems))
        else:
            found.add(absolute)
    return found


def _above(parts: list[str]) -> Iterator[str]:
    """Patterns of the folders in which something is looked for by a pattern of these parts."""
    for n in range(1, len(parts)):
        if any(char in part for part in parts[: n + 1] for char in "*?["):
            yield os.sep.join([*parts[:n], ""])


def _files_below(
    folder: str,
    passes: _Passes,
    above: tuple[tuple[int, int], ...],
    problems: list[str],
) -> Iterator[str]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            problems.append(f"{folder}: a link that leads back to a folder above it")
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if not passes(entry.name):
                    continue
                if entry.is_dir():
                    yield from _files_below(entry.path, passes, (*above, identity), problems)
                else:
                    yield entry.path
    except OSError as error:
        problems.append(f"{folder}: {error.strerror}")


def _size(path: str, problems: list[str], unreadable: list[str]) -> int | None:
    """The size of a file that can serve as input; otherwise None. What is wrong is noted."""
    try:
        path.encode()
    except UnicodeEncodeError:
        problems.append(f"{os.fsencode(path)!r}: the name is not UTF-8")
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        problems.append(f"{path}: {reason}")
        return None
    if not stat.S_ISREG(status.st_mode):
        problems.append(f"{path}: neither a regular file nor a folder")
        return None
    if not os.access(path, os.R_OK):
        unreadable.append(f"{path}: Permission denied")
    return status.st_size


def _can_split(path: str, input_format: InputFormat | None, problems: list[str]) -> bool:
    try:
        return input_format is not None and input_format.can_split(path)
    except BadRecord as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
    return False


def _in_one_message(problems: list[str]) -> str:
    named = "; ".join(problems[:_MOST_NAMED])
    more = len(problems) - _MOST_NAMED
    noun = "input" if len(problems) == 1 else "inputs"
    return f"can't read the {noun} {named}" + (f"; and {more} more" if more > 0 else "")
