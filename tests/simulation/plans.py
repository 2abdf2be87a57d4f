"""Plans of inputs that a seed draws, judged by what is promised of them. Nothing of them is run.

A simulated cluster has few and small files. What becomes of very many, and of large ones, shows in
the plan alone.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

from zmr.core.plan import count_pieces, plan
from zmr.messages import InputFile, Split

from .machines.oracle import check_cover

_MB = 1024 * 1024

# With more files than this, small neighbours share tasks, of which there are so many at least.
_FILES_AS_TASKS, _SHARED_TASKS = 128, 64


def check_plan(seed: int) -> None:
    """Fail if the plan of what this seed draws is not as promised."""
    rng = Random(f"plan {seed}")
    n_files = rng.choice([0, 1, 3, 128, 129, 130, 191, 192, 193, 257])
    split_bytes = rng.choice([100, 2 * _MB])
    sizes = rng.choice(
        [
            (0, 1, 10, 99, 100, 101, 250, 1000),
            (0, 10, _MB // 3, _MB // 2, _MB - 1, _MB, _MB + 1),
            (0, 10, 1000),
            (_MB // 2, _MB // 2 - 1, _MB // 2 + 1),
            (3, 2 * _MB, 2 * _MB + 1, 7 * _MB),
        ]
    )
    if split_bytes == 100 and sizes[-1] > 1000:
        split_bytes = 2 * _MB
    is_splittable = rng.random() < 0.5
    inputs = [
        InputFile(f"/in/{n}", rng.choice(sizes), splittable=is_splittable or rng.random() < 0.5)
        for n in range(n_files)
    ]
    planned = list(plan(inputs, split_bytes))
    check_cover(planned, inputs)
    _check_cuts(planned, inputs, split_bytes)
    _check_shares(planned, n_files, split_bytes)


def _check_cuts(
    planned: list[tuple[Split, ...]], inputs: list[InputFile], split_bytes: int
) -> None:
    """Files are cut, if they may be, into even pieces no larger than a split, and no more."""
    pieces: dict[str, list[Split]] = {}
    for split in (split for splits in planned for split in splits):
        pieces.setdefault(split.path, []).append(split)
    for file in inputs:
        own = pieces[file.path]
        assert {split.file_bytes for split in own} == {file.size_bytes}, f"{own}: of {file}"
        if len(own) == 1:
            may_be_whole = file.size_bytes <= split_bytes or not file.splittable
            assert may_be_whole, f"{file} is in one piece, {own}"
            assert own[0].length < 0, f"{file} is cut, although it is in one piece: {own}"
            continue
        lengths = [split.length for split in own]
        assert max(lengths) <= split_bytes, f"{file} has pieces of {max(lengths)}"
        assert max(lengths) - min(lengths) <= 1, f"{file} has uneven pieces: {lengths}"
        assert (len(own) - 1) * split_bytes < file.size_bytes, f"{file} has {len(own)} pieces"
    n = sum(map(len, pieces.values()))
    counted = count_pieces(inputs, split_bytes)
    assert counted == n, f"{n} pieces are counted as {counted}"


def _check_shares(planned: list[tuple[Split, ...]], n_files: int, split_bytes: int) -> None:
    """Of very many files, small neighbours share a task, as many as may."""
    most = -(-n_files // _SHARED_TASKS) if n_files > _FILES_AS_TASKS else 1

    def may_share(splits: tuple[Split, ...]) -> bool:
        is_whole = all(split.length < 0 for split in splits)
        n_bytes = sum(split.file_bytes for split in splits)
        is_small = all(split.file_bytes < _MB for split in splits)
        return is_whole and is_small and n_bytes <= _MB and len(splits) <= most

    for splits in planned:
        assert len(splits) == 1 or may_share(splits), f"these share a task: {splits}"
    for one, other in pairwise(planned):
        apart = not (may_share(one) and may_share((*one, other[0])))
        assert apart or not may_share(other[:1]), f"these do not share a task: {one}, {other}"
