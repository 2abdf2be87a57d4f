"""What a failure costs: the same job undisturbed, with a worker killed, and with a slow one.

`python -m benchmarks.faults` runs each case several times, in turns, and prints a table;
`--docs` puts it into docs/reliability.md. The tasks mostly wait, as for a service, so that a
machine with fewer processors than workers shows what a cluster would.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import docs
from benchmarks.fault_cluster import Course, Fault, Workload, run
from benchmarks.fault_report import Case, section
from benchmarks.places import CHECKOUT, remove
from benchmarks.processes import keep_orphans

PAGE = CHECKOUT / "docs" / "reliability.md"

FOUR = Workload(workers=4, maps=96, map_s=0.8, reduces=12, reduce_s=0.8)
TEN = Workload(workers=10, maps=120, map_s=1.6, reduces=30, reduce_s=0.8)
NO_BACKUPS = ("--no-backups",)

CASES = (
    Case("four", FOUR, Fault()),
    Case("four-killed", FOUR, Fault(kills=True)),
    Case("four-slow", FOUR, Fault(slows=True)),
    Case("four-slow-no-backups", FOUR, Fault(slows=True, options=NO_BACKUPS)),
    Case("ten", TEN, Fault()),
    Case("ten-slow", TEN, Fault(slows=True)),
    Case("ten-slow-no-backups", TEN, Fault(slows=True, options=NO_BACKUPS)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (default: 5)")
    parser.add_argument(
        "--docs", action="store_true", help=f"put the table into {PAGE.relative_to(CHECKOUT)}"
    )
    options = parser.parse_args(arguments)
    keep_orphans()
    courses: dict[str, list[Course]] = {case.name: [] for case in CASES}
    with tempfile.TemporaryDirectory(prefix="zmr-faults-") as temporary:
        for number in range(1, options.rounds + 1):
            for case in CASES:
                folder = Path(temporary, f"{case.name}-{number}")
                course = run(case.workload, case.fault, folder)
                courses[case.name].append(course)
                remove(folder)
                done = f"{course.elapsed_s:.2f} s, {course.backups} backup tasks"
                print(f"round {number}, {case.name}: {done}", file=sys.stderr)
    text = section(CASES, courses)
    print(text)
    if options.docs:
        PAGE.write_text(docs.replace(PAGE.read_text(), "faults", text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
