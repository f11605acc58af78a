"""Who answers, and what both ends say of themselves inside a call, as a daemon tells it (I-04, RFC 3325)."""

from __future__ import annotations

import pytest

from tests.security.peer import answer
from tests.security.stage import ACME, GW1, LONDON, TRUSTED, TRUSTS, Dialog, Stage

TOLD = "sip:+442679460000@sg"
PAI = "P-Asserted-Identity"
SAID = f"{PAI}: <sip:+442079462222@x>\r\n"


@pytest.mark.item("I-04")
@pytest.mark.parametrize("source", [ACME, TRUSTED])
@pytest.mark.parametrize(("uri", "number"), [(f"sip:{LONDON}@sg", GW1), (TOLD, TRUSTS)])
def test_both_ends_are_believed_as_they_are_marked(stage: Stage, source: int, uri: str, number: int) -> None:
    """In answers and in requests inside the call, whichever side they are of."""
    caller, gateway = stage.peer(source), stage.peer(number)
    request = stage.request(uri, source, to=f"<{uri}>")
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    contact = f"<sip:gw@{gateway.host}:5060>"
    believed = [SAID.strip().partition(": ")[2]]
    of_gateway = believed if number == TRUSTS else []
    # The other gateway is told by sipguard who calls (`asserts`), and by nobody else.
    of_caller = believed if source == TRUSTED and number == GW1 else []
    gateway.send(answer(invite, "183 Session Progress", extra=SAID, contact=contact))
    assert caller.receive(183, call_id=request.call_id).all(PAI) == of_gateway
    gateway.send(answer(invite, "200 OK", extra=SAID, contact=contact))
    assert caller.receive(200, call_id=request.call_id).all(PAI) == of_gateway
    call = Dialog(stage, caller, gateway, request, invite)
    caller.send(call.ask("ACK", extra=SAID).text)
    assert gateway.receive("ACK", call_id=request.call_id).all(PAI) == of_caller
    caller.send(call.ask("UPDATE", extra=SAID).text)
    update = gateway.receive("UPDATE", call_id=request.call_id)
    assert update.all(PAI) == of_caller
    gateway.send(answer(update, "200 OK", extra=SAID, contact=contact))
    assert caller.receive(200, call_id=request.call_id).all(PAI) == of_gateway
    gateway.send(call.tell("UPDATE", extra=SAID))
    update = caller.receive("UPDATE", call_id=request.call_id)
    assert update.all(PAI) == of_gateway
    caller.send(answer(update, "200 OK", extra=SAID))
    assert gateway.receive(200, call_id=request.call_id).all(PAI) == of_caller
    call.end()


@pytest.mark.item("I-04")
def test_who_answers_and_asks_not_to_be_told(stage: Stage) -> None:
    """Is kept from a stranger, with all that names it beside the assertion, and told to a trusted trunk."""
    for source in (ACME, TRUSTED):
        caller, gateway = stage.peer(source), stage.peer(TRUSTS)
        request = stage.request(TOLD, source, to=f"<{TOLD}>")
        caller.send(request.text)
        invite = gateway.receive("INVITE", call_id=request.call_id)
        extra = f"{SAID}Privacy: id\r\nServer: {gateway.host}\r\n"
        gateway.send(answer(invite, "200 OK", extra=extra, contact=f"<sip:gw@{gateway.host}:5060>"))
        ok = caller.receive(200, call_id=request.call_id)
        assert (b"2079462222" in ok.data) is (source == TRUSTED)
        assert (gateway.host.encode() in ok.data) is (source == TRUSTED)
        assert ok.get("Privacy") == "id"
        call = Dialog(stage, caller, gateway, request, invite)
        caller.send(call.ask("ACK").text)
        gateway.receive("ACK", call_id=request.call_id)
        call.end()


@pytest.mark.item("I-04")
@pytest.mark.parametrize(("uri", "number"), [(f"sip:{LONDON}@sg", GW1), (TOLD, TRUSTS)])
def test_who_answered_calls_itself_by_another_name(stage: Stage, uri: str, number: int) -> None:
    """RFC 4916: a stranger's caller goes on hearing whom it called."""
    caller, gateway = stage.peer(ACME), stage.peer(number)
    request = stage.request(uri, ACME, to=f"<{uri}>")
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    gateway.send(answer(invite, "200 OK", contact=f"<sip:gw@{gateway.host}:5060>"))
    named = caller.receive(200, call_id=request.call_id).get("To")
    call = Dialog(stage, caller, gateway, request, invite)
    caller.send(call.ask("ACK").text)
    gateway.receive("ACK", call_id=request.call_id)
    new = '"Police" <sip:+44999@x>;tag=gw'
    gateway.send(call.tell("UPDATE").replace(f"From: {invite.get('To')};tag=gw", f"From: {new}"))
    update = caller.receive("UPDATE", call_id=request.call_id)
    assert update.get("From") == (new if number == TRUSTS else named)
    caller.send(answer(update, "200 OK"))
    assert gateway.receive(200, call_id=request.call_id).get("From") == new
    call.end()
