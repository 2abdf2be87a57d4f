"""Which partition a key belongs to: the same on every machine, in every run and Python version.

The default partitioner hashes a key's canonical form, a row of 64-bit words (little endian):

    str         its UTF-8 bytes, padded with zeros to whole words (lone surrogates as in WTF-8)
    bytes       its bytes, padded likewise
    int, bool   one word, two's complement; from 2**63 on as many words as it takes
    float       one word, IEEE 754; -0.0 as 0.0, to which it is equal
    date        one word: days since 1970-01-01
    datetime    one word: microseconds since 1970-01-01T00:00 (in UTC if it has a time zone)
    UUID        its 16 bytes, the first of them first
    Decimal     "0", or its sign, its digits without zeros at the end, and its exponent, as text:
                "-15e-1"; "Infinity", "-Infinity"
    None        the byte 0xFF
    tuple       one word for each element: the element's hash

    hash = mix(size + mix(word[0] + G) + mix(word[1] + 2 G) + ...)          modulo 2**64

where size is the unpadded length in bytes, G the golden ratio's 64 bits, and mix the finaliser of
the SplitMix64 generator (Steele, Lea and Flood, 2014, with Stafford's constants). Position enters
through the multiples of G, so the words can be mixed in any order and summed: one pass of array
operations for a whole column of keys.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from struct import Struct, unpack
from types import NoneType
from typing import TYPE_CHECKING, Any

from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.key_types import KeyTypeError, sortable

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

    import pyarrow as pa

    from zmr.columns.arrays import Words

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FLOAT = Struct("<d")
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Hash:
    """The default partitioner: the key's hash modulo the number of partitions."""

    def __call__(self, key: Any, n: int) -> int:
        return hash_key(key) % n if n > 1 else 0

    def of_columns(self, columns: Sequence[pa.Array], are_tuples: bool, n: int) -> Words:
        """The partitions of a whole column of keys, or of the columns that make up tuples."""
        from zmr.columns.hash import hash_rows

        return hash_rows(columns, are_tuples) % n

    def __repr__(self) -> str:
        return "Hash()"


class Range:
    """Partitions that follow one another: all keys of one come before all keys of the next.

    So the output is in order over all of its files. `bounds` are the first keys of the partitions
    after the first; a job leaves them out, and they are sampled from its input before it starts.
    """

    def __init__(self, bounds: Sequence[Any] = ()) -> None:
        self.bounds = list(bounds)

    def __call__(self, key: Any, n: int) -> int:
        try:
            return bisect_right(self.bounds, sortable(key), key=sortable)
        except TypeError:
            raise self.refusal(key) from None

    def refusal(self, key: Any) -> KeyTypeError:
        """The error for a key that does not compare with the bounds."""
        bound = self.bounds[0]
        return KeyTypeError(
            "the keys of a job must be of one type, but there are "
            f"{type(bound).__name__} ({short_repr(bound)}), a bound of Range(), and "
            f"{type(key).__name__} ({short_repr(key)})"
        )

    def __repr__(self) -> str:
        return "Range()"


def checked_partition(partition: Callable[[Any, int], int], key: Any, n: int) -> int:
    """The partition that the job's partitioner chooses, checked to be one of `n`."""
    number = partition(key, n)
    if type(number) is not int or not 0 <= number < n:
        raise YieldError(
            f"partition must be an int from 0 to {n - 1}, not {short_repr(number)}, "
            f"for key {short_repr(key)}"
        )
    return number


def hash_key(key: Any) -> int:
    """The 64-bit hash that the module describes, of a key of any type that a key may have."""
    return hash_bytes(canonical(key))


def hash_bytes(data: bytes) -> int:
    """The 64-bit hash of bytes, before whose padding their length is taken."""
    n_words = (len(data) + 7) // 8
    total = len(data)
    offset = 0
    for word in unpack(f"<{n_words}Q", data.ljust(8 * n_words, b"\0")):
        offset += _GOLDEN
        total += _mix(word + offset & _MASK)
    return _mix(total & _MASK)


def _mix(word: int) -> int:
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _MASK
    return word ^ word >> 31


def canonical(key: Any) -> bytes:
    """The bytes that stand for a key: the same for equal keys of one type, else different."""
    of_type = _CANONICAL.get(type(key)) or _CANONICAL_BY_NAME[type(key).__name__]
    return of_type(key)


def _str(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _int(key: int) -> bytes:
    magnitude = ~key if key < 0 else key
    size = max(8, (magnitude.bit_length() + 8) // 8)
    return key.to_bytes((size + 7) // 8 * 8, "little", signed=True)


def _float(key: float) -> bytes:
    return _FLOAT.pack(key + 0.0)


def _date(key: date) -> bytes:
    return _int(key.toordinal() - 719163)


def _datetime(key: datetime) -> bytes:
    # Equality of datetimes in one time zone ignores `fold`.
    key = key.replace(fold=0)
    epoch = _EPOCH if key.utcoffset() is None else _EPOCH_UTC
    return _int((key - epoch) // _MICROSECOND)


def _decimal(key: Decimal) -> bytes:
    if not key:  # and -0, which is equal to it
        return b"0"
    if key.is_infinite():
        return str(key).encode()
    sign, digits, exponent = key.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    exponent = int(exponent) + len(text) - len(significant)
    return f"{'-' * sign}{significant}e{exponent}".encode()


def _uuid(key: UUID) -> bytes:
    return key.bytes


def _none(key: None) -> bytes:
    return b"\xff"  # which no text begins with


def _tuple(key: tuple[Any, ...]) -> bytes:
    return b"".join(hash_key(element).to_bytes(8, "little") for element in key)


_CANONICAL: dict[type, Callable[[Any], bytes]] = {
    str: _str,
    bytes: bytes,
    int: _int,
    bool: _int,
    float: _float,
    date: _date,
    datetime: _datetime,
    NoneType: _none,
    tuple: _tuple,
}

# Not to load what a job may not need.
_CANONICAL_BY_NAME: dict[str, Callable[[Any], bytes]] = {"Decimal": _decimal, "UUID": _uuid}
