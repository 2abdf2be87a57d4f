"""What tests of the judge need."""

from __future__ import annotations

import pytest

from judge.checker import NoJudgeError, built


@pytest.fixture(scope="session")
def go() -> None:
    """The judge is built, or the test is skipped."""
    try:
        built()
    except NoJudgeError as error:
        pytest.skip(str(error))
