"""Records as bytes: what was said is read again, by later programs too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sipguard.store.batch import CallAnswered, CallUpdated, Unwritable
from sipguard.store.redo import record
from tests.store import books

RECORDS = [
    CallAnswered(books.EPOCH, 2_000, b"\0dialog\xff", b"state"),
    CallUpdated(books.EPOCH, b"newer"),
    books.closed(1),
    books.refused(2),
    Unwritable(5, "CallClosed", "'error'", "content"),
]

# A group as the first program that had a redo log wrote it. Never to be made anew: it lies on disks.
FIRST = bytes.fromhex(
    "9585a474797065ac43616c6c416e737765726564a463616c6ccf0000010000000000ab616e7377657265645f6d73cd07"
    "d0a66469616c6f67c408006469616c6f67ffa57374617465c405737461746583a474797065ab43616c6c557064617465"
    "64a463616c6ccf0000010000000000a57374617465c4056e6577657283a474797065aa43616c6c436c6f736564a36364"
    "72de001ea463616c6ccf0000010000000001ab7369705f63616c6c5f6964ab31403139322e302e322e31a76f7574636f"
    "6d65a8616e737765726564a6736f75726365ae3139322e302e322e313a35303630aa6163636f756e745f6964a8637573"
    "746f6d6572b26d617070696e675f676174657761795f6964a57472756e6bb2726f7574696e675f676174657761795f69"
    "64a856656e646f722d42af63616c6c65645f7265636569766564ae2b38383031373131303030303031a663616c6c6564"
    "ad38383031373131303030303031ab63616c6c65645f73656e74ad38383031373131303030303031b063616c6c696e67"
    "5f7265636569766564ab3134313535353530313030a763616c6c696e67ab3134313535353530313030aa696e76697465"
    "645f6d73cd03e8aa72696e67696e675f6d73cd05dcab616e7377657265645f6d73cd07d0a8656e6465645f6d73cdf230"
    "ab6475726174696f6e5f6d73cdea60a6737461747573ccc8a6726561736f6ec0a47138353010a8656e6465645f6279a6"
    "63616c6c6572ad7265667573616c5f6c6576656cc0ac7265667573616c5f72756c65c0b07265667573616c5f6f627365"
    "72766564c0b07265667573616c5f7265717569726564c0ab636f73745f6d6963726f73ce00086470a87265766973696f"
    "6e03aa757365725f6167656e74a8417374657269736ba574726965739284aa676174657761795f6964a856656e646f72"
    "2d41a66e756d626572ad38383031373131303030303031a6737461747573cd01f7a56361757365a8726573706f6e7365"
    "84aa676174657761795f6964a856656e646f722d42a66e756d626572ad38383031373131303030303031a67374617475"
    "73ccc8a56361757365a8726573706f6e7365a66c6576656c73928ba8706f736974696f6e00aa6163636f756e745f6964"
    "a8637573746f6d6572a66c656467657206ad696e636f6d655f6c656467657205a8726174655f6b657905ab726174655f"
    "6d6963726f73ce0013d620ae62696c6c65645f7365636f6e64733cad6368617267655f6d6963726f73ce0013d620ae62"
    "616c616e63655f6d6963726f73ce00989680a77461785f70706d00aa7461785f6d6963726f73008ba8706f736974696f"
    "6e01aa6163636f756e745f6964a56167656e74a66c656467657204ad696e636f6d655f6c656467657202a8726174655f"
    "6b6579c0ab726174655f6d6963726f73ce000c3500ae62696c6c65645f7365636f6e64733cad6368617267655f6d6963"
    "726f73ce000c3500ae62616c616e63655f6d6963726f73ce01312d00a77461785f70706d00aa7461785f6d6963726f73"
    "00a5656e74727985a36b6579b263616c6c3a31303939353131363237373737a46b696e64a463616c6ca561745f6d73cd"
    "f539a8706f7374696e67739482a66c656467657206ad616d6f756e745f6d6963726f73d2ffec29e082a66c6564676572"
    "05ad616d6f756e745f6d6963726f73ce0013d62082a66c656467657204ad616d6f756e745f6d6963726f73d2fff3cb00"
    "82a66c656467657202ad616d6f756e745f6d6963726f73ce000c3500a46d656d6fa083a474797065aa43616c6c436c6f"
    "736564a3636472de001ea463616c6ccf0000010000000002ab7369705f63616c6c5f6964ab32403139322e302e322e31"
    "a76f7574636f6d65a772656675736564a6736f75726365ae3139322e302e322e313a35303630aa6163636f756e745f69"
    "64a8637573746f6d6572b26d617070696e675f676174657761795f6964a57472756e6bb2726f7574696e675f67617465"
    "7761795f6964a856656e646f722d42af63616c6c65645f7265636569766564ae2b38383031373131303030303031a663"
    "616c6c6564ad38383031373131303030303031ab63616c6c65645f73656e74ad38383031373131303030303031b06361"
    "6c6c696e675f7265636569766564ab3134313535353530313030a763616c6c696e67ab3134313535353530313030aa69"
    "6e76697465645f6d73cd03e8aa72696e67696e675f6d73c0ab616e7377657265645f6d73c0a8656e6465645f6d73cdf2"
    "30ab6475726174696f6e5f6d7300a6737461747573cd0192a6726561736f6eb06e6f745f656e6f7567685f6d6f6e6579"
    "a47138353010a8656e6465645f6279a663616c6c6572ad7265667573616c5f6c6576656cc0ac7265667573616c5f7275"
    "6c65c0b07265667573616c5f6f62736572766564c0b07265667573616c5f7265717569726564c0ab636f73745f6d6963"
    "726f7300a87265766973696f6e03aa757365725f6167656e74a8417374657269736ba5747269657390a66c6576656c73"
    "90a5656e747279c085a474797065aa556e7772697461626c65a561745f6d7305a46b696e64aa43616c6c436c6f736564"
    "a56572726f72a7276572726f7227a7636f6e74656e74a7636f6e74656e74"
)


def test_what_was_written_is_read() -> None:
    payload, written = record.encode(RECORDS)
    assert written is RECORDS
    assert record.decode(payload) == RECORDS


def test_the_first_version_is_read_forever() -> None:
    """A field that was added since needs a default (store/batch.py)."""
    answered, updated, closed, refused, unwritable = record.decode(FIRST)
    assert (answered, updated, unwritable) == (RECORDS[0], RECORDS[1], RECORDS[4])
    assert (closed.entry, refused.entry) == (books.charge(books.EPOCH + 1), None)
    for found, told in ((closed.cdr, RECORDS[2].cdr), (refused.cdr, RECORDS[3].cdr)):
        assert found.call == told.call
        assert (found.outcome, found.levels, found.tries) == (told.outcome, told.levels, told.tries)


def test_fields_that_a_later_program_added_are_passed_over() -> None:
    plain: Any = msgspec.msgpack.decode(record.encode(RECORDS[:1])[0])
    plain[0]["added"] = 1
    assert record.decode(msgspec.msgpack.encode(plain)) == RECORDS[:1]


@pytest.mark.parametrize(
    ("poison", "error"),
    [
        (books.closed(9, user_agent="\ud800"), "UnicodeEncodeError"),
        (books.closed(9, duration_ms=2**64), "OverflowError"),
        (books.closed(9, status=object()), "TypeError"),
    ],
)
def test_what_cannot_be_put_into_bytes_is_kept_word_for_word(poison: Any, error: str) -> None:
    payload, written = record.encode([RECORDS[0], poison, RECORDS[2]])
    assert record.decode(payload) == written
    assert [written[0], written[2]] == [RECORDS[0], RECORDS[2]]
    assert isinstance(written[1], Unwritable)
    assert written[1].kind == "CallClosed"
    assert error in written[1].error
    assert written[1].content == ascii(poison)


def test_what_makes_no_sense_is_kept_beside_what_does() -> None:
    """A mistake in one record must not stop a start."""
    strange = [books.closed(9, status="ok"), {"type": "CallForgotten", "call": 1}, 5]
    payload = msgspec.msgpack.encode([RECORDS[0], *strange, RECORDS[2]])
    first, *kept, last = record.decode(payload)
    assert [first, last] == [RECORDS[0], RECORDS[2]]
    assert [one.kind for one in kept] == ["CallClosed", "CallForgotten", "?"]
    assert "'sip_call_id': '9@192.0.2.1'" in kept[0].content


def test_bytes_that_are_no_group_are_a_bug_and_said_to_be() -> None:
    with pytest.raises(ValueError, match="Expected `array`"):
        record.decode(msgspec.msgpack.encode({"not": "a group"}))
