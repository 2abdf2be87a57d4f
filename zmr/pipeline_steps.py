"""The steps of a pipeline: what workers get of each, where its files are, what feeds the next one.

To its workers each step is a job of its own, with an id of its own. What a step puts out goes, as
files of pairs, to a folder within the temporary folder of the whole; the last step's is the output.
A job that is no pipeline is its only step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zmr.messages import Counters, InputFile, JobSpec, OutputFile


@dataclass(frozen=True, slots=True)
class Totals:
    """What all tasks of a job did, each counted once."""

    records_in: int = 0
    bytes_in: int = 0
    records_out: int = 0
    bytes_out: int = 0
    map_s: float = 0.0  # from the first hand-out to the last completion of the phase
    reduce_s: float = 0.0


NO_TOTALS = Totals()


@dataclass(frozen=True, slots=True)
class StepDone:
    """What a step of a pipeline has done."""

    name: str
    counters: Counters
    totals: Totals


def temporary_folder(folder: str, job_id: str) -> str:
    """Where a job keeps, within its output folder, what is not committed yet."""
    return f"{folder.rstrip('/')}/.zmr-{job_id}"


def whole_output(folder: str) -> str:
    """The output folder of the whole, for that of any step."""
    above, mark, rest = folder.rpartition("/.zmr-")
    return above if mark and rest.count("/") == 1 else folder


def step_spec(spec: JobSpec, number: int, done: Sequence[StepDone] = ()) -> JobSpec:
    """The spec that workers get of a step, from 1; of those before it, it has the counters.

    A job that is no pipeline is its only step.
    """
    if not spec.steps:
        return spec
    before = zip(spec.steps, done, strict=False)
    counted = tuple(replace(step, counters=its.counters) for step, its in before)
    step = spec.steps[number - 1]
    between = f"{temporary_folder(spec.output, spec.job_id)}/step-{number}"
    return replace(
        spec,
        job_id=f"{spec.job_id}.{number}",
        name=step.name,
        params=step.params,
        n_reduce=step.n_reduce,
        output=spec.output if number == len(spec.steps) else between,
        bounds=spec.bounds if number == 1 else b"",
        steps=counted + spec.steps[len(counted) :],
        step=number,
    )


def inputs_of_next(step: JobSpec, files: Iterable[OutputFile]) -> tuple[InputFile, ...]:
    """The input of the step after this one, which has put out these files."""
    return tuple(InputFile(f"{step.output}/{f.name}", f.size_bytes, splittable=True) for f in files)


def with_step(number: int, n_steps: int, text: str) -> str:
    """The text, after the step that it is about: "step 2 of 3: map"; alone where there is none."""
    return f"step {number} of {n_steps}: {text}" if n_steps else text


def counters_of_all(steps: Sequence[StepDone]) -> Counters:
    """The counters of all steps, added up by their names."""
    counters: Counter[str] = Counter()
    for step in steps:
        for name, n in step.counters:
            counters[name] += n
    return tuple(sorted(counters.items()))


def totals_of_all(steps: Sequence[StepDone]) -> Totals:
    """What went into the first step and came out of the last; the times of all added up."""
    first, last = steps[0].totals, steps[-1].totals
    return Totals(
        first.records_in,
        first.bytes_in,
        last.records_out,
        last.bytes_out,
        sum(step.totals.map_s for step in steps),
        sum(step.totals.reduce_s for step in steps),
    )
