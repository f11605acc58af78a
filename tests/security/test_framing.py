"""Group C: framing over UDP, stray responses, bombs."""

from __future__ import annotations

import pytest

from tests.security.peer import answer
from tests.security.stage import ACME, GW1, LONDON, THIRD, Stage, ack

URI = f"sip:{LONDON}@sg"
SMUGGLED = "INVITE sip:005355550100@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n"

LENGTHS = {
    "C04": "-1",
    "C04a": "+5",
    "C04b": "0x10",
    "C04c": "5 5",
    "C04d": "1e3",
    "C04e": "4294967328",
    "C04f": "18446744073709551617",
    "C04g": " ",
    "C04h": "9",
    "C04i": "0\r\nContent-Length: 4",
    "C04j": "4\r\nl: 4",
    "C04k": "0,4",
    "C04l": "\u0664",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_content_length_is_a_number_or_the_message_is_none(stage: Stage, length: str) -> None:
    outcome = stage.invite(URI, body="v=0\r", length=length)
    assert (outcome.status, outcome.forwarded) == (400, ())


def test_what_stands_behind_the_body_is_no_message(stage: Stage) -> None:
    """C01 over UDP (18.3): the rest is cut off, not sent on, not read as a second message."""
    outcome = stage.invite(URI, body="v=0\r\n" + SMUGGLED, length="5")
    (forwarded,) = outcome.forwarded
    assert forwarded.body == b"v=0\r\n"
    assert b"5355550100" not in forwarded.data


OPAQUE = {
    "C08": b"X-Odd: \x80\xff\xc3\x28\r\n",
    "C08a": b'X-Odd: "a\\\x80"\r\n',
    "C08b": "Subject: \u202e\u0665 \U0001f4de\r\n".encode(),
}


@pytest.mark.parametrize("line", OPAQUE.values(), ids=OPAQUE)
def test_bytes_that_are_no_text_pass_as_they_are(stage: Stage, line: bytes) -> None:
    request = stage.request(URI, extra="X-Here: 1\r\n")
    data = request.text.encode().replace(b"X-Here: 1\r\n", line)
    (forwarded,) = stage.play(stage.peer(ACME), data, request.call_id).forwarded
    assert line in forwarded.data


CUT_AT_NUL = {
    "C08c": ("X-Here: 1\r\n", b"X-Odd: a\0b\r\n"),
    "C08d": ("X-Here: 1\r\n", b"X-Od\0d: a\r\n"),
    "C08e": ("X-Here: 1\r\n", b"P-Asserted\0-Identity: <sip:1@x>\r\n"),
    "C08f": ("<sip:someone", b'"a\0b" <sip:someone'),
    "C08g": (f"sip:{LONDON}@", b"sip:442079460000\x005355550100@"),
    "C08h": ("X-Here: 1\r\n", b"X-Odd: a\rb\r\n"),
    "C08i": ("X-Here: 1\r\n", b"X-Odd: a\nP-Asserted-Identity: <sip:1@x>\r\n"),
}


@pytest.mark.parametrize(("old", "new"), CUT_AT_NUL.values(), ids=CUT_AT_NUL)
def test_control_characters_are_refused_and_never_the_end_of_a_text(
    stage: Stage, old: str, new: bytes
) -> None:
    request = stage.request(URI, extra="X-Here: 1\r\n")
    data = request.text.encode().replace(old.encode(), new)
    outcome = stage.play(stage.peer(ACME), data, request.call_id)
    assert outcome.status in (400, None)
    assert outcome.forwarded == ()


BOMBS = {
    "C11-via": {"extra": "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n" * 1000},
    "C11-vias": {"extra": "Via: " + ", ".join(["SIP/2.0/UDP h;branch=z9hG4bKx"] * 1000) + "\r\n"},
    "C11-route": {"extra": "Route: <sip:h;lr>\r\n" * 1000},
    "C11-record-route": {"extra": "Record-Route: <sip:h;lr>\r\n" * 1000},
    "C11-params": {"uri": f"sip:{LONDON}@sg" + ";a=b" * 10_000},
    "C11-same": {"uri": f"sip:{LONDON}@sg" + ";a=b" * 5_000 + ";lr=x" * 5_000},
    "C11-to": {"to": "<sip:b@sg" + ";a=b" * 10_000 + ">"},
    "C11-to-header": {"to": "<sip:b@sg>" + ";a=b" * 10_000},
    "C11-user": {"uri": "sip:" + "(" * 30_000 + f"{LONDON}@sg"},
    "C11-escapes": {"uri": "sip:" + "%30" * 10_000 + "@sg"},
    "C11-quotes": {"extra": "Contact: " + '"\\"' * 15_000 + "\r\n"},
    "C11-folds": {"extra": "X-Odd: a" + "\r\n b" * 10_000 + "\r\n"},
    "C11-pai": {"extra": "P-Asserted-Identity: " + ", ".join(["<sip:a@b>"] * 5_000) + "\r\n"},
    "C11-fields": {"extra": "a:\r\n" * 12_000},
}


@pytest.mark.parametrize("changes", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_or_forwarded(stage: Stage, changes: dict[str, str]) -> None:
    """C11."""
    outcome = stage.invite(changes.get("uri", URI), **{k: v for k, v in changes.items() if k != "uri"})
    assert outcome.status in (400, 480, 483, 484, 486, 513)


def test_the_longest_datagram(stage: Stage) -> None:
    """C24: what would not fit once Via and Record-Route are added is refused whole, never sent in part."""
    room = 65_507 - len(stage.request(URI, length="65000").text)
    request = stage.request(URI, body="x" * room)
    caller = stage.peer(ACME)
    caller.send(request.text)
    refusal = caller.receive(486, 513, call_id=request.call_id)
    assert refusal.status == 513
    caller.send(ack(refusal, stage.daemon.host))
    caller.barrier()
    assert stage.peer(GW1).pending() == []
    body = "x" * 60_000
    (forwarded,) = stage.invite(URI, body=body).forwarded
    assert forwarded.body == body.encode()


def test_messages_in_a_body_are_only_a_body(stage: Stage) -> None:
    """C21."""
    body = f"--b\r\nContent-Type: message/sip\r\n\r\n{SMUGGLED}\r\n--b\r\n\r\nRoute: x\r\n--b--\r\n"
    outcome = stage.invite(URI, body=body, extra="Content-Type: multipart/mixed;boundary=b\r\n")
    (forwarded,) = outcome.forwarded
    assert forwarded.body == body.encode()
    assert forwarded.request_user == LONDON


def test_only_who_was_asked_may_answer(stage: Stage) -> None:
    """C14, S-18: answers of third parties, and answers to nothing, are dropped."""
    caller, gateway, third = stage.peer(ACME), stage.peer(GW1), stage.peer(THIRD)
    request = stage.request(URI)
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    caller.barrier()
    seen = len(caller.log)
    third.send(answer(invite, "200 OK", contact=f"<sip:x@{third.host}>"))
    third.send(answer(invite, "180 Ringing"))
    third.barrier()
    stray = answer(invite, "200 OK").replace("branch=z9hG4bK", "branch=z9hG4bKno", 1)
    gateway.send(stray)
    for missing in invite.all("Via"):
        gateway.send(answer(invite, "200 OK").replace(f"Via: {missing}\r\n", ""))
    gateway.barrier()
    caller.barrier()
    mine = [message for message in caller.log[seen:] if message.get("Call-ID") == request.call_id]
    assert mine == []
    assert not [message for message in third.log if message.get("Call-ID") == request.call_id]
    gateway.send(answer(invite, "486 Busy Here"))
    assert caller.receive(200, 486, call_id=request.call_id).status == 486
    assert stage.cdr(request.call_id)["outcome"] == "failed"


def test_an_answer_that_comes_twice_is_one_call(stage: Stage) -> None:
    """C14: copies of the 2xx are passed on, and charged once."""
    dialog = stage.call(URI)
    twice = answer(dialog.invite, "200 OK", contact=f"<sip:gw@{dialog.gateway.host}>")
    for _ in range(3):
        dialog.gateway.send(twice)
        dialog.caller.receive(200, call_id=dialog.request.call_id)
    dialog.end()
    cdr = stage.cdr(dialog.request.call_id)
    assert cdr["outcome"] == "answered"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"INVITE",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"\xff" * 65_507,
        b"SIP/2.0 999 x\r\n\r\n",
    ],
    ids=["C25-empty", "C25-nul", "C25-crlf", "C25-word", "C25-bare", "C25-ff", "C25-status"],
)
def test_noise_is_dropped(stage: Stage, data: bytes) -> None:
    outcome = stage.play(stage.peer(ACME), data, "none")
    assert outcome.status is None
    assert outcome.forwarded == ()
