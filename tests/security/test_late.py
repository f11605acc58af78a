"""C18: an answer that comes when the caller has been told otherwise is no free call."""

from __future__ import annotations

import pytest

from tests.harness.loopback import eventually
from tests.security.peer import Message, Peer, answer
from tests.security.stage import ACME, GW1, LONDON, Stage, ack


def rung(stage: Stage, uri: str, gateway: Peer) -> tuple[Peer, Message, str]:
    """A call that rings: caller, the INVITE at the gateway, the caller's INVITE."""
    caller = stage.peer(ACME)
    request = stage.request(uri, branch="")
    request = stage.request(uri, call_id=request.call_id, branch=f"z9hG4bK{request.call_id}")
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    gateway.send(answer(invite, "180 Ringing"))
    caller.receive(180, call_id=request.call_id)
    return caller, invite, request.text


def contact(gateway: Peer) -> str:
    return f"<sip:gw@{gateway.host}:5060>"


@pytest.mark.bypass("C18")
@pytest.mark.parametrize("refused_first", [False, True])
def test_an_answer_after_cancel(stage: Stage, refused_first: bool) -> None:
    """The call is up and charged; where the gateway has refused before, that closes the matter."""
    gateway = stage.peer(GW1)
    caller, invite, sent = rung(stage, f"sip:{LONDON}@sg", gateway)
    call_id = invite.get("Call-ID")
    caller.send(sent.replace("INVITE", "CANCEL"))
    cancel = gateway.receive("CANCEL", call_id=call_id)
    gateway.send(answer(cancel, "200 OK"))
    if refused_first:
        gateway.send(answer(invite, "487 Request Terminated"))
        gateway.receive("ACK", call_id=call_id)
        caller.send(ack(caller.receive(487, call_id=call_id), stage.daemon.host))
    gateway.send(answer(invite, "200 OK", contact=contact(gateway)))
    gateway.barrier()
    caller.barrier()

    def finals() -> list[Message]:
        caller.pending()
        mine = [one for one in caller.log if one.get("Call-ID") == call_id and one.method == "INVITE"]
        return [one for one in mine if (one.status or 0) >= 200]

    if refused_first:
        assert {one.status for one in finals()} == {487}
        assert stage.cdr(call_id)["outcome"] != "answered"
        return
    eventually("the answer", lambda: bool(finals()), 5.0)
    (ok,) = finals()
    assert ok.status == 200
    target, to = f"sip:gw@{gateway.host}:5060", ok.get("To")
    caller.send(stage.request(target, method="ACK", call_id=call_id, to=to).text)
    gateway.receive("ACK", call_id=call_id)
    caller.send(stage.request(target, method="BYE", cseq=2, call_id=call_id, to=to).text)
    gateway.send(answer(gateway.receive("BYE", call_id=call_id), "200 OK"))
    assert stage.cdr(call_id)["outcome"] == "answered"
