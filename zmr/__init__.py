"""zmr: MapReduce for Python, on one machine or on many.

The public names, and nothing else. They are loaded when first used, so that importing a part of
zmr costs that part only.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers know better; the module `typing` takes a while to load
if TYPE_CHECKING:
    from zmr.columns.split_words import split_words
    from zmr.engines.inline import InlineResult, run_inline
    from zmr.errors import InputError, JobError, OutputError, ZmrError
    from zmr.formats import BadRecord, InputFormat, Lines
    from zmr.formats.csv import Csv
    from zmr.formats.fixed_records import FixedRecords
    from zmr.formats.json_lines import JsonLines
    from zmr.formats.output import OutputFormat, Raw, Text
    from zmr.formats.parquet import Parquet
    from zmr.formats.text_blocks import TextBlocks
    from zmr.formats.whole_files import WholeFiles
    from zmr.job import Job
    from zmr.job_loader import find_job
    from zmr.output.manifest import read_output
    from zmr.partitioners import Hash, Range
    from zmr.pipeline import Pipeline
    from zmr.reducers import (
        Collect,
        Count,
        Distinct,
        First,
        Identity,
        Max,
        Mean,
        Min,
        Reducer,
        Sum,
        Top,
    )

__version__ = "0.1.0"

__all__ = [
    "BadRecord",
    "Collect",
    "Count",
    "Csv",
    "Distinct",
    "First",
    "FixedRecords",
    "Hash",
    "Identity",
    "InlineResult",
    "InputError",
    "InputFormat",
    "Job",
    "JobError",
    "JsonLines",
    "Lines",
    "Max",
    "Mean",
    "Min",
    "OutputError",
    "OutputFormat",
    "Parquet",
    "Pipeline",
    "Range",
    "Raw",
    "Reducer",
    "Sum",
    "Text",
    "TextBlocks",
    "Top",
    "WholeFiles",
    "ZmrError",
    "__version__",
    "find_job",
    "read_output",
    "run_inline",
    "split_words",
]

_HOMES = {
    "BadRecord": "zmr.formats",
    "Collect": "zmr.reducers",
    "Count": "zmr.reducers",
    "Csv": "zmr.formats.csv",
    "Distinct": "zmr.reducers",
    "First": "zmr.reducers",
    "FixedRecords": "zmr.formats.fixed_records",
    "Hash": "zmr.partitioners",
    "Identity": "zmr.reducers",
    "InlineResult": "zmr.engines.inline",
    "InputError": "zmr.errors",
    "InputFormat": "zmr.formats",
    "Job": "zmr.job",
    "JobError": "zmr.errors",
    "JsonLines": "zmr.formats.json_lines",
    "Lines": "zmr.formats",
    "Max": "zmr.reducers",
    "Mean": "zmr.reducers",
    "Min": "zmr.reducers",
    "OutputError": "zmr.errors",
    "OutputFormat": "zmr.formats.output",
    "Range": "zmr.partitioners",
    "Raw": "zmr.formats.output",
    "Reducer": "zmr.reducers",
    "Sum": "zmr.reducers",
    "Text": "zmr.formats.output",
    "Parquet": "zmr.formats.parquet",
    "Pipeline": "zmr.pipeline",
    "TextBlocks": "zmr.formats.text_blocks",
    "Top": "zmr.reducers",
    "WholeFiles": "zmr.formats.whole_files",
    "ZmrError": "zmr.errors",
    "find_job": "zmr.job_loader",
    "read_output": "zmr.output.manifest",
    "run_inline": "zmr.engines.inline",
    "split_words": "zmr.columns.split_words",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'zmr' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
