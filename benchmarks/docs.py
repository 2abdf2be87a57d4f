"""The generated parts of a hand-written page: what stands between two markers is replaced.

<!-- bench:NAME:begin -->
...
<!-- bench:NAME:end -->
"""

from __future__ import annotations

import re


def names(page: str) -> list[str]:
    """The names of the page's generated parts."""
    return re.findall(r"^<!-- bench:([\w-]+):begin -->$", page, re.MULTILINE)


def replace(page: str, name: str, text: str) -> str:
    """The page with another text in the part `name`. Raises ValueError if it has no such part."""
    begin, end = f"<!-- bench:{name}:begin -->\n", f"<!-- bench:{name}:end -->\n"
    before, marked, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not marked or not closed:
        raise ValueError(f"the page has no part {name!r}: write the lines {begin}{end}")
    return f"{before}{begin}\n{text}\n\n{end}{after}"
