"""The benchmark of what a failure costs: its sums, its table, and one small job of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT

# Last: an installed zmr comes before the checkout's.
sys.path.append(str(CHECKOUT))

from benchmarks import docs
from benchmarks.fault_cluster import Course, Fault, Workload
from benchmarks.fault_report import Case, least_s, section
from benchmarks.faults import PAGE
from zmr.messages import JobEvent, Published, TaskEvent, TaskKind, WorkerEvent

WORKLOAD = Workload(workers=4, maps=6, map_s=1.0, reduces=2, reduce_s=1.0)


def attempt(at_s: float, index: int, number: int, state: str, text: str = "") -> Published:
    event = TaskEvent("job", TaskKind.MAP, index, number, state, "somebody", text)
    return Published(0, 1000.0 + at_s, event)


def test_lost_work_is_what_was_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a worker that is killed at 3 s, after a map of 2 s and within one that began at 2 s
    course = Course()
    for published in (
        Published(0, 990.0, JobEvent("job", "queued")),
        attempt(0.0, 0, 1, "running"),
        attempt(0.0, 1, 2, "running"),
        attempt(1.5, 1, 2, "succeeded"),
        attempt(2.0, 0, 1, "succeeded"),
        attempt(2.0, 2, 3, "running"),
    ):
        course.hear(published)
    monkeypatch.setattr("time.time", lambda: 1003.0)
    course.killed()
    # When the master gives it up, and others do both again
    for published in (
        Published(0, 1008.0, WorkerEvent("somebody", "lost")),
        attempt(8.0, 0, 1, "lost", "its output: silent for 5 s"),
        attempt(8.0, 2, 3, "lost", "silent for 5 s"),
        attempt(8.0, 0, 4, "running"),
        attempt(8.0, 3, 5, "running", "backup"),
        Published(0, 1010.0, JobEvent("job", "done")),
    ):
        course.hear(published)
    # Then two seconds and one are lost, and time runs from the first hand-out
    assert course.lost_work_s == pytest.approx(2.0 + 1.0)
    assert (course.killed_at_s, course.lost_at_s, course.elapsed_s) == (3.0, 8.0, 10.0)
    assert (course.state, course.backups) == ("done", 1)


def test_nobody_can_schedule_away_the_loss_of_a_worker() -> None:
    killed = Case("killed", WORKLOAD, Fault(kills=True))
    slow = Case("slow", WORKLOAD, Fault(slows=True))
    # Three workers do in 16 s what four would in 12, and 3 s of work more.
    course = Course(killed_at_s=8.0, lost_work_s=3.0)
    assert least_s(killed, course, 20.0) == pytest.approx(8.0 + 16.0 + 1.0)
    assert least_s(slow, Course(), 31.0) == pytest.approx(40.0)
    assert least_s(Case("plain", WORKLOAD, Fault()), Course(), 31.0) == 31.0


def test_a_table_of_faults_tells_the_unavoidable_from_the_rest() -> None:
    cases = (
        Case("plain", WORKLOAD, Fault()),
        Case("killed", WORKLOAD, Fault(kills=True)),
        Case("slow", WORKLOAD, Fault(slows=True)),
        Case("alone", WORKLOAD, Fault(slows=True, options=("--no-backups",))),
    )
    killed = [Course("done", s, 10.0, 15.0, lost_work_s=5.0) for s in (26.0, 27.0, 40.0)]
    courses = {
        "plain": [Course("done", s) for s in (20.0, 19.0, 21.0)],
        "killed": killed,
        "slow": [Course("done", 26.0)] * 3,
        "alone": [Course("done", 30.0)] * 3,
    }
    shown = section(cases, courses)
    assert [line for line in shown.splitlines() if line.startswith("| 4 workers")] == [
        "| 4 workers, undisturbed | 20.0 s | 19.0 – 21.0 |  |  |  |",
        "| 4 workers, one killed at half of the job | 27.0 s | 26.0 – 40.0 |"
        " **+35.0 %** | +25.0 % | +10.0 % |",
        "| 4 workers, one 10 times slower, with backup tasks | 26.0 s | 26.0 – 26.0 |"
        " **+30.0 %** | +29.0 % | +1.0 % |",
        "| 4 workers, one 10 times slower, without backup tasks | 30.0 s | 30.0 – 30.0 |"
        " **+50.0 %** | +29.0 % | +21.0 % |",
        "| 4 workers, one killed at half of the job: beyond lost capacity and lost work |"
        " +10.0 %, **missed** | ≤ 5 % |",
        "| 4 workers, one 10 times slower, with backup tasks: beyond lost capacity |"
        " +1.0 %, met | ≤ 15 % |",
    ]
    assert "5.0 s after its death" in shown
    assert "`python -m benchmarks.faults --rounds 3`" in shown


def test_an_output_that_lacks_a_record_is_seen(tmp_path: Path) -> None:
    lines = [f"{key}\t60" for key in range(8)]
    output = tmp_path / "mr-out-0"
    output.write_text("\n".join(lines))
    (tmp_path / "mr-out-1").write_text("")
    WORKLOAD.check(tmp_path)
    for wrong in (lines[1:], [*lines[1:], "0\t59"], [*lines, lines[0]]):
        output.write_text("\n".join(wrong))
        with pytest.raises(ValueError, match="not what the job must put out"):
            WORKLOAD.check(tmp_path)


def test_the_page_has_a_place_for_the_table_of_faults() -> None:
    assert docs.names(PAGE.read_text()) == ["faults"]


FAULT = """
import os, sys
from pathlib import Path
from benchmarks.fault_cluster import Fault, Workload, run
from benchmarks.processes import descendants, keep_orphans

keep_orphans()
fault = Fault(slows=True, options=("--no-backups",))
course = run(Workload(2, 4, 0.02, 2, 0.02), fault, Path(sys.argv[1], "run"))
print(course.state, course.tasks_done, course.elapsed_s > 0, descendants(os.getpid()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_job_with_a_slow_worker_is_run_and_checked(tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-c", FAULT, str(tmp_path)),
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done 6 True []\n"
