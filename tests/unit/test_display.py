from __future__ import annotations

from zmr.display import is_power_of_ten, short_repr


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


def test_a_value_is_one_short_line_whatever_it_is() -> None:
    assert short_repr("a\nb") == r"'a\nb'"
    assert short_repr("a\nb", str) == "a b"
    assert short_repr(Rude()) == "<Rude>"
    assert short_repr("x" * 100, most_chars=10) == "'xxxxxx..."
    assert len(short_repr(list(range(1000)))) == 80


def test_a_growing_count_is_worth_a_line_now_and_then() -> None:
    assert [n for n in range(100_001) if is_power_of_ten(n)] == [1, 10, 100, 1000, 10_000, 100_000]
