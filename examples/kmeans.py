"""k-means: job after job, until the centres stay where they are."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

import zmr


class Nearest(zmr.Job):
    """The mean of the points that are nearest to each centre."""

    _centres: Any  # set on the object, which goes to the tasks as it is

    def map_batch(self, batch: Any) -> Any:
        points = np.stack([column.to_numpy() for column in batch.columns], axis=1)
        distances = ((points[:, None, :] - self._centres[None, :, :]) ** 2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        used = np.unique(nearest)
        sums = [[*points[nearest == n].sum(axis=0), float((nearest == n).sum())] for n in used]
        return pa.array(used), pa.array(sums)

    def reduce(self, centre: int, sums: Iterator[list[float]]) -> Iterator[tuple[int, Any]]:
        total = np.sum(list(sums), axis=0)
        yield centre, (total[:-1] / total[-1]).tolist()


def k_means(table: pa.Table, k: int, most_steps: int = 100) -> Any:
    """The centres, an array of k rows."""
    centres = np.array([list(row.values()) for row in table.slice(0, k).to_pylist()])
    with zmr.LocalCluster() as cluster:
        for _ in range(most_steps):
            step = Nearest()
            step._centres = centres
            moved = centres.copy()
            for number, centre in cluster.run(step, table):
                moved[number] = centre
            if np.allclose(moved, centres, rtol=0, atol=1e-9):
                break
            centres = moved
    return centres


if __name__ == "__main__":
    rng = Random(1)
    rows = [(rng.gauss(10 * (n % 3), 1), rng.gauss(5 * (n % 3), 1)) for n in range(3000)]
    print(k_means(pa.table({"x": [x for x, _ in rows], "y": [y for _, y in rows]}), 3).round(1))
