"""Both forms of the kernels: a test module that takes `both_kernels` in has each test run twice."""

from __future__ import annotations

import pytest

from zmr.columns import native


@pytest.fixture(params=["native", "numpy"], autouse=True)
def both_kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the compiled library be there, or not."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "_library", lambda: None)
    elif not native.is_there():
        pytest.skip("zmr was installed without a C compiler")
