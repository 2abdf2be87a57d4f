"""What the job `tests/jobs/obedient.py` is to do on its way, and what it has done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

JOBS = Path(__file__).resolve().parent.parent / "jobs"


class Orders:
    """A folder of orders: each is carried out once, by the first call that comes to its place.

    Places are "map <name of the input file>" and "reduce". "hold" says so on the worker's stderr,
    with the process ids of slot and fork server, and waits for `go_on`; "hang" never returns.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.job = (f"{JOBS / 'obedient.py'}:Obedient", "-p", f"orders={folder}")

    def hold(self, place: str) -> None:
        self._give(place, "hold")

    def hang(self, place: str) -> None:
        self._give(place, "hang")

    def go_on(self) -> None:
        """Let all go on that are held, and all that would be from here on."""
        (self.folder / "go on").touch()

    @property
    def calls(self) -> Counter[str]:
        """How often the job was called, so far: "map <file>" and "reduce <word>"."""
        return Counter((self.folder / "calls").read_text().splitlines())

    @property
    def maps(self) -> Counter[str]:
        """How often each file was mapped, so far."""
        return Counter(
            {call[4:]: times for call, times in self.calls.items() if call.startswith("map ")}
        )

    def _give(self, place: str, action: str) -> None:
        # Whole or not at all, for the job may be looking just now.
        draft = self.folder / "draft"
        draft.write_text(action)
        draft.rename(self.folder / place)
