"""Slots are no more than a container's quota of processor time has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from zmr.slots.cgroup import processors


def found(tmp_path: Path, membership: str, files: dict[str, str], most: int = 64) -> int:
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return processors(most, str(tmp_path / "membership"), str(tmp_path / "mounted"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "9999999 1000\n"}, 64),
        ({"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3),
        ({"pod/box/cpu.max": "400000 100000\n", "pod/cpu.max": "800000 100000\n"}, 4),
        ({"cpu.max": "damaged\n"}, 64),
        ({"cpu.max": "0 0\n"}, 64),
        ({}, 64),
    ],
)
def test_the_smallest_quota_on_the_way_up_counts(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    assert found(tmp_path, "0::/pod/box\n", files) == expected


def test_quotas_of_the_first_version(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/box/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpuset/box/cpu.max": "100000 100000\n",
    }
    membership = "5:cpuset:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n\n"
    assert found(tmp_path, membership, files) == 3


def test_without_control_groups_all_processors_count(tmp_path: Path) -> None:
    assert processors(7, str(tmp_path / "nowhere"), str(tmp_path)) == 7
    assert found(tmp_path, "no line of that kind", {}) == 64
