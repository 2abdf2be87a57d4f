"""What is measured of one case of `benchmarks.scale`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured of one case."""

    workers: int
    tasks: int
    events: int
    core_s: float  # in the core
    codec_s: float  # from and to bytes
    heartbeats_s: float  # all of a round's, at worst, with the codec
    submit_s: float  # the turn that takes on the job
    bytes_a_task: float

    @property
    def events_a_second(self) -> float:
        return self.events / self.core_s

    def __str__(self) -> str:
        return (
            f"{self.workers:6,} workers, {self.tasks:9,} tasks: "
            f"{self.events_a_second:,.0f} events/s, "
            f"{self.events / (self.core_s + self.codec_s):,.0f} with the codec; all heartbeats in "
            f"{self.heartbeats_s:.3f} s; {self.bytes_a_task:,.0f} B a task; "
            f"taken on in {self.submit_s:.2f} s"
        )
