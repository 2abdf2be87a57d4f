"""Seeds or tests, run in a process of their own which may do anything: see `workshop`.

python -m tests.mutation.trial seeds FIRST N
python -m tests.mutation.trial tests PATH...
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
from types import FrameType

# A mutant may run for ever, or fill the memory. A seed takes some hundredths of a second.
SEED_CPU_S = 20.0
_MEMORY_BYTES = 6 << 30


def main(kind: str, *given: str) -> int:
    """Run it; the exit status is that of the tests. What the seeds say is on stdout, as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    if kind == "tests":
        import pytest

        return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--timeout=120", *given])
    first, n = map(int, given)
    print(json.dumps(_first_failure(range(first, first + n))))
    return 0


def _first_failure(seeds: range) -> dict[str, object]:
    """The first of the seeds that fails, and how; nothing if all are right."""
    signal.signal(signal.SIGVTALRM, _too_long)
    try:
        from simulation.run import check
    except Exception as error:  # a mutant that can't be loaded
        return {"seed": seeds[0], "error": f"{type(error).__name__}: {error}"}
    for seed in seeds:
        signal.setitimer(signal.ITIMER_VIRTUAL, SEED_CPU_S)
        try:
            failure = check(seed)
        except TimeoutError:  # it came when the seed was over already
            return {"seed": seed, "error": traceback.format_exc()}
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        if failure is not None:
            return {"seed": seed, "error": failure.error}
    return {}


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"a seed that took more than {SEED_CPU_S:g} s")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
