"""zmr: MapReduce for Python, on one machine or on many.

The public names, and nothing else. They are loaded when first used, so that importing a part of
zmr costs that part only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors
    from zmr.columns.split_words import split_words as split_words
    from zmr.engines.connect import connect as connect
    from zmr.engines.result import Result as Result
    from zmr.engines.result import read as read
    from zmr.engines.run import LocalCluster as LocalCluster
    from zmr.engines.run import run as run
    from zmr.errors import InputError as InputError
    from zmr.errors import JobError as JobError
    from zmr.errors import JobFailed as JobFailed
    from zmr.errors import OutputError as OutputError
    from zmr.errors import ZmrError as ZmrError
    from zmr.formats import BadRecord as BadRecord
    from zmr.formats import InputFormat as InputFormat
    from zmr.formats import Lines as Lines
    from zmr.formats.csv import Csv as Csv
    from zmr.formats.fixed_records import FixedRecords as FixedRecords
    from zmr.formats.input import Input as Input
    from zmr.formats.json_lines import JsonLines as JsonLines
    from zmr.formats.output import OutputFormat as OutputFormat
    from zmr.formats.output import Raw as Raw
    from zmr.formats.output import Text as Text
    from zmr.formats.parquet import Parquet as Parquet
    from zmr.formats.text_blocks import TextBlocks as TextBlocks
    from zmr.formats.warc import Warc as Warc
    from zmr.formats.whole_files import WholeFiles as WholeFiles
    from zmr.job import Job as Job
    from zmr.job import once as once
    from zmr.job_loader import find_job as find_job
    from zmr.parameters import Secret as Secret
    from zmr.partitioners import Hash as Hash
    from zmr.partitioners import Range as Range
    from zmr.pipeline import Pipeline as Pipeline
    from zmr.reducers import Collect as Collect
    from zmr.reducers import Count as Count
    from zmr.reducers import Distinct as Distinct
    from zmr.reducers import First as First
    from zmr.reducers import Identity as Identity
    from zmr.reducers import Max as Max
    from zmr.reducers import Mean as Mean
    from zmr.reducers import Min as Min
    from zmr.reducers import Reducer as Reducer
    from zmr.reducers import Sum as Sum
    from zmr.reducers import Top as Top
    from zmr.version import __version__ as __version__
else:
    from importlib import import_module

    _NAMES_OF = {
        "zmr.columns.split_words": "split_words",
        "zmr.engines.result": "Result read",
        "zmr.engines.connect": "connect",
        "zmr.engines.run": "LocalCluster run",
        "zmr.errors": "InputError JobError JobFailed OutputError ZmrError",
        "zmr.formats": "BadRecord InputFormat Lines",
        "zmr.formats.csv": "Csv",
        "zmr.formats.fixed_records": "FixedRecords",
        "zmr.formats.input": "Input",
        "zmr.formats.json_lines": "JsonLines",
        "zmr.formats.output": "OutputFormat Raw Text",
        "zmr.formats.parquet": "Parquet",
        "zmr.formats.text_blocks": "TextBlocks",
        "zmr.formats.warc": "Warc",
        "zmr.formats.whole_files": "WholeFiles",
        "zmr.job": "Job once",
        "zmr.job_loader": "find_job",
        "zmr.parameters": "Secret",
        "zmr.partitioners": "Hash Range",
        "zmr.pipeline": "Pipeline",
        "zmr.reducers": "Collect Count Distinct First Identity Max Mean Min Reducer Sum Top",
        "zmr.version": "__version__",
    }
    _HOMES = {name: home for home, names in _NAMES_OF.items() for name in names.split()}

    __all__ = sorted(_HOMES)  # noqa: PLE0605 -- of names that are said once

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'zmr' has no attribute {name!r}")
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value

    def __dir__():
        return __all__
