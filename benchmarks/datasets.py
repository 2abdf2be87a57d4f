"""The files of the data that the works run on: made once, kept, and described.

A dataset is a folder of plain files, whose name says everything that determines them. Beside it,
`.NAME.json` keeps facts that cost time to find out, such as what must come out of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from benchmarks import data, real_text, tables
from benchmarks.places import remove

# Below zmr's split size, so that every engine, also those that can't cut a file, gets pieces.
FILE_BYTES = 64_000_000

Facts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Files to run on."""

    path: Path
    description: str

    def files(self) -> list[Path]:
        """The files, in the order of their paths."""
        return sorted(_visible(self.path))

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(path.stat().st_size for path in self.files())

    def part(self, folder: str) -> Dataset:
        """A folder of the dataset as one of its own."""
        return Dataset(self.path / folder, self.description)

    def warm(self) -> None:
        """Read everything, so that the next command finds it in the page cache."""
        for path in self.files():
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 22):
                    pass

    @property
    def facts_path(self) -> Path:
        """Where the facts are, beside the data: what was true of data that are gone is not kept."""
        return self.path.with_name(f".{self.path.name}.json")

    def facts(self, name: str, find_out: Callable[[], Facts]) -> Facts:
        """The facts of this name, found out once and then remembered."""
        path = self.facts_path
        known: dict[str, Facts] = json.loads(path.read_text()) if path.is_file() else {}
        if name not in known:
            known[name] = find_out()
            path.write_text(json.dumps(known, indent=1))
        return known[name]


class Datasets:
    """Makes datasets in `folder`, from the generators or from text that the user named."""

    def __init__(self, folder: Path, seed: int = 1, own_text: Path | None = None) -> None:
        self._folder = folder
        self._seed = seed
        self._own_text = own_text

    def text(self, size_bytes: int, words_a_line: int = 10) -> Dataset:
        """Generated text with a Zipf vocabulary, or the user's."""
        if self._own_text is not None:
            return self.normalised(self._own_text)
        return self.generated_text(size_bytes, words_a_line)

    def generated_text(self, size_bytes: int, words_a_line: int = 10) -> Dataset:
        """Generated text, also when the user named another."""
        files = (
            data.text(self._seed, size, words_a_line, part)
            for part, size in enumerate(_parts(size_bytes))
        )
        return self._make(
            f"text-{size_bytes}-{words_a_line}", files, f"generated text, seed {self._seed}"
        )

    def records(self, size_bytes: int) -> Dataset:
        """Records of 100 bytes with printable keys of 10."""
        sizes = _parts(max(size_bytes, data.RECORD_BYTES))
        files = (
            data.records(self._seed, size // data.RECORD_BYTES, part=part)
            for part, size in enumerate(sizes)
        )
        return self._make(f"records-{size_bytes}", files, f"generated records, seed {self._seed}")

    def cut_text(self, n_files: int, size_bytes: int) -> Dataset:
        """The same text twice: in the folder `many`, cut into `n_files`, and whole in `one`."""
        lines = b"".join(data.text(self._seed, size_bytes)).splitlines(keepends=True)
        edges = [len(lines) * i // n_files for i in range(n_files + 1)]
        files = {
            f"many/{_part_name(i)}": lines[edges[i] : edges[i + 1]] for i in range(n_files)
        } | {f"one/{_part_name(0)}": lines}
        name = f"cut-{size_bytes}-{n_files}"
        return self._make_named(name, files.items(), f"generated text, seed {self._seed}")

    def real_text(self, size_bytes: int, suffixes: tuple[str, ...] = real_text.ALL) -> Dataset:
        """Text that is found on this machine, in files of 64 MB. There may be less."""
        blocks = _in_files(real_text.real_text(size_bytes, suffixes))
        kinds = "" if suffixes == real_text.ALL else f" ({', '.join(suffixes)})"
        name = f"real-{size_bytes}-{_short_hash(repr(suffixes))}"
        return self._make(name, blocks, f"text found on this machine{kinds}")

    def urls(
        self, n: int, n_distinct: int, sizes_bytes: tuple[int, int], long_of_1000: int = 0
    ) -> Dataset:
        """URLs, a line each: see `data.urls`."""
        shortest, longest = sizes_bytes
        chunks = data.urls(self._seed, n, n_distinct, sizes_bytes, long_of_1000)
        name = f"urls-{n}-{n_distinct}-{shortest}-{longest}-{long_of_1000}"
        long = f", {long_of_1000 / 10:g} % over 300 bytes long" if long_of_1000 else ""
        text = f"{n:,} URLs, {n_distinct:,} of them distinct{long}"
        return self._make(name, [chunks], f"{text}, seed {self._seed}")

    def table(self, size_bytes: int, n_keys: int, suffix: str) -> Dataset:
        """Rows as CSV, JSON lines or Parquet: so many that CSV takes about `size_bytes`."""
        n = max(1, size_bytes // tables.ROW_BYTES)
        blocks = tables.written(suffix, data.rows(self._seed, n, n_keys))
        text = f"{n:,} rows of {n_keys:,} keys, seed {self._seed}"
        named = [(f"part-00000.{suffix}", blocks)]
        return self._make_named(f"table-{suffix}-{n}-{n_keys}", named, text)

    def csv_files(self, n_files: int, n_rows: int) -> Dataset:
        """Small CSV files of so many rows each."""
        rows = chain.from_iterable(data.rows(self._seed, n_files * n_rows, 1000))
        named = (
            (f"part-{number:05}.csv", tables.written("csv", [list(islice(rows, n_rows))]))
            for number in range(n_files)
        )
        text = f"{n_files:,} files of {n_rows} rows, seed {self._seed}"
        return self._make_named(f"csv-files-{n_files}-{n_rows}", named, text)

    def hollow(self, size_bytes: int) -> Dataset:
        """One file of this size without any content, which takes no place on the disk."""
        dataset = self._make(f"hollow-{size_bytes}", [], "a file of holes")
        with (dataset.path / "hollow").open("wb") as file:
            file.truncate(size_bytes)
        return dataset

    def normalised(self, source: Path) -> Dataset:
        """The text below `source` in UTF-8, one space between words and LF after each line.

        What engines think of as white space and as a line's end differs; this way it doesn't
        matter, and each can use its fastest way to split.
        """
        paths = [source] if source.is_file() else sorted(_visible(source))
        state = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        files = _in_files(_normal_lines(paths))
        return self._make(f"own-{_short_hash(repr(state))}", files, f"the text of {source.name}")

    def _make(self, name: str, files: Iterable[Iterable[bytes]], description: str) -> Dataset:
        named = ((_part_name(number), chunks) for number, chunks in enumerate(files))
        return self._make_named(name, named, description)

    def _make_named(
        self, name: str, files: Iterable[tuple[str, Iterable[bytes]]], description: str
    ) -> Dataset:
        dataset = Dataset(self._folder / f"{name}-s{self._seed}-v{data.VERSION}", description)
        if not dataset.path.is_dir():
            unfinished = dataset.path.with_name(dataset.path.name + ".part")
            remove(unfinished)
            unfinished.mkdir()
            for file_name, chunks in files:
                path = unfinished / file_name
                path.parent.mkdir(exist_ok=True)
                with path.open("wb") as file:
                    file.writelines(chunks)
            dataset.facts_path.unlink(missing_ok=True)
            unfinished.rename(dataset.path)
        return dataset


def _part_name(number: int) -> str:
    return f"part-{number:05}.txt"


def _parts(size_bytes: int) -> list[int]:
    """Sizes of files that make up `size_bytes`, whole records each."""
    full, rest = divmod(size_bytes, FILE_BYTES)
    return [FILE_BYTES] * full + [rest] * (rest > 0)


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _normal_lines(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                if words := line.split():
                    yield " ".join(words).encode() + b"\n"


def _in_files(lines: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """The lines in groups of about `FILE_BYTES`. Each group is to be consumed before the next."""
    for line in lines:
        yield _group(line, lines)


def _group(line: bytes | None, lines: Iterator[bytes]) -> Iterator[bytes]:
    size_bytes = 0
    while line is not None:
        yield line
        size_bytes += len(line)
        line = next(lines, None) if size_bytes < FILE_BYTES else None


def _short_hash(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:12]
