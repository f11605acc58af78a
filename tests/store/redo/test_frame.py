"""The bytes of a segment: whatever is cut off or flipped is noticed, and told apart from a torn end."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipguard.store.redo import frame
from sipguard.store.redo.frame import FRAME_OVERHEAD, HEADER_BYTES, DamagedError, Header, Scan

HEADER = Header(b"d" * 16, b"l" * 16, number=3, first_sequence=7, created_ms=1, origin="proxy:1")
PAYLOADS = (b"one", b"", b"three" * 5)
ZEROS = bytes(64)


def segment(header: Header = HEADER, payloads: tuple[bytes, ...] = PAYLOADS) -> bytes:
    packed = frame.pack_header(header)
    frames = [
        frame.pack(header.first_sequence + index, payload, frame.seed(packed))
        for index, payload in enumerate(payloads)
    ]
    return packed + b"".join(frames)


WHOLE = segment()
STARTS = [HEADER_BYTES + sum(FRAME_OVERHEAD + len(one) for one in PAYLOADS[:index]) for index in range(4)]


def payloads(scan: Scan) -> tuple[bytes, ...]:
    return tuple(one.payload for one in scan.frames)


def test_what_was_written_is_read() -> None:
    assert frame.unpack_header(WHOLE) == HEADER
    scan = Scan(WHOLE + ZEROS, HEADER)
    assert payloads(scan) == PAYLOADS
    assert [one.sequence for one in scan.frames] == [7, 8, 9]
    assert [one.offset for one in scan.frames] == STARTS[:3]
    assert (scan.end, scan.torn, scan.damaged) == (len(WHOLE), False, False)


@pytest.mark.parametrize("padding", [b"", ZEROS], ids=["cut off", "zeros behind"])
def test_a_write_that_was_cut_short_at_any_byte_is_torn(padding: bytes) -> None:
    for length in range(HEADER_BYTES, len(WHOLE)):
        scan = Scan(WHOLE[:length] + padding, HEADER)
        whole = sum(start <= length for start in STARTS[1:])
        assert payloads(scan) == PAYLOADS[:whole], length
        assert scan.end == STARTS[whole]
        assert (scan.torn, scan.damaged) == (length not in STARTS, False), length


def test_every_flipped_bit_is_noticed() -> None:
    """In the last frame it may be a torn write; before it, whole ones follow."""
    data = WHOLE + ZEROS
    for at in range(HEADER_BYTES * 8, len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        scan = Scan(bytes(flipped), HEADER)
        hit = min(sum(start <= at // 8 for start in STARTS[1:]), 3)
        assert payloads(scan) == PAYLOADS[:hit], at
        assert scan.end == STARTS[hit], "where it is told to be"
        assert (scan.damaged, scan.torn) == (hit < 2, hit >= 2), at


def test_every_flipped_bit_of_a_header_is_noticed() -> None:
    for at in range(HEADER_BYTES * 8):
        flipped = bytearray(WHOLE)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(DamagedError):
            frame.unpack_header(bytes(flipped))


def test_a_header_that_is_cut_short_is_refused() -> None:
    for length in range(HEADER_BYTES):
        with pytest.raises(DamagedError):
            frame.unpack_header(WHOLE[:length])


def test_a_newer_program_is_told_as_such() -> None:
    newer = dataclasses.replace(HEADER, records_version=frame.RECORDS_VERSION + 1)
    with pytest.raises(DamagedError, match="written by a newer sipguard"):
        frame.unpack_header(segment(newer))


def test_a_frame_of_another_segment_is_none_of_this() -> None:
    other = segment(dataclasses.replace(HEADER, number=4))[HEADER_BYTES:]
    scan = Scan(WHOLE[:HEADER_BYTES] + other, HEADER)
    assert (scan.frames, scan.torn) == ([], True)


def test_a_group_in_the_wrong_place_is_damage() -> None:
    third = WHOLE[STARTS[2] :]
    with pytest.raises(DamagedError, match="group 8 should stand here and group 9 does") as caught:
        Scan(WHOLE[: STARTS[1]] + third, HEADER)
    assert caught.value.offset == STARTS[1]


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_fail_otherwise(noise: bytes) -> None:
    scan = Scan(WHOLE + noise, HEADER)
    assert payloads(scan)[:3] == PAYLOADS


def test_a_long_origin_is_cut_and_no_header_grows() -> None:
    long = dataclasses.replace(HEADER, origin="p" * 100)
    assert frame.unpack_header(segment(long)).origin == "p" * 64
    assert len(frame.pack_header(long)) == HEADER_BYTES
