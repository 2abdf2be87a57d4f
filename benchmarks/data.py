r"""Generators of the benchmarks' data. The same seed gives the same bytes, everywhere.

All randomness is the raw 64-bit output of PCG64, which numpy keeps stable over its versions, and
everything is made of it with whole-number arithmetic: no floating point, whose last bit may
depend on the processor.

Text has a Zipf vocabulary of eight million words. The probability of rank r is proportional to
r ** -1.136, in steps: an octave, from one power of two to the next, is 0.91 times as likely as the
one before it, and the ranks within an octave are equally likely. So 64 MB have about 0.9 million
distinct words, 640 MB about 4 million. Words are 1 to 20 bytes long, frequent ones short; some
have punctuation, a few letters beyond ASCII. Words are separated by one space, lines end with LF.

Records are laid out like those of the sort benchmark: 100 bytes, a key of 10 random bytes, 88
bytes that say which record it is, CR LF. Keys are printable, so that the same file also is text,
or of any bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

# A part of the name of every kept dataset: raise it with any change of what is generated.
VERSION = 1

OCTAVES = 23
_DECAY = (91, 100)
LONGEST_WORD = 20
_ROW_BYTES = 24  # a word, the separator after it, and zeros up to whole 64-bit words
_CHUNK_WORDS = 1 << 18

_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzaeiost", np.uint8)
_PUNCTUATION = np.frombuffer(b",.,.;:!?", np.uint8)
_ACCENTED = np.frombuffer("éèüöñçåø".encode(), np.uint8).reshape(-1, 2)
_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
_SPACE, _LF = 32, 10

RECORD_BYTES = 100
KEY_BYTES = 10
_CHUNK_RECORDS = 1 << 16


def text(
    seed: int, size_bytes: int, words_a_line: int = 10, part: int = 0, octaves: int = OCTAVES
) -> Iterator[bytes]:
    """Text of `size_bytes` or at most a line less, in chunks of whole lines.

    Parts of one seed share a vocabulary, of `2 ** octaves - 1` words, and differ in their text.
    """
    vocabulary = _vocabulary(seed, octaves)
    octave_of = _octave_of(octaves)
    source = np.random.PCG64((seed, 1, part))
    left = size_bytes
    while left > 0:
        chunk = _words(vocabulary, octave_of, source.random_raw(_CHUNK_WORDS), words_a_line)
        if len(chunk) > left:
            chunk = chunk[: chunk.rfind(b"\n", 0, left) + 1]
            left = len(chunk)
        left -= len(chunk)
        yield chunk


def records(seed: int, n_records: int, *, printable: bool = True, part: int = 0) -> Iterator[bytes]:
    """`n_records` records of 100 bytes, in chunks. Each says its part and its number in it."""
    source = np.random.PCG64((seed, 2, part))
    for first in range(0, n_records, _CHUNK_RECORDS):
        n = min(_CHUNK_RECORDS, n_records - first)
        yield _records(source, np.arange(first, first + n), printable, part).tobytes()


def _words(vocabulary: Words, octave_of: Words, raw: Words, words_a_line: int) -> bytes:
    """The words that the raw numbers choose, about `words_a_line` a line."""
    octave = octave_of[(raw >> np.uint64(52)).astype(np.intp)]
    ranks = (np.uint64(1) << octave) + (raw & ((np.uint64(1) << octave) - np.uint64(1)))
    rows: Bytes = vocabulary[(ranks - np.uint64(1)).astype(np.intp)].view(np.uint8)
    ends = (raw >> np.uint64(40) & np.uint64(1023)) < 1024 // words_a_line
    ends[-1] = True
    last = np.flatnonzero(ends)
    rows[last] = np.where(rows[last] == _SPACE, _LF, rows[last])
    used: Bytes = rows[rows != 0]
    return used.tobytes()


def _octave_of(octaves: int) -> Words:
    """The octave that each value of 12 random bits stands for."""
    up, down = _DECAY
    weights = [up**octave * down ** (octaves - octave) for octave in range(octaves)]
    edges = [4096 * sum(weights[: i + 1]) // sum(weights) for i in range(octaves)]
    return np.repeat(np.arange(octaves, dtype=np.uint64), np.diff([0, *edges]))


@cache
def _vocabulary(seed: int, octaves: int) -> Words:
    """The words by rank: an array of rows of three 64-bit words, which are copied at once."""
    source = np.random.PCG64((seed, 0))
    return np.concatenate([_octave(source, octave) for octave in range(octaves)]).view(np.uint64)


def _octave(source: np.random.PCG64, octave: int) -> Bytes:
    """The words of ranks 2 ** octave .. 2 ** (octave + 1) - 1, a row each."""
    n = 1 << octave
    letters = source.random_raw(3 * n).astype("<u8").view(np.uint8).reshape(n, _ROW_BYTES)
    rows: Bytes = _LETTERS[letters & 31]
    raw = source.random_raw(n)
    length = 1 + (octave + 3) // 5 + _below(raw, 0, 3 + octave // 3)
    length += np.where(_below(raw, 16, 100) == 0, _below(raw, 32, LONGEST_WORD), 0)
    length = np.minimum(length, LONGEST_WORD)
    special = _below(raw, 48, 100)
    accented = np.flatnonzero((special < 3) & (length > 3))
    rows[accented, 1:3] = _ACCENTED[accented % len(_ACCENTED)]
    capital = np.flatnonzero((special >= 3) & (special < 9))
    rows[capital, 0] -= 32
    punctuated = np.flatnonzero((special >= 90) & (length > 2))
    rows[punctuated, length[punctuated] - 1] = _PUNCTUATION[punctuated % len(_PUNCTUATION)]
    column = np.arange(_ROW_BYTES)
    rows[column > length[:, None]] = 0
    rows[np.arange(n), length] = _SPACE
    return rows


def _below(raw: Words, shift: int, bound: int) -> NDArray[np.intp]:
    """Numbers from 0 to bound - 1, of the 16 bits from `shift` on."""
    sixteen = raw >> np.uint64(shift) & np.uint64(0xFFFF)
    scaled: Words = sixteen * np.uint64(bound) >> np.uint64(16)
    return scaled.astype(np.intp)


def _records(
    source: np.random.PCG64, numbers: NDArray[np.int64], printable: bool, part: int
) -> Bytes:
    """Rows of key, two spaces, 32 hex digits, two spaces, 52 letters in groups of four, CR LF."""
    n = len(numbers)
    raw = source.random_raw(6 * n).astype("<u8").view("<u2").reshape(n, 24).astype(np.uint32)
    rows = np.full((n, RECORD_BYTES), _SPACE, np.uint8)
    if printable:
        rows[:, :KEY_BYTES] = (raw[:, :KEY_BYTES] * 95 >> 16) + 32
    else:
        rows[:, :KEY_BYTES] = raw[:, :KEY_BYTES] & 0xFF
    rows[:, 12:28] = _hex(np.full(n, part))
    rows[:, 28:44] = _hex(numbers)
    rows[:, 46:98] = np.repeat((raw[:, 10:23] * 26 >> 16) + ord("A"), 4, axis=1)
    rows[:, 98:] = (13, 10)
    return rows


def _hex(numbers: NDArray[np.int64]) -> Bytes:
    """The 16 hexadecimal digits of each number."""
    digits: Bytes = _HEX[numbers[:, None] >> np.arange(60, -4, -4) & 15]
    return digits


# --- URLs --------------------------------------------------------------------------------------

_PATH_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"


def urls(
    seed: int, n: int, n_distinct: int, sizes_bytes: tuple[int, int], long_of_1000: int = 0
) -> Iterator[bytes]:
    """`n` URLs, a line each, of so many distinct ones, in chunks of whole lines.

    Each is of `sizes_bytes`, from and to, but for `long_of_1000` that have 300 bytes more.
    """
    source = np.random.PCG64((seed, 3))
    shortest, longest = sizes_bytes
    letters = "".join(_PATH_LETTERS[i % len(_PATH_LETTERS)] for i in source.random_raw(1 << 16))
    made = []
    for number, raw in enumerate(source.random_raw(n_distinct).tolist()):
        head = f"https://www{raw % 97}.example.org/{number:x}/"
        size_bytes = shortest + (raw >> 8) % (longest - shortest + 1)
        if (raw >> 24) % 1000 < long_of_1000:
            size_bytes += 300
        start = (raw >> 40) % (len(letters) - longest - 300)
        made.append((head + letters[start : start + size_bytes - len(head)] + "\n").encode())
    if n == n_distinct:
        order = np.argsort(source.random_raw(n))
    else:
        order = (source.random_raw(n) % np.uint64(n_distinct)).astype(np.intp)
    for first in range(0, n, _CHUNK_RECORDS):
        yield b"".join([made[i] for i in order[first : first + _CHUNK_RECORDS].tolist()])


# --- rows of a table ---------------------------------------------------------------------------

Row = tuple[str, int, float, str]  # key, value, price, note


def rows(seed: int, n: int, n_keys: int) -> Iterator[list[Row]]:
    """`n` rows of a table, in chunks. Some notes have a comma, some a line's end, some quotes."""
    source = np.random.PCG64((seed, 4))
    notes = ["", "as agreed", "paid, in part", "see the letter", 'the "new" one', "two\nlines"]
    for first in range(0, n, _CHUNK_RECORDS):
        raw = source.random_raw(min(_CHUNK_RECORDS, n - first)).tolist()
        yield [
            (
                f"customer-{(r & 0xFFFF) * (r >> 16 & 0xFFFF) * n_keys >> 32:06}",
                r >> 32 & 0xFFF,
                (r >> 20 & 0xFFFF) / 100,
                notes[(r >> 44) % 5 + ((r >> 48) % 500 == 0)],
            )
            for r in raw
        ]
