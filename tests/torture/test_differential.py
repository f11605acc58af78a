"""What leaves is read alike by two readers: request URI, Call-ID, CSeq and length.

Messages are made in many spellings and then damaged; whatever the engine lets through must leave no room for
another reading.
"""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from sipguard.sip.events import Engine, Invite, Request, Target
from tests.torture.second_reader import read

GATEWAY = "198.51.100.1"
TOKEN = string.ascii_letters + string.digits + "-.!%*_+`'~"

tokens = st.text(TOKEN, min_size=1, max_size=12)
blanks = st.sampled_from(["", " ", "\t", "  ", "\r\n ", "\r\n\t "])
hosts = st.sampled_from(["203.0.113.5", "sg.example", "[2001:db8::1]", "203.0.113.5:5060"])
users = st.text(string.ascii_letters + string.digits + "+-.!~*'()&=$,;?/_", min_size=1, max_size=16)
params = st.sampled_from(["", ";x", ";method=BYE", ";transport=udp;y=z"])
DECOYS = [
    "X-Call-ID: decoy",
    "Subject: a\r\n Call-ID: decoy",
    "s: \\\r\n\tCSeq: 9 BYE",
    'Contact: "\r\n Content-Length: 3" <sip:a@b>',
    "Call-IDs: decoy",
    "CSeq-: 7 INVITE",
    "Organization: \xc3\xa9: i: l: 4",
    "Content-Type: application/sdp",
    "Route: <sip:203.0.113.5;lr>",
]


@st.composite
def spelled(draw: st.DrawFn, *names: str) -> str:
    """One of the names in any case, with blanks before and behind its colon."""
    name = "".join(
        draw(st.sampled_from([char.lower(), char.upper()])) for char in draw(st.sampled_from(names))
    )
    return f"{name}{draw(st.sampled_from(['', ' ', '  ']))}:{draw(blanks)}"


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request that is right, however odd it looks."""
    method = draw(st.sampled_from(["INVITE", "INVITE", "INVITE", "MESSAGE", "OPTIONS", "invite", "N%45W"]))
    uri = f"sip:{draw(users)}@{draw(hosts)}{draw(params)}"
    body = draw(st.binary(max_size=20))
    number = draw(st.integers(0, 2**31 - 1))
    call_id = draw(tokens) + draw(st.sampled_from(["", "@host", "@[::1]"]))
    fields = [
        f"{draw(spelled('Via', 'v'))}SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{draw(tokens)}"
        + draw(st.sampled_from(["", ";rport", ", SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx"])),
        f"{draw(spelled('From', 'f'))}<sip:a@b>;tag=1",
        f"{draw(spelled('To', 't'))}<sip:c@d>",
        f"{draw(spelled('Call-ID', 'i'))}{call_id}",
        f"{draw(spelled('CSeq'))}{number}{draw(blanks.filter(bool))}{method}",
        *draw(st.lists(st.sampled_from(DECOYS), max_size=4)),
        *draw(st.sampled_from([[], ["Max-Forwards: 70"], ["max-forwards :\t9"]])),
    ]
    trailing = b""
    if draw(st.booleans()):
        fields.append(f"{draw(spelled('Content-Length', 'l'))}{len(body)}")
        trailing = draw(st.sampled_from([b"", b"INVITE sip:trailing SIP/2.0\r\n\r\n", b"\0"]))
    start = draw(st.sampled_from(["", "\r\n", "\r\n\r\n"])) + f"{method} {uri} SIP/2.0"
    head = "\r\n".join([start, *draw(st.permutations(fields))]) + "\r\n\r\n"
    return head.encode("latin-1") + body + trailing


damage = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.integers(0, 3),
        st.sampled_from(
            [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b";", b",", b'"', b"<", b">", b"l: 0\r\n"]
        )
        | st.binary(max_size=2),
    ),
    max_size=3,
)


def forwarded(message: bytes, user: str | None) -> tuple[Invite | Request, bytes] | None:
    """The event of a message and what leaves for the gateway; None where nothing does."""
    engine = Engine(epoch=1, seed=bytes(32))
    engine.add_listener("203.0.113.5", 5060)
    engine.ask_requests(True)
    engine.receive(0, 0, "192.0.2.10", 5060, message)
    for event in engine.poll(0):
        assert isinstance(event, Invite | Request)
        assert engine.forward(event.call, Target(GATEWAY, 5060), user)
        sent = [data for _, host, _, data in engine.take() if host == GATEWAY]
        if sent:
            assert len(sent) == 1
            return event, sent[0]
    return None


def agreed(message: bytes, user: str | None) -> bool:
    """Whether it was forwarded. Both readers have to agree then, on what came and on what left."""
    found = forwarded(message, user)
    if found is None:
        return False
    event, sent = found
    came, left = read(message), read(sent)
    judged = event.request_uri.encode("utf-8", "surrogateescape")
    assert came.request_uri == judged
    if user is not None:
        assert left.request_uri == f"sip:{user}@{GATEWAY}:5060".encode()
    elif b";method=" not in judged.lower():
        assert left.request_uri == judged
    assert left.method == came.method
    assert left.call_ids == came.call_ids
    assert left.cseqs == came.cseqs
    assert (len(left.call_ids), len(left.cseqs)) == (1, 1)
    assert left.cseqs[0][1] == left.method
    if isinstance(event, Invite):
        assert left.call_ids == [event.sip_call_id.encode()]
    assert len(left.lengths) <= 1
    assert all(length == len(left.body) for length in left.lengths), "nothing trails"
    assert came.body.startswith(left.body)
    return True


@settings(max_examples=600, deadline=None)
@given(messages(), st.sampled_from([None, "8801711000000"]))
def test_whatever_the_spelling(message: bytes, user: str | None) -> None:
    assert agreed(message, user)


@settings(max_examples=1500, deadline=None)
@given(messages(), damage)
def test_whatever_the_damage(message: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for at, removed, added in changes:
        message = message[:at] + added + message[at + removed :]
    agreed(message, "8801711000000")
