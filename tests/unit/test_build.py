"""A wheel has the compiled library where there is a compiler, and is made without it elsewhere."""

from __future__ import annotations

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zmr.columns import native

CHECKOUT = Path(__file__).parents[2]
LIBRARY = "zmr/columns/libnative.so"


def built(version: str, root: Path = CHECKOUT) -> tuple[dict[str, Any], list[str], Any]:
    """What the hook tells hatchling, what it warns of, and the hook, which is to be finalized."""
    spec = spec_from_file_location("hatch_build", CHECKOUT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    warnings: list[str] = []
    app = SimpleNamespace(display_warning=warnings.append)
    hook = module.NativeBuildHook(str(root), {}, None, None, "", "wheel", app)
    data: dict[str, Any] = {"pure_python": True, "force_include": {}}
    hook.initialize(version, data)
    return data, warnings, hook


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_wheel_has_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    data, warnings, hook = built("standard")
    # Then it is a wheel for this platform, and for any Python 3
    assert not warnings
    assert not data["pure_python"]
    assert data["tag"].startswith("py3-none-linux")
    # And its library can be loaded
    ((made, place),) = data["force_include"].items()
    assert place == LIBRARY
    shutil.copy(made, tmp_path / "libnative.so")
    shutil.copy(CHECKOUT / "zmr/columns/native.c", tmp_path)
    assert native.load(tmp_path) is not None
    # And nothing is left of the build
    hook.finalize("standard", data, "")
    assert not Path(made).exists()


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_an_editable_installation_has_it_in_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "zmr/columns").mkdir(parents=True)
    shutil.copy(CHECKOUT / "zmr/columns/native.c", tmp_path / "zmr/columns")
    _, _, hook = built("editable", tmp_path)
    hook.finalize("editable", {}, "")
    assert native.load(tmp_path / "zmr/columns") is not None


@pytest.mark.parametrize(
    "compiler",
    [
        "/nowhere/cc",
        f"{sys.executable} -c 'raise SystemExit(1)'",
        "sh -c 'printf \"\\351\" >&2; exit 1'",
        "true",
        "cc '",
    ],
)
def test_without_a_compiler_a_wheel_is_made_without_it(
    monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    data, warnings, hook = built("standard")
    hook.finalize("standard", data, "")
    assert data == {"pure_python": True, "force_include": {}}
    assert len(warnings) == 1
    assert LIBRARY in warnings[0]
