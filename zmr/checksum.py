"""CRC-32 of data on its way to the disk and back: zlib's, and where there is ISA-L much faster."""

from __future__ import annotations

try:
    from isal.isal_zlib import crc32
except ImportError:  # a processor that it does not know
    from zlib import crc32

__all__ = ["crc32"]
