"""The documents for users, and the code in them."""

from __future__ import annotations

import re

from support import CHECKOUT

FOR_USERS = tuple(CHECKOUT / name for name in ("README.md", "docs/jobs.md", "docs/python.md"))
_PYTHON = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def python_blocks() -> list[str]:
    """Return the blocks of Python in the documents for users, each a job file."""
    return [block for path in FOR_USERS for block in _PYTHON.findall(path.read_text())]
