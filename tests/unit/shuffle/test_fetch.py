"""Fetching map outputs: what is lost, late, doubled or damaged on the way is there in the end."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.map_outputs import Rows, lists_of
from support.process import WAIT_S
from support.shuffling import JOB_ID, Answer, output_path, relayed, served, write_output
from support.tasks import reduce_stored

from zmr import Job
from zmr.messages import FailureReason, MapOutput, ReduceDone, Task, TaskKind
from zmr.shuffle.fetch import Fetcher, RemoteSource
from zmr.shuffle.map_output import CorruptMapOutput, open_partition
from zmr.shuffle.protocol import MAX_UNDER_WAY
from zmr.shuffle.server import ShuffleServer
from zmr.tasks.context import DEFAULT_MEMORY_BYTES
from zmr.tasks.errors import TaskError
from zmr.wire.address import parse

# A small budget: pieces of 64 KiB, so that there are several.
BUDGET_BYTES = 256 * 1024
PATIENCE_S = 3.0  # 0.2 s before the first new request
REMOTE: dict[str, Any] = {"direct": False, "patience_s": PATIENCE_S}
N_PIECES = 10  # at least, of the big partition

NOTHING: Rows = ([], [])
BIG: Rows = (
    [f"{i:05}" for i in range(5000)],
    [os.urandom(60).hex() + "." * (i % 7) for i in range(5000)],
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ShuffleServer]:
    """Give a server of the output of map 0, of three partitions, of which the second is big."""
    write_output(tmp_path, 0, [NOTHING, BIG, (["a"], [1])])
    with served(tmp_path) as server:
        yield server


def fetched(address: str, partition: int = 1, budget_bytes: int = BUDGET_BYTES) -> Rows:
    """Fetch a partition of map 0 as a reduce does."""
    with Fetcher(budget_bytes, PATIENCE_S) as fetcher, closing(source_of(fetcher, address)) as it:
        return read(it, partition)


def source_of(fetcher: Fetcher, address: str, index: int = 0) -> RemoteSource:
    return fetcher.open(address, JOB_ID, index, 100 + index, 3)


def read(source: RemoteSource, partition: int = 1) -> Rows:
    stored = open_partition(source, partition)
    source.close()
    stored.expect()
    return lists_of(stored.batches())


# --- all is well ---


@pytest.mark.parametrize("budget_bytes", [0, 100_000, 1 << 20, 1 << 25])
def test_a_partition_comes_as_it_is_with_any_budget(
    server: ShuffleServer, budget_bytes: int
) -> None:
    assert fetched(server.endpoint(), 0, budget_bytes) == NOTHING
    assert fetched(server.endpoint(), 1, budget_bytes) == BIG
    assert fetched(server.endpoint(), 2, budget_bytes) == (["a"], [1])


def test_no_more_is_under_way_than_the_budget_allows(server: ShuffleServer, tmp_path: Path) -> None:
    came = [0]
    content = output_path(tmp_path, 0).read_bytes()
    with Fetcher(BUDGET_BYTES, PATIENCE_S, lambda n: came.append(came[-1] + n)) as fetcher:
        # Given a source that has begun to read ahead
        source = source_of(fetcher, server.endpoint())
        size_bytes = source.size_bytes
        source.close()
        began = came[-1]
        source.expect(0, size_bytes)
        # When little by little is taken
        for offset in range(0, size_bytes, 10_000):
            assert source.read(offset, 10_000) == content[offset : offset + 10_000]
            # Then what is here and not taken, whatever the time, is within the budget
            assert came[-1] - began - (offset + 10_000) <= BUDGET_BYTES
        assert came[-1] - began == size_bytes


def test_many_sources_of_many_workers_are_read_in_turns(tmp_path: Path) -> None:
    n = 40
    for folder in ("w0", "w1"):
        (tmp_path / folder).mkdir()
    outputs = [([f"{i}-{k:04}" for k in range(300)], list(range(300))) for i in range(n)]
    for i, rows in enumerate(outputs):
        write_output(tmp_path / f"w{i % 2}", i, [NOTHING, rows])
    with (
        served(tmp_path / "w0") as w0,
        served(tmp_path / "w1") as w1,
        Fetcher(BUDGET_BYTES, PATIENCE_S) as fetcher,
    ):
        fetcher.share_among(n)
        addresses = [server.endpoint() for server in (w0, w1)]
        sources = [source_of(fetcher, addresses[i % 2], i) for i in range(n)]
        stored = [open_partition(source, 1) for source in sources]
        for partition in stored:
            partition.expect()
        batches = [partition.batches() for partition in stored]
        assert [lists_of(some) for some in reversed(batches)] == outputs[::-1]


# --- what happens on the way ---


class Tampering:
    """Does something to some of the answers, the first time that they come."""

    def __init__(self, what: str, where: Sequence[int]) -> None:
        self.what = what
        self.where = where
        self.held: list[Answer] = []

    def __call__(self, number: int, answer: Answer) -> Sequence[Answer]:
        head, piece = answer
        late, self.held = self.held, []
        if number not in self.where:
            return [answer, *late]
        match self.what:
            case "lost":
                return late
            case "twice":
                return [answer, answer, *late]
            case "late":
                self.held = [answer]
                return late
            case "damaged":
                middle = len(piece) // 2
                flipped = piece[:middle] + bytes([piece[middle] ^ 1]) + piece[middle + 1 :]
                return [(head, flipped), *late]
            case "cut":
                return [(head, piece[:-1]), *late]
            case "nonsense":
                return [(b"\xff", piece), *late]
            case _:
                raise AssertionError(self.what)


@pytest.mark.parametrize("where", [[0], [1], [4, 5, 8], range(2, N_PIECES, 2), [N_PIECES]])
@pytest.mark.parametrize("what", ["lost", "twice", "late", "cut", "nonsense"])
def test_what_goes_wrong_on_the_way_is_made_good(
    server: ShuffleServer, what: str, where: Sequence[int]
) -> None:
    with relayed(server, Tampering(what, where)) as relay:
        assert fetched(relay.address) == BIG
        assert relay.requests >= N_PIECES


@pytest.mark.parametrize("where", [[0], [1], [5, N_PIECES]])
def test_what_is_damaged_on_the_way_is_fetched_again(
    server: ShuffleServer, where: Sequence[int]
) -> None:
    with relayed(server, Tampering("damaged", where)) as relay:
        assert fetched(relay.address) == BIG


def test_what_is_damaged_for_good_is_told(server: ShuffleServer, tmp_path: Path) -> None:
    path = output_path(tmp_path, 0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptMapOutput, match=r"map 0, attempt 100 at tcp://.*: damaged at byte"):
        fetched(server.endpoint())


def test_a_piece_that_never_comes_is_given_up(server: ShuffleServer) -> None:
    heads: list[bytes] = []

    def lose_one_for_ever(number: int, answer: Answer) -> Sequence[Answer]:
        heads.append(answer[0])
        return [] if answer[0] == heads[min(3, number)] and number >= 3 else [answer]

    with relayed(server, lose_one_for_ever) as relay:
        with pytest.raises(OSError, match=r"no answer for|no good answer to 6 requests"):
            fetched(relay.address)
        assert relay.requests < 20 * N_PIECES


def test_lost_pieces_that_nobody_wants_any_more_hold_nothing_up(server: ShuffleServer) -> None:
    are_lost = threading.Event()

    def lose(number: int, answer: Answer) -> Sequence[Answer]:
        if number == MAX_UNDER_WAY - 1:
            are_lost.set()
        return [answer] if number >= MAX_UNDER_WAY else []

    with relayed(server, lose) as relay, Fetcher(1 << 30, PATIENCE_S) as fetcher:
        # Given as many requests without an answer as there may be, for what was given up
        for _ in range(2 * MAX_UNDER_WAY):
            source_of(fetcher, relay.address).close()
        assert are_lost.wait(WAIT_S)
        # Then what is wanted comes
        assert read(source_of(fetcher, relay.address)) == BIG


def test_a_slow_server_is_waited_for(server: ShuffleServer) -> None:
    pause = threading.Event()  # never set

    def slow(number: int, answer: Answer) -> Sequence[Answer]:
        pause.wait(0.3 if number in (0, 4) else 0.005)  # longer than the first patience
        return [answer]

    with relayed(server, slow) as relay:
        assert fetched(relay.address) == BIG


def test_a_server_that_starts_again_at_its_address_goes_on(tmp_path: Path) -> None:
    write_output(tmp_path, 0, [NOTHING, BIG, NOTHING])
    with Fetcher(BUDGET_BYTES, PATIENCE_S) as fetcher:
        with served(tmp_path) as first:
            address = parse(first.endpoint())
            source = source_of(fetcher, str(address))
            stored = open_partition(source, 1)
            stored.expect()
            batches = stored.batches()
            start = next(batches)
        with served(tmp_path, address):
            assert lists_of([start, *batches]) == BIG


def test_a_server_that_vanishes_is_given_up_for_all_its_outputs_at_once(tmp_path: Path) -> None:
    for index in range(5):
        write_output(tmp_path, index, [NOTHING, BIG, NOTHING])
    with Fetcher(BUDGET_BYTES, PATIENCE_S) as fetcher:
        with served(tmp_path) as server:
            sources = [source_of(fetcher, server.endpoint(), index) for index in range(5)]
            assert read(sources[0]) == BIG
        began = time.monotonic()
        for source in sources:
            with pytest.raises(
                OSError, match=r"map \d, attempt 10\d at tcp://.*: nothing listens there, for"
            ):
                read(source)
        assert time.monotonic() - began < 2 * PATIENCE_S


# --- a whole reduce ---


class Lists(Job):
    def map(self, record: Any) -> None:
        raise NotImplementedError

    def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


def reduce_task(folder: Path, outputs: Sequence[MapOutput]) -> Task:
    (folder / "out").mkdir(exist_ok=True)
    return Task(JOB_ID, TaskKind.REDUCE, 1, 9, 2, str(folder / "out"), (), tuple(outputs))


def run(task: Task, **given: Any) -> ReduceDone:
    done = reduce_stored(Lists(), task, Path(task.output).parent, **given)
    assert done is not None
    return done


def written(folder: Path, n: int, address: str = "", host: str = "elsewhere") -> list[MapOutput]:
    """Write n map outputs whose paths, as they are told, lead nowhere."""
    outputs = []
    for index in range(n):
        rows = [f"{k:04}" for k in range(0, 3000, index + 1)]
        write_output(folder, index, [NOTHING, (rows, [index] * len(rows))])
        outputs.append(MapOutput(index, 100 + index, host, "/nowhere", address))
    return outputs


def expected(n: int) -> str:
    sums = {k: sum(i for i in range(n) if k % (i + 1) == 0) for k in range(3000)}
    return "".join(f"{k:04}\t{total}\n" for k, total in sums.items())


# In one byte, runs are merged in passes of two.
@pytest.mark.parametrize("memory_bytes", [DEFAULT_MEMORY_BYTES, 1 << 20, 1])
def test_a_reduce_over_the_network_gives_what_one_over_files_gives(
    tmp_path: Path, memory_bytes: int
) -> None:
    with served(tmp_path) as server:
        outputs = written(tmp_path, 7, server.endpoint())
        done = run(reduce_task(tmp_path, outputs), memory_bytes=memory_bytes, **REMOTE)
    assert (tmp_path / "out/mr-out-1").read_text() == expected(7)
    assert done.stats.records_in == sum(len(range(0, 3000, i + 1)) for i in range(7))
    assert {path.name for path in tmp_path.iterdir()} == {JOB_ID, "out"}


def test_what_is_not_seen_on_a_host_of_the_same_name_is_fetched(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        outputs = written(tmp_path, 3, server.endpoint(), socket.gethostname())
        run(reduce_task(tmp_path, outputs))
    assert (tmp_path / "out/mr-out-1").read_text() == expected(3)


@pytest.mark.parametrize("address", ["", "tcp://127.0.0.1:9"])  # 9: nobody is there
def test_files_of_this_host_are_read_directly(tmp_path: Path, address: str) -> None:
    written(tmp_path, 3)
    outputs = [
        MapOutput(i, 100 + i, socket.gethostname(), str(output_path(tmp_path, i)), address)
        for i in range(3)
    ]
    run(reduce_task(tmp_path, outputs))
    assert (tmp_path / "out/mr-out-1").read_text() == expected(3)


def test_exactly_those_outputs_are_lost_that_can_not_be_had(tmp_path: Path) -> None:
    # Given outputs of a worker, of one that is gone, one that is damaged and one that is missing
    with served(tmp_path) as server, served(tmp_path) as leaving:
        outputs = written(tmp_path, 6, server.endpoint())
        gone = MapOutput(2, 102, "elsewhere", "/nowhere", leaving.endpoint())
        leaving.close()
        outputs[2] = gone
        damaged = bytearray(output_path(tmp_path, 3).read_bytes())
        damaged[len(damaged) // 3] ^= 1
        output_path(tmp_path, 3).write_bytes(damaged)
        output_path(tmp_path, 5).unlink()
        # When a reduce needs them
        with pytest.raises(TaskError) as error:
            run(reduce_task(tmp_path, outputs), **REMOTE)
    # Then all of these are told at once
    assert error.value.reason is FailureReason.LOST_INPUT
    assert error.value.lost == ((2, 102), (3, 103), (5, 105))
    assert "can't read the output of map 2, 3, 5: " in error.value.message


def test_a_server_that_ends_while_its_outputs_are_read_is_told(tmp_path: Path) -> None:
    served_once: list[ShuffleServer] = []

    class Ending(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, int]]:
            if served_once:
                served_once.pop().close()
            yield key, sum(values)

    with served(tmp_path) as server, served(tmp_path) as leaving:
        outputs = written(tmp_path, 2, server.endpoint())
        rows = [f"{k:06}" for k in range(400_000)]
        write_output(tmp_path, 1, [NOTHING, (rows, [1] * len(rows))])
        outputs[1] = MapOutput(1, 101, "elsewhere", "/nowhere", leaving.endpoint())
        served_once.append(leaving)
        task = reduce_task(tmp_path, outputs)
        with pytest.raises(TaskError) as error:
            reduce_stored(Ending(), task, tmp_path, memory_bytes=1, **REMOTE)
    assert error.value.lost == ((1, 101),)
    assert list((tmp_path / "out").glob("mr-out-*")) == []


def test_fetching_leaves_no_socket_open(server: ShuffleServer) -> None:
    assert fetched(server.endpoint()) == BIG
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert fetched(server.endpoint()) == BIG
        fetched(server.endpoint(), 0)
    # The sockets of the last fetches may be closing still; those of ten can't.
    assert len(os.listdir("/proc/self/fd")) < before + 5
