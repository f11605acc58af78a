"""What each side of a call is shown of the other by a daemon: numbers, privacy, topology (I-04, B01-B09)."""

from __future__ import annotations

import pytest

from tests.security.peer import Message, answer
from tests.security.stage import ACME, GW1, HIDES, LONDON, NUMBERED, TRUSTED, TRUSTS, Dialog, Stage

HIDDEN = "sip:+442579460000@sg"
TOLD = "sip:+442679460000@sg"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=a'
PAI = "P-Asserted-Identity"


@pytest.mark.item("I-04")
@pytest.mark.parametrize("privacy", ["id", "header;user", "user;critical"])
def test_a_caller_that_asks_for_privacy(stage: Stage, privacy: str) -> None:
    """Anonymous to a gateway beyond the trust domain, told by name to one within."""
    asked = f"Privacy: {privacy}\r\n{PAI}: <sip:+442079461111@acme>\r\nSubject: 2079461111\r\n"
    (beyond,) = stage.invite(f"sip:{LONDON}@sg", TRUSTED, extra=asked).forwarded
    assert beyond.get("From") == ANONYMOUS
    assert b"2079461111" not in beyond.data
    assert beyond.get("Privacy") == privacy
    (within,) = stage.invite(TOLD, TRUSTED, extra=asked).forwarded
    assert within.all(PAI) == [f"<sip:02079461111@{stage.daemon.host}:5060;user=phone>"]
    assert "02079461111" in within.get("From")


@pytest.mark.item("I-04")
@pytest.mark.parametrize("source", [ACME, TRUSTED])
@pytest.mark.parametrize(
    "written", ["+442079461111", "02079461111", "00442079461111", "+44(0)20-7946-1111", "%2B442079461111"]
)
def test_one_caller_number_leaves_however_it_is_written(stage: Stage, source: int, written: str) -> None:
    (sent,) = stage.invite(TOLD, source, from_=f'"A" <sip:{written}@x>;tag=a').forwarded
    assert sent.get("From") == '"A" <sip:02079461111@x>;tag=a'
    assert sent.all(PAI) == [f"<sip:02079461111@{stage.daemon.host}:5060;user=phone>"]


@pytest.mark.item("I-04")
@pytest.mark.parametrize(
    ("from_", "sent"),
    [
        ('"0900 1" <sip:+442079461111@x>;tag=a', '"0900 1" <sip:+442079461111@x>;tag=a'),
        ('"0900 1" <sip:+5355550100@x>;tag=a', "<sip:+442079460000@x>;tag=a"),
        ("<sip:5355550100@x;user=phone>;tag=a", "<sip:+442079460000@x;user=phone>;tag=a"),
        ("<tel:+5355550100>;tag=a", "<sip:+442079460000@anonymous.invalid>;tag=a"),
        ('"bob" <sip:bob@x>;tag=a', "<sip:+442079460000@x>;tag=a"),
    ],
)
def test_a_trunk_presents_its_own_numbers(stage: Stage, from_: str, sent: str) -> None:
    """The number that is judged, recorded and sent is one."""
    request = stage.request(f"sip:{LONDON}@sg", NUMBERED, from_=from_, extra=f"{PAI}: <tel:+5355550100>\r\n")
    outcome = stage.play(stage.peer(NUMBERED), request.text, request.call_id)
    (forwarded,) = outcome.forwarded
    assert forwarded.get("From") == sent
    assert b"5355550100" not in forwarded.data
    assert outcome.response is not None
    assert outcome.response.get("From") == from_, "the caller hears its own words again"
    assert stage.cdr(request.call_id)["calling"] in sent


@pytest.mark.item("I-04")
@pytest.mark.parametrize("source", [ACME, TRUSTED])
def test_nobody_says_of_itself_that_its_number_was_verified(stage: Stage, source: int) -> None:
    """But a trusted trunk, which has it from a network that did (3GPP TS 24.229 7.2A.20)."""
    said = "<sip:+442079461111;verstat=TN-Validation-Passed@x;user=phone>;tag=a"
    extra = "Attestation-Info: A\r\n"
    (sent,) = stage.invite(f"sip:{LONDON}@sg", source, from_=said, extra=extra).forwarded
    assert sent.get("From") == (said if source == TRUSTED else "<sip:+442079461111@x;user=phone>;tag=a")
    assert sent.all("Attestation-Info") == (["A"] if source == TRUSTED else [])


def test_b04_a_third_assertion_of_a_trusted_trunk(stage: Stage) -> None:
    extra = f"{PAI}: <sip:+442079461111@x>\r\n{PAI}: <tel:+442079461111>\r\n{PAI}: <tel:+5355550100>\r\n"
    (sent,) = stage.invite(f"sip:{LONDON}@sg", TRUSTED, extra=extra).forwarded
    assert sent.all(PAI) == ["<sip:+442079461111@x>", "<tel:+442079461111>"]


@pytest.mark.parametrize(
    "value", ["", "<", "<>", '"x', "<sip:>", "tel:", ";", ",,,", "<sip:1@x", "\x80\xff", "*"]
)
@pytest.mark.parametrize("name", [PAI, "Remote-Party-ID", "Privacy", "Diversion", "History-Info"])
def test_no_crash_by_what_a_trusted_trunk_says(stage: Stage, name: str, value: str) -> None:
    outcome = stage.invite(TOLD, TRUSTED, extra=f"{name}: {value}\r\n")
    assert outcome.status in (486, 400)


def strangers(stage: Stage, message: Message, numbers: tuple[int, ...]) -> list[str]:
    """Hosts of the other side that stand in a message, its body apart."""
    head = message.text.partition("\r\n\r\n")[0]
    hosts = [stage.peer(number).host for number in numbers]
    return [host for host in hosts if f"{host}:" in head or f"{host}>" in head or f"{host};" in head]


def told(call: Dialog, method: str, cseq: int) -> str:
    """A request of the gateway as it makes it of the INVITE that it got."""
    invite = call.invite
    target = invite.get("Contact").strip("<>")
    return (
        f"{method} {target} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {call.gateway.host}:5060;branch=z9hG4bKgw{method}{cseq}\r\nMax-Forwards: 70\r\n"
        f"Route: {invite.get('Record-Route')}\r\n"
        f"From: {invite.get('To')};tag=gw\r\nTo: {invite.get('From')}\r\n"
        f"Call-ID: {invite.get('Call-ID')}\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: <sip:gw2@{call.gateway.host}:5060>\r\nContent-Length: 0\r\n\r\n"
    )


def hidden_call(stage: Stage) -> Dialog:
    """A call through the gateway that hides, up. Both ends act on what they see alone."""
    caller, gateway = stage.peer(ACME), stage.peer(HIDES)
    request = stage.request(HIDDEN, to=f"<{HIDDEN}>")
    caller.send(request.text)
    invite = gateway.receive("INVITE")
    gateway.send(answer(invite, "200 OK", contact=f"<sip:gw@{gateway.host}:5060>"))
    ok = caller.receive(200, call_id=request.call_id)
    call = Dialog(stage, caller, gateway, request, invite)
    assert strangers(stage, invite, (ACME,)) == []
    assert strangers(stage, ok, (HIDES,)) == []
    assert ok.get("To").partition(";tag=")[0] == f"<{HIDDEN}>".replace("@sg", f"@{stage.daemon.host}")
    caller.send(call.ask("ACK").text)
    gateway.receive("ACK", call_id=invite.get("Call-ID"))
    return call


def test_a_gateway_that_hides_sees_sipguard_alone(stage: Stage) -> None:
    call = hidden_call(stage)
    invite, sg = call.invite, stage.daemon.host
    assert invite.get("Call-ID") != call.request.call_id
    assert len(invite.all("Via")) == len(invite.all("Record-Route")) == 1
    for name in ("Via", "Record-Route", "Contact", "From"):
        assert f"{sg}:5060" in invite.get(name), name
    for method in ("INVITE", "UPDATE", "INFO"):
        call.caller.send(call.ask(method).text)
        asked = call.gateway.receive(method, call_id=invite.get("Call-ID"))
        assert strangers(stage, asked, (ACME,)) == []
        call.gateway.send(answer(asked, "200 OK", contact=f"<sip:gw@{call.gateway.host}:5060>"))
        answered = call.caller.receive(200, call_id=call.request.call_id)
        assert strangers(stage, answered, (HIDES,)) == []
        assert len(answered.all("Via")) == 1
        if method == "INVITE":
            call.caller.send(call.ask("ACK").text)
            call.gateway.receive("ACK", call_id=invite.get("Call-ID"))
    call.gateway.send(told(call, "BYE", 1))
    bye = call.caller.receive("BYE", call_id=call.request.call_id)
    assert strangers(stage, bye, (HIDES,)) == []
    call.caller.send(answer(bye, "200 OK"))
    call.gateway.receive(200, call_id=invite.get("Call-ID"))


def test_a_refusal_and_a_cancel_pass_a_gateway_that_hides(stage: Stage) -> None:
    request = stage.request(HIDDEN)
    outcome = stage.play(stage.peer(ACME), request.text, request.call_id, reply="486 Busy Here")
    assert outcome.status == 486
    assert outcome.response is not None
    assert strangers(stage, outcome.response, (HIDES,)) == []
    caller, gateway = stage.peer(ACME), stage.peer(HIDES)
    request = stage.request(HIDDEN, branch="z9hG4bKcancelled")
    caller.send(request.text)
    invite = gateway.receive("INVITE")
    gateway.send(answer(invite, "180 Ringing"))
    caller.receive(180, call_id=request.call_id)
    caller.send(request.text.replace("INVITE", "CANCEL"))
    cancel = gateway.receive("CANCEL", call_id=invite.get("Call-ID"))
    assert strangers(stage, cancel, (ACME,)) == []
    gateway.send(answer(cancel, "200 OK"))
    gateway.send(answer(invite, "487 Request Terminated"))
    assert caller.receive(487, call_id=request.call_id).get("Via")


def test_c14_an_answer_for_a_third_host_is_dropped(stage: Stage) -> None:
    caller, gateway = stage.peer(ACME), stage.peer(GW1)
    request = stage.request(f"sip:{LONDON}@sg")
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    true = answer(invite, "200 OK", contact=f"<sip:gw@{gateway.host}:5060>")
    _, second = invite.all("Via")
    for host in ("255.255.255.255", stage.peer(200).host, f"{caller.host}:5061"):
        gateway.send(true.replace(f"Via: {second}", f"Via: SIP/2.0/UDP {host};branch=z9hG4bKother"))
    gateway.barrier()
    caller.barrier()
    assert not [one for one in caller.log if one.get("Call-ID") == request.call_id and one.status == 200]
    assert stage.peer(200).pending() == []
    gateway.send(true)
    caller.receive(200, call_id=request.call_id)
    dialog = Dialog(stage, caller, gateway, request, invite)
    caller.send(dialog.ask("ACK").text)
    dialog.end()


def test_told_gateway_takes_part_in_a_call(stage: Stage) -> None:
    """From is another towards the gateway, and each end knows the dialog by its own."""
    caller, gateway = stage.peer(ACME), stage.peer(TRUSTS)
    request = stage.request(TOLD, from_='"A" <sip:+442079461111@x>;tag=a')
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    gateway.send(answer(invite, "200 OK", contact=f"<sip:gw@{gateway.host}:5060>"))
    assert caller.receive(200, call_id=request.call_id).get("From") == '"A" <sip:+442079461111@x>;tag=a'
    dialog = Dialog(stage, caller, gateway, request, invite)
    caller.send(dialog.ask("ACK").text)
    assert gateway.receive("ACK", call_id=request.call_id).get("From") == invite.get("From")
    gateway.send(dialog.tell("BYE"))
    bye = caller.receive("BYE", call_id=request.call_id)
    assert bye.get("To") == '"A" <sip:+442079461111@x>;tag=a'
    caller.send(answer(bye, "200 OK"))
    gateway.receive(200, call_id=request.call_id)
