"""Locks on folders: held while the descriptor is open, and seen by others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zmr.output.locks import is_locked, lock


def test_a_folder_is_locked_until_the_descriptor_is_closed(tmp_path: Path) -> None:
    assert not is_locked(str(tmp_path))
    descriptor = lock(str(tmp_path))
    assert is_locked(str(tmp_path))
    with pytest.raises(BlockingIOError):
        lock(str(tmp_path))
    os.close(descriptor)
    assert not is_locked(str(tmp_path))


def test_a_folder_that_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        lock(str(tmp_path / "none"))
