"""Calls to a phone's number reach where it has registered, judged, held and charged like any other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.harness.loopback import eventually
from tests.phones.stage import ALICE_HOME, BOB_HOME, LONDON, QUIET_HOME, TRUNK, Request, Stage
from tests.phones.test_registrar import register
from tests.security.peer import Message, Peer, answer, serial
from tests.security.stage import ack

BOB = "442079460003"


def bind(stage: Stage, contact: str, source: int = BOB_HOME, port: int = 5060, **changes: Any) -> None:
    """Have bob registered with this contact, from this address, and nowhere else."""
    clear = register(stage, "bob", "*", BOB_HOME, extra="Expires: 0\r\n")
    assert stage.authenticated(clear, "bob").status == 200
    request = register(stage, "bob", contact, source, port=port, **changes)
    assert stage.authenticated(request, "bob").status == 200


def ring(stage: Stage, at: Peer, number: str = BOB) -> tuple[Request, Message]:
    """Call bob from acme's trunk; the INVITE as it arrived."""
    request = stage.invite(number, TRUNK, "+442079461111")
    stage.peer(TRUNK).send(request.text)
    return request, at.receive("INVITE", call_id=request.call_id)


def refused(stage: Stage, request: Request) -> Message:
    party = stage.peer(TRUNK)
    response = stage.final(party, request)
    party.send(ack(response, stage.daemon.host))
    return response


def test_a_call_to_a_phone_from_beginning_to_end(stage: Stage) -> None:
    phone = stage.peer(BOB_HOME)
    uri = f"sip:bob@{phone.host}:5060;line=7"
    bind(stage, f"<{uri}>")
    request, invite = ring(stage, phone)
    assert invite.request_uri == uri, "what it has registered (RFC 3261 section 16.5)"
    phone.send(answer(invite, "180 Ringing", tag="bob"))
    stage.peer(TRUNK).receive(180, call_id=request.call_id)
    # A Contact behind NAT: what follows goes where the phone really is.
    phone.send(answer(invite, "200 OK", tag="bob", contact="<sip:bob@10.1.2.3:5999>"))
    ok = stage.final(stage.peer(TRUNK), request)
    assert ok.status == 200
    routes = "".join(f"Route: {value}\r\n" for value in reversed(ok.all("Record-Route")))
    to = ok.get("To")
    inside = replace(request, uri="sip:bob@10.1.2.3:5999", to=to, extra=routes)
    stage.peer(TRUNK).send(replace(inside, method="ACK").text.replace("CSeq: 1 INVITE", "CSeq: 1 ACK"))
    phone.receive("ACK", call_id=request.call_id)
    stage.peer(TRUNK).send(replace(inside, method="BYE", cseq=2).text)
    bye = phone.receive("BYE", call_id=request.call_id)
    phone.send(answer(bye, "200 OK"))
    stage.peer(TRUNK).receive(200, call_id=request.call_id)
    cdr = stage.cdr(request.call_id)
    assert (cdr["outcome"], cdr["account_id"], cdr["routing_gateway_id"]) == (
        "answered",
        "acme",
        "phone:bob-desk",
    )
    assert cdr["called"] == BOB


def test_any_spelling_of_its_number_reaches_it(stage: Stage) -> None:
    phone = stage.peer(BOB_HOME)
    bind(stage, f"<sip:bob@{phone.host}>")
    for spelling in ("02079460003", "+44(0)2079460003", "00442079460003", "+442079460003;user=phone"):
        request, invite = ring(stage, phone, spelling)
        phone.send(answer(invite, "486 Busy Here"))
        assert refused(stage, request).status == 486


def test_a_phone_that_is_not_registered(stage: Stage) -> None:
    clear = register(stage, "bob", "*", BOB_HOME, extra="Expires: 0\r\n")
    assert stage.authenticated(clear, "bob").status == 200
    request = stage.invite(BOB, TRUNK, "+442079461111")
    response = stage.exchange(request)
    assert (response.status, response.get("Reason")) == (480, 'Q.850;cause=20;text="Subscriber absent"')
    assert stage.cdr(request.call_id)["reason"] == "not_registered"


def test_a_phone_whose_outgoing_calls_are_locked(stage: Stage) -> None:
    """It registers and is called; it calls nobody but for help."""
    phone = stage.peer(QUIET_HOME)
    assert (
        stage.authenticated(register(stage, "quiet", f"<sip:quiet@{phone.host}>", QUIET_HOME), "quiet").status
        == 200
    )
    request, invite = ring(stage, phone, "442079460006")
    phone.send(answer(invite, "486 Busy Here"))
    assert refused(stage, request).status == 486
    outgoing = stage.invite(LONDON, QUIET_HOME, "quiet")
    assert stage.authenticated(outgoing, "quiet").status == 403
    cdr = stage.cdr(outgoing.call_id)
    assert (cdr["reason"], cdr["refusal_rule"]) == ("gateway_locked", "phone:quiet.lock")
    stage.called(stage.invite("112", QUIET_HOME, "quiet"), None)


def test_a_phone_whose_incoming_calls_are_locked(stage: Stage) -> None:
    """It registers and calls; who calls it is told that it is not available."""
    phone = stage.peer(QUIET_HOME)
    assert (
        stage.authenticated(register(stage, "away", f"<sip:away@{phone.host}>", QUIET_HOME), "away").status
        == 200
    )
    stage.called(stage.invite(LONDON, QUIET_HOME, "away"), "away")
    request = stage.invite("442079460007", TRUNK, "+442079461111")
    response = stage.exchange(request)
    assert (response.status, response.get("Reason")) == (480, 'Q.850;cause=21;text="Call rejected"')
    cdr = stage.cdr(request.call_id)
    assert (cdr["reason"], cdr["refusal_rule"]) == ("phone_locked", "phone:away.lock")
    phone.barrier()
    assert request.call_id not in [one.get("Call-ID") for one in [*phone.log, *phone.pending()]]


def test_a_lock_ends_calls_that_are_up(stage: Stage) -> None:
    """Where the phone's account has it so (tests/calls/test_hangup.py has the directions)."""
    phone, trunk = stage.peer(BOB_HOME), stage.peer(TRUNK)
    bind(stage, f"<sip:bob@{phone.host}>")
    request, invite = ring(stage, phone)
    phone.send(answer(invite, "200 OK", tag="bob"))
    ok = stage.final(trunk, request)
    trunk.send(ack(ok, stage.daemon.host))
    phone.receive("ACK", call_id=request.call_id)
    try:
        write(stage, "UPDATE account SET lock_ends_calls = 1 WHERE id = 'bob'")
        write(stage, "UPDATE phone SET lock = 'incoming' WHERE id = 'bob-desk'")
        for party in (phone, trunk):
            party.send(answer(party.receive("BYE", call_id=request.call_id), "200 OK"))
    finally:
        write(stage, "UPDATE account SET lock_ends_calls = NULL WHERE id = 'bob'")
        write(stage, "UPDATE phone SET lock = 'none' WHERE id = 'bob-desk'")
        # The tests that follow call bob too, and a setting takes its time from the store to policy.
        eventually("bob without a lock", lambda: not _locked(stage), 30)
    assert stage.cdr(request.call_id)["reason"] == "phone_locked"


def _locked(stage: Stage) -> bool:
    """Whether a call to bob, who is registered nowhere, is refused for a lock."""
    clear = register(stage, "bob", "*", BOB_HOME, extra="Expires: 0\r\n")
    assert stage.authenticated(clear, "bob").status == 200
    response = stage.exchange(stage.invite(BOB, TRUNK, "+442079461111"))
    return response.get("Reason") == 'Q.850;cause=21;text="Call rejected"'


def write(stage: Stage, statement: str) -> None:
    with closing(sqlite3.connect(stage.daemon.database, isolation_level=None, timeout=10)) as books:
        books.execute(statement)


@pytest.mark.parametrize(
    "contact",
    ["<sip:bob@10.9.8.7:5099>", "<sip:bob@phone.invalid>", "<sip:bob@169.254.169.254:80>", "<sip:bob@{sg}>"],
)
def test_a_contact_elsewhere_is_called_where_it_registered_from(stage: Stage, contact: str) -> None:
    """Behind NAT, with a made-up name, or aimed at somebody else (bypass D34)."""
    phone = stage.peer(BOB_HOME, 41_234)
    bind(stage, contact.format(sg=stage.daemon.host), port=41_234)
    request, invite = ring(stage, phone)
    phone.send(answer(invite, "486 Busy Here"))
    assert refused(stage, request).status == 486


def test_another_port_of_its_own_address_is_believed(stage: Stage) -> None:
    phone = stage.peer(BOB_HOME, 41_235)
    bind(stage, f"<sip:bob@{phone.host}:41235>")
    request, invite = ring(stage, phone)
    phone.send(answer(invite, "486 Busy Here"))
    assert refused(stage, request).status == 486


def test_path_becomes_route(stage: Stage) -> None:
    """RFC 3327 section 5.1: by the proxies that the REGISTER came by, in their order."""
    edge = stage.peer(BOB_HOME)
    path = f"<sip:{edge.host};lr;ob>, <sip:inner.example;lr>"
    bind(stage, "<sip:bob@10.0.0.9>", extra=f"Path: {path}\r\nSupported: path\r\n")
    request, invite = ring(stage, edge)
    assert (invite.request_uri, invite.get("Route")) == ("sip:bob@10.0.0.9", path)
    edge.send(answer(invite, "486 Busy Here"))
    assert refused(stage, request).status == 486


def test_contacts_are_tried_by_preference(stage: Stage) -> None:
    """The higher q first; a refusal of one goes on to the next, and a decline for all ends it."""
    low, high = stage.peer(BOB_HOME, 5061), stage.peer(BOB_HOME, 5062)
    contacts = f"<sip:bob@{low.host}:5061>;q=0.3, <sip:bob@{low.host}:5062>;q=0.8"
    bind(stage, contacts)
    request, invite = ring(stage, high)
    assert not low.pending()
    high.send(answer(invite, "486 Busy Here"))
    second = low.receive("INVITE", call_id=request.call_id)
    low.send(answer(second, "404 Not Found"))
    assert refused(stage, request).status in (404, 486)
    low.receive("ACK", call_id=request.call_id)
    request, invite = ring(stage, high)
    high.send(answer(invite, "603 Decline"))
    assert refused(stage, request).status == 603
    assert not low.pending()


def test_equal_contacts_ring_together_and_the_first_answer_wins(stage: Stage) -> None:
    """One call, one hold, one record, on bob's only line; the other is told that it was taken elsewhere."""
    desk, mobile = stage.peer(BOB_HOME, 5061), stage.peer(BOB_HOME, 5062)
    bind(stage, f"<sip:bob@{desk.host}:5061>, <sip:bob@{desk.host}:5062>")
    request, at_desk = ring(stage, desk)
    at_mobile = mobile.receive("INVITE", call_id=request.call_id)
    held = stage.daemon.status()["held_micros"]
    assert held > 0
    for phone, invite in ((desk, at_desk), (mobile, at_mobile)):
        phone.send(answer(invite, "180 Ringing", tag=f"bob{phone.port}"))
    trunk = stage.peer(TRUNK)
    trunk.receive(180, call_id=request.call_id)
    mobile.send(answer(at_mobile, "200 OK", tag="bob5062", contact=f"<sip:bob@{mobile.host}:5062>"))
    cancel = desk.receive("CANCEL", call_id=request.call_id)
    assert cancel.get("Reason").startswith("SIP;cause=200;")
    desk.send(answer(cancel, "200 OK"))
    desk.send(answer(at_desk, "487 Request Terminated", tag="bob5061"))
    desk.receive("ACK", call_id=request.call_id)
    ok = stage.final(trunk, request)
    assert (ok.status, ok.get("To").endswith("bob5062")) == (200, True)
    routes = "".join(f"Route: {value}\r\n" for value in reversed(ok.all("Record-Route")))
    inside = replace(request, uri=f"sip:bob@{mobile.host}:5062", to=ok.get("To"), extra=routes)
    trunk.send(replace(inside, method="ACK").text.replace("CSeq: 1 INVITE", "CSeq: 1 ACK"))
    mobile.receive("ACK", call_id=request.call_id)
    assert stage.daemon.status()["held_micros"] == held, "as much as for one"
    trunk.send(replace(inside, method="BYE", cseq=2).text)
    bye = mobile.receive("BYE", call_id=request.call_id)
    mobile.send(answer(bye, "200 OK"))
    trunk.receive(200, call_id=request.call_id)
    assert stage.cdr(request.call_id)["outcome"] == "answered"
    assert not desk.pending()


def test_a_caller_that_gives_up_stops_every_phone(stage: Stage) -> None:
    desk, mobile = stage.peer(BOB_HOME, 5061), stage.peer(BOB_HOME, 5062)
    bind(stage, f"<sip:bob@{desk.host}:5061>, <sip:bob@{desk.host}:5062>")
    request, at_desk = ring(stage, desk)
    at_mobile = mobile.receive("INVITE", call_id=request.call_id)
    phones = ((desk, at_desk), (mobile, at_mobile))
    for phone, invite in phones:
        phone.send(answer(invite, "180 Ringing", tag="bob"))
        stage.peer(TRUNK).receive(180, call_id=request.call_id)
    stage.peer(TRUNK).send(request.text.replace("INVITE ", "CANCEL ", 1).replace("1 INVITE", "1 CANCEL"))
    for phone, invite in phones:
        phone.send(answer(phone.receive("CANCEL", call_id=request.call_id), "200 OK"))
        phone.send(answer(invite, "487 Request Terminated", tag="bob"))
    response = stage.peer(TRUNK).receive(487, call_id=request.call_id)
    stage.peer(TRUNK).send(ack(response, stage.daemon.host))
    assert stage.cdr(request.call_id)["ended_by"] == "caller"


def test_all_equal_contacts_fail_before_those_of_a_lower_q_ring(stage: Stage) -> None:
    """And a decline of one is one for all, once the others are over (RFC 3261 section 16.7 step 5)."""
    desk, mobile, last = (stage.peer(BOB_HOME, port) for port in (5061, 5062, 5063))
    at = f"<sip:bob@{desk.host}"
    bind(stage, f"{at}:5061>;q=0.8, {at}:5062>;q=0.8, {at}:5063>;q=0.2")
    request, at_desk = ring(stage, desk)
    at_mobile = mobile.receive("INVITE", call_id=request.call_id)
    desk.send(answer(at_desk, "486 Busy Here"))
    desk.receive("ACK", call_id=request.call_id)
    assert not last.pending()
    mobile.send(answer(at_mobile, "480 Temporarily Unavailable"))
    at_last = last.receive("INVITE", call_id=request.call_id)
    last.send(answer(at_last, "404 Not Found"))
    last.receive("ACK", call_id=request.call_id)
    assert refused(stage, request).status in (404, 480, 486)
    request, at_desk = ring(stage, desk)
    at_mobile = mobile.receive("INVITE", call_id=request.call_id)
    mobile.send(answer(at_mobile, "180 Ringing", tag="m"))
    stage.peer(TRUNK).receive(180, call_id=request.call_id)
    desk.send(answer(at_desk, "603 Decline"))
    mobile.send(answer(mobile.receive("CANCEL", call_id=request.call_id), "200 OK"))
    mobile.send(answer(at_mobile, "487 Request Terminated", tag="m"))
    assert refused(stage, request).status == 603
    assert not last.pending()


def test_both_directions_share_the_limit_of_a_phone(stage: Stage) -> None:
    """bob's call_limit is 1."""
    phone = stage.peer(BOB_HOME)
    bind(stage, f"<sip:bob@{phone.host}>")
    request, invite = ring(stage, phone)
    second = stage.invite(BOB, TRUNK, "+442079461111")
    assert stage.exchange(second).status == 480
    assert stage.cdr(second.call_id)["reason"] == "concurrent_limit"
    calling = stage.invite("442079460000", BOB_HOME, "bob")
    assert stage.authenticated(calling, "bob").status == 480
    phone.send(answer(invite, "486 Busy Here"))
    refused(stage, request)
    stage.called(stage.invite("442079460000", BOB_HOME, "bob"), "bob")


def test_phone_to_phone(stage: Stage) -> None:
    """On-net: judged by the caller's chain, from its own number."""
    phone = stage.peer(BOB_HOME)
    bind(stage, f"<sip:bob@{phone.host}>")
    request = stage.invite("02079460003", ALICE_HOME, "alice")
    request = stage.answered(request, stage.exchange(request), "alice")
    stage.peer(ALICE_HOME).send(request.text)
    invite = phone.receive("INVITE", call_id=request.call_id)
    phone.send(answer(invite, "480 Temporarily Unavailable"))
    response = stage.final(stage.peer(ALICE_HOME), request)
    stage.peer(ALICE_HOME).send(ack(response, stage.daemon.host))
    cdr = stage.cdr(request.call_id)
    assert (cdr["account_id"], cdr["calling"], cdr["called"]) == ("acme", "442079460001", BOB)


def test_an_emergency_call_of_a_registered_phone_needs_no_password(stage: Stage) -> None:
    """From the very address that it has registered from; it has proved who it is there."""
    home = stage.peer(BOB_HOME)
    bind(stage, f"<sip:bob@{home.host}>")
    request = stage.invite("112", BOB_HOME, "anonymous")
    stage.called(request, None)
    cdr = stage.cdr(request.call_id)
    assert (cdr["account_id"], cdr["calling"], cdr["called"]) == ("bob", BOB, "112")
    other = stage.invite("112", BOB_HOME, "bob", port=41_236, call_id=f"other-port-{serial()}")
    assert stage.exchange(other).status == 407
