"""The bytes of a segment: a header, then one frame for each group of records, then zeros.

    segment  header of 512 bytes, frames, zeros up to its prepared size
    header   magic, format, version of the records, database id, log id, number, first sequence, created (Unix
             milliseconds), origin (length, 64 bytes of UTF-8), CRC-32 of all before, zeros
    frame    magic, length of the payload, sequence, CRC-32, payload

All integers are little-endian. The CRC of a frame runs over its length, its sequence and its payload and
begins with the CRC of the segment's header, so that no frame of another segment is taken for one of this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

FORMAT = 1
"""Of the header and the frames. Another one is another program's."""

RECORDS_VERSION = 1
"""Of the records inside. A field that has a default is no new version: older records read as if they said it.
Anything else is, and `record.decode` has to know both."""

HEADER_BYTES = 512
FRAME_OVERHEAD = 20
ORIGIN_BYTES = 64

_HEADER = struct.Struct("<8sHH16s16sQQQB64s")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<4sIQI")
_MAGIC = b"SGREDO\r\n"
_FRAME_MAGIC = b"\xf5RG\n"


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself."""

    database_id: bytes
    """Of the database that the records are for: 16 bytes, drawn when it was made."""
    log_id: bytes
    """Of the run of the proxy that wrote it: 16 bytes. A database takes records of the log that it names."""
    number: int
    """Of the segment in its log. Where two hold the same sequence, the later one counts."""
    first_sequence: int
    """Of the first frame, whether it was written or not."""
    created_ms: int
    origin: str
    """Goes into the journal with the entries ("proxy:7")."""
    records_version: int = RECORDS_VERSION


@dataclass(frozen=True, slots=True)
class Frame:
    """One group as it stands in a segment."""

    offset: int
    sequence: int
    payload: bytes


class DamagedError(ValueError):
    """The bytes are not what was written. `offset`: where in the file."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def pack_header(header: Header) -> bytes:
    """The header as HEADER_BYTES bytes."""
    origin = header.origin.encode()[:ORIGIN_BYTES]
    fixed = _HEADER.pack(
        _MAGIC,
        FORMAT,
        header.records_version,
        header.database_id,
        header.log_id,
        header.number,
        header.first_sequence,
        header.created_ms,
        len(origin),
        origin,
    )
    return (fixed + _CRC.pack(crc32(fixed))).ljust(HEADER_BYTES, b"\0")


def unpack_header(data: bytes) -> Header:
    """The header that `data` begins with. Raises DamagedError; where the version is newer too."""
    fixed = data[: _HEADER.size]
    if len(data) < HEADER_BYTES or not fixed.startswith(_MAGIC):
        raise DamagedError(0, "this is not a segment of a redo log")
    (stored,) = _CRC.unpack_from(data, _HEADER.size)
    if stored != crc32(fixed) or any(data[_HEADER.size + _CRC.size : HEADER_BYTES]):
        raise DamagedError(0, "the header is damaged")
    _, form, version, database_id, log_id, number, first, created_ms, length, origin = _HEADER.unpack(fixed)
    if form != FORMAT or version > RECORDS_VERSION:
        raise DamagedError(
            0,
            f"written by a newer sipguard (format {form}, records {version}; this program reads"
            f" format {FORMAT}, records up to {RECORDS_VERSION})",
        )
    return Header(database_id, log_id, number, first, created_ms, origin[:length].decode(), version)


def seed(packed_header: bytes) -> int:
    """With what the CRC of every frame of the segment begins."""
    return crc32(packed_header[: _HEADER.size])


def pack(sequence: int, payload: bytes, seed: int) -> bytes:
    """A frame."""
    head = _FRAME.pack(_FRAME_MAGIC, len(payload), sequence, 0)[4:16]
    return _FRAME.pack(_FRAME_MAGIC, len(payload), sequence, crc32(payload, crc32(head, seed))) + payload


class Scan:
    """The frames of a segment up to the first that is not whole, and what stands there.

    `end`: offset after the last whole frame. `torn`: something stands there that is no frame, and nothing
    whole follows: the end of a write that was cut short. `damaged`: whole frames follow, so that what stands
    there was whole once.
    """

    def __init__(self, data: bytes, header: Header) -> None:
        self._data = data
        self._seed = seed(data)
        self.frames: list[Frame] = []
        self.end = HEADER_BYTES
        while (found := self._frame(self.end)) is not None:
            if found.sequence != header.first_sequence + len(self.frames):
                raise DamagedError(
                    self.end,
                    f"group {header.first_sequence + len(self.frames)} should stand here and"
                    f" group {found.sequence} does",
                )
            self.frames.append(found)
            self.end += FRAME_OVERHEAD + len(found.payload)
        rest = data[self.end :]
        unclean = rest.count(0) != len(rest)
        self.damaged = unclean and any(self._frame(at) is not None for at in self._marks())
        self.torn = unclean and not self.damaged

    def _frame(self, offset: int) -> Frame | None:
        body = offset + FRAME_OVERHEAD
        if body > len(self._data):
            return None
        magic, length, sequence, stored = _FRAME.unpack_from(self._data, offset)
        payload = self._data[body : body + length]
        if magic != _FRAME_MAGIC or len(payload) != length:
            return None
        if stored != crc32(payload, crc32(self._data[offset + 4 : offset + 16], self._seed)):
            return None
        return Frame(offset, sequence, payload)

    def _marks(self) -> Iterator[int]:
        at = self.end
        while (at := self._data.find(_FRAME_MAGIC, at + 1)) >= 0:
            yield at
