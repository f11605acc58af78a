"""Attempts that are being set up, in a file that is mapped into memory: they outlive a kill of the process,
and cost no system call. They do not outlive a loss of power, for nothing waits for the disk.

Slots, twice as many whenever there are too few; a slot is empty, or holds one attempt behind its length and
its CRC.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from pathlib import Path

FIRST_SLOTS = 256
"""Half a megabyte and less: a small disk has room for it beside a database."""

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
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            slots = max(FIRST_SLOTS, min(SLOTS, os.fstat(self._file).st_size // SLOT_BYTES))
            self._reserve(slots)
            self._map = mmap.mmap(self._file, slots * SLOT_BYTES)
        except OSError:
            os.close(self._file)
            raise
        self._slots = slots
        self._free = list(range(slots - 1, -1, -1))
        self.missed = 0
        """Attempts that found no room."""

    def left(self) -> dict[int, bytes]:
        """What an earlier process has left, by its slot, which stays taken until it is cleared; before the
        first `put`. Damaged slots are passed over."""
        found = {}
        for slot in range(self._slots):
            at = slot * SLOT_BYTES
            length, crc = _HEADER.unpack_from(self._map, at)
            if 0 < length <= SLOT_BYTES - _HEADER.size:
                start = at + _HEADER.size
                content = self._map[start : start + length]
                if zlib.crc32(content) == crc:
                    found[slot] = content
        self._free = [slot for slot in range(self._slots - 1, -1, -1) if slot not in found]
        return found

    def put(self, content: bytes) -> int:
        """Keep an attempt; its slot, -1 where there is no room for it."""
        if len(content) > SLOT_BYTES - _HEADER.size or not (self._free or self._grow()):
            self.missed += 1
            return -1
        slot = self._free.pop()
        at = slot * SLOT_BYTES
        start = at + _HEADER.size
        self._map[start : start + len(content)] = content
        _HEADER.pack_into(self._map, at, len(content), zlib.crc32(content))
        return slot

    def clear(self, slot: int) -> None:
        """What is there has its record."""
        at = slot * SLOT_BYTES
        self._map[at : at + _HEADER.size] = _EMPTY
        self._free.append(slot)

    def close(self) -> None:
        """Unmap; what is kept stays in the file."""
        self._map.close()
        os.close(self._file)

    def _grow(self) -> bool:
        """Twice the slots; False where there may be no more, or the disk has no room for them."""
        slots = min(2 * self._slots, SLOTS)
        if slots == self._slots:
            return False
        try:
            self._reserve(slots)
            self._map.resize(slots * SLOT_BYTES)
        except OSError:
            return False
        self._free = list(range(slots - 1, self._slots - 1, -1))
        self._slots = slots
        return True

    def _reserve(self, slots: int) -> None:
        os.posix_fallocate(self._file, 0, slots * SLOT_BYTES)  # a full disk shows here, not as SIGBUS
