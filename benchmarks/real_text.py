"""Text that people have written, or their tools: what lies about on this machine.

Sources, documents, pages, scripts and their maps: with words of thousands of bytes, and none of the
evenness of what generators make. Each machine has its own, so figures compare within a run alone.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = (".css", ".js", ".map", ".mjs")
ALL = (
    *SCRIPTS,
    *(".c", ".cpp", ".go", ".h", ".html", ".java", ".json", ".md", ".py", ".pyi", ".rs", ".rst"),
    *(".svg", ".txt"),
)
_MOST_FILE_BYTES = 1 << 21  # so that none of them is most of it

# All engines are to see and write the same words. Bytes up to the space, and white space that is
# not ASCII, part words for some of them only; and zmr marks the pictures of control characters, as
# it writes them for such characters themselves. Runs of spaces stay.
_ALIKE = {
    i: " " for i in range(sys.maxunicode + 1) if (i < ord(" ") or chr(i).isspace()) and i != 10
} | dict.fromkeys(range(0x2400, 0x2440), "?")


def real_text(size_bytes: int, suffixes: tuple[str, ...]) -> Iterator[bytes]:
    """About so many bytes of UTF-8, or less if there is not as much, in pieces of whole lines."""
    left = size_bytes
    for path in _files(suffixes):
        with path.open("rb") as file:
            data = file.read(min(left, _MOST_FILE_BYTES))
        text = data.decode(errors="replace").translate(_ALIKE).encode()
        yield text if text.endswith(b"\n") else text + b"\n"
        left -= len(text)
        if left <= 0:
            return


def _files(suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files of these kinds that can be read, in the order of their folders."""
    home = Path.home()
    roots = [
        Path(sysconfig.get_paths()["stdlib"]),
        *(home / name for name in (".pyenv/versions", ".cargo/registry", "go/pkg/mod", ".npm")),
        *(Path("/usr") / name for name in ("lib", "share", "include", "local")),
    ]
    seen: set[Path] = set()
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not name.endswith(suffixes) or path.is_symlink() or path in seen:
                    continue
                seen.add(path)
                if path.is_file() and os.access(path, os.R_OK):
                    yield path
