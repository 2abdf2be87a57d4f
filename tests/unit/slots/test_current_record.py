from __future__ import annotations

from pathlib import Path

from zmr.slots.current_record import CurrentRecord, take_current_record


def test_the_number_of_the_record_outlives_the_slot(tmp_path: Path) -> None:
    current = CurrentRecord(str(tmp_path), 7)
    current.enter(1 << 40)
    assert take_current_record(str(tmp_path), 7) == 1 << 40
    assert take_current_record(str(tmp_path), 7) == -1
    # Of an attempt that ends by itself nothing is left
    CurrentRecord(str(tmp_path), 8).close()
    current.close()
    assert list(tmp_path.iterdir()) == []
