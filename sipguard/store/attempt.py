"""Attempts that are being set up, in a file that is mapped into memory: they outlive a kill of the process,
and cost no system call. They do not outlive a loss of power, for nothing waits for the disk.

A fixed number of slots; a slot is empty, or holds one attempt behind its length and its CRC.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

SLOTS = 8_192
"""Attempts at once: a minute of set-ups at 130 a second. Those beyond are not kept, and counted."""

SLOT_BYTES = 1_024
"""Far more than an attempt of ordinary length; one that is longer is not kept, and counted."""

_HEADER = struct.Struct("<II")
_EMPTY = bytes(_HEADER.size)


class AttemptFile:
    """The slots. One process at a time (store.lock)."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises OSError where that cannot be."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SLOTS * SLOT_BYTES)  # a full disk shows here, not as SIGBUS
            self._map = mmap.mmap(descriptor, SLOTS * SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._free = list(range(SLOTS - 1, -1, -1))
        self.missed = 0
        """Attempts that found no room."""

    def left(self) -> Iterator[bytes]:
        """What an earlier process has left; before the first `put`. Damaged slots are passed over."""
        for slot in range(SLOTS):
            at = slot * SLOT_BYTES
            length, crc = _HEADER.unpack_from(self._map, at)
            if 0 < length <= SLOT_BYTES - _HEADER.size:
                start = at + _HEADER.size
                content = self._map[start : start + length]
                if zlib.crc32(content) == crc:
                    yield content

    def wipe(self) -> None:
        """Empty every slot: what was left is in the books."""
        for slot in range(SLOTS):
            at = slot * SLOT_BYTES
            self._map[at : at + _HEADER.size] = _EMPTY

    def put(self, content: bytes) -> int:
        """Keep an attempt; its slot, -1 where there is no room for it."""
        if not self._free or len(content) > SLOT_BYTES - _HEADER.size:
            self.missed += 1
            return -1
        slot = self._free.pop()
        at = slot * SLOT_BYTES
        start = at + _HEADER.size
        self._map[start : start + len(content)] = content
        _HEADER.pack_into(self._map, at, len(content), zlib.crc32(content))
        return slot

    def clear(self, slot: int) -> None:
        """What was put there has its record."""
        at = slot * SLOT_BYTES
        self._map[at : at + _HEADER.size] = _EMPTY
        self._free.append(slot)

    def close(self) -> None:
        """Unmap; what is kept stays in the file."""
        self._map.close()
