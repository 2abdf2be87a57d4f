"""Where Ray is not installed, the engine on Ray says in one line how to get it."""

from __future__ import annotations

import os

from support import Zmr


def test_a_missing_extra_is_one_line(zmr: Zmr) -> None:
    # Given that Ray can't be imported, whether it is installed or not
    (zmr.folder / "missing").mkdir()
    (zmr.folder / "missing" / "ray.py").write_text("raise ModuleNotFoundError('no ray')\n")
    path = os.pathsep.join([str(zmr.folder / "missing"), os.environ.get("PYTHONPATH", "")])
    (zmr.folder / "in").write_text("a\n")
    ended = zmr.run("run", "wordcount", "in", "--engine", "ray", env={"PYTHONPATH": path})
    assert ended.status == 2
    assert ended.stdout == ""
    assert ended.stderr == "zmr: the engine on Ray needs Ray, an extra: pip install 'zmr[ray]'\n"


def test_an_address_of_ray_is_refused_without_its_engine(zmr: Zmr) -> None:
    (zmr.folder / "in").write_text("a\n")
    ended = zmr.run("run", "wordcount", "in", "--ray-address", "auto")
    assert ended.status == 2
    assert "--ray-address is for --engine ray" in ended.stderr
    assert ended.stdout == ""
