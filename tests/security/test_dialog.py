"""Group D: what is done inside calls, to the calls of others, and while they are set up."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest

from tests.harness.loopback import eventually
from tests.security.peer import Message, answer
from tests.security.stage import (
    ACME,
    BOB,
    BY_TO,
    GW1,
    LONDON,
    NEXT,
    REFERRED,
    THIRD,
    TRUSTED,
    Stage,
)

URI = f"sip:{LONDON}@sg"


def test_a_re_invite_goes_where_the_call_goes(stage: Stage) -> None:
    """D01: its own request URI, Route and Refer-To are not followed."""
    dialog = stage.call(URI)
    extra = f"Route: <sip:{stage.peer(THIRD).host};lr>\r\nRefer-To: <tel:+5355550100>\r\n"
    dialog.caller.send(dialog.ask("INVITE", uri="sip:005355550100@sg", extra=extra).text)
    asked = dialog.gateway.receive("INVITE", call_id=dialog.request.call_id)
    assert asked.request_uri == f"sip:gw@{dialog.gateway.host}:5060"
    assert b"5355550100" not in asked.data
    dialog.gateway.send(answer(asked, "488 Not Acceptable Here"))
    dialog.caller.receive(488, call_id=dialog.request.call_id)
    dialog.end()


REFERS = {
    "D02": "Refer-To: <tel:+5355550100>\r\n",
    "D02a": "r: <sip:005355550100@sg>\r\n",
    "D02b": f"Refer-To: <{URI}?Replaces=a>\r\n",
}


@pytest.mark.parametrize("extra", REFERS.values(), ids=REFERS)
@pytest.mark.parametrize("source", [ACME, TRUSTED])
def test_no_gateway_is_made_to_call_an_unjudged_number(stage: Stage, source: int, extra: str) -> None:
    dialog = stage.call(URI, source)
    dialog.caller.send(dialog.ask("REFER", extra=extra).text)
    assert dialog.caller.receive(403, 202, call_id=dialog.request.call_id).status == 403
    dialog.caller.barrier()
    assert not [message for message in dialog.gateway.pending() if message.method == "REFER"]
    dialog.end()


def test_a_gateway_that_is_marked_for_it_takes_refer(stage: Stage) -> None:
    dialog = stage.call("sip:+442279460000@sg", gateway=REFERRED)
    extra = "Refer-To: <tel:+442079460001>\r\n"
    dialog.caller.send(dialog.ask("REFER", extra=extra).text)
    refer = dialog.gateway.receive("REFER", call_id=dialog.request.call_id)
    assert extra in refer.text
    dialog.gateway.send(answer(refer, "202 Accepted"))
    dialog.caller.receive(202, call_id=dialog.request.call_id)
    dialog.end()


@pytest.mark.parametrize("method", ["REFER", "SUBSCRIBE", "MESSAGE", "REGISTER", "PUBLISH", "XYZZY"])
def test_outside_a_call_only_invites_pass(stage: Stage, method: str) -> None:
    """D04."""
    outcome = stage.invite(URI, method=method, extra="Refer-To: <tel:+5355550100>\r\n")
    assert (outcome.status, outcome.forwarded) == (405, ())


@pytest.mark.parametrize("source", [ACME, TRUSTED])
@pytest.mark.parametrize("name", ["Replaces", "Join", "Target-Dialog", "replaces ", "JOIN\t"])
def test_nobody_takes_over_the_call_of_another(stage: Stage, name: str, source: int) -> None:
    """D08: the header stays behind, what is left is a call of its own, and the other call goes on."""
    theirs = stage.call(URI, BOB)
    extra = f"{name}: {theirs.request.call_id};to-tag=gw;from-tag=a;local-tag=a;remote-tag=gw\r\n"
    (forwarded,) = stage.invite(URI, source, extra=extra).forwarded
    assert theirs.request.call_id.encode() not in forwarded.data
    theirs.end()


SENT_BY = {"D11": "{third}:5060", "D11a": "{acme}:5060", "D11b": "{acme}:5061"}


@pytest.mark.parametrize("sent_by", SENT_BY.values(), ids=SENT_BY)
def test_only_the_caller_cancels(stage: Stage, sent_by: str) -> None:
    """D11: an overheard branch is no right to end the call."""
    caller, gateway, third = stage.peer(ACME), stage.peer(GW1), stage.peer(THIRD)
    request = stage.request(URI, branch="z9hG4bKoverheard" + sent_by[1])
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    gateway.send(answer(invite, "180 Ringing"))
    caller.receive(180, call_id=request.call_id)
    via = sent_by.format(third=third.host, acme=caller.host)
    cancel = request.text.replace("INVITE", "CANCEL").replace(f"{caller.host}:5060;branch", f"{via};branch")
    seen = len(third.log)
    third.send(cancel.replace(";branch", ";rport;branch"))
    third.barrier()
    statuses = [message.status for message in third.log[seen:] if message.method == "CANCEL"]
    assert statuses in ([481], [])
    assert not [message for message in gateway.pending() if message.method == "CANCEL"]
    gateway.send(answer(invite, "486 Busy Here"))
    caller.receive(486, call_id=request.call_id)


def test_a_call_id_that_is_in_use_is_no_pass(stage: Stage) -> None:
    """D14: new tags are a new call: judged, held and counted by itself."""
    dialog = stage.call(URI)
    held = stage.daemon.status()["held_micros"]
    blocked = stage.invite("sip:+5355550100@sg", call_id=dialog.request.call_id, cseq=9)
    assert (blocked.status, blocked.forwarded) == (403, ())
    second = stage.request(URI, call_id=dialog.request.call_id, cseq=10, from_="<sip:b@sg>;tag=other")
    dialog.caller.send(second.text)
    invite = dialog.gateway.receive("INVITE", call_id=dialog.request.call_id)
    assert stage.daemon.status()["held_micros"] > held
    dialog.gateway.send(answer(invite, "486 Busy Here"))
    dialog.caller.receive(486, call_id=dialog.request.call_id)
    assert stage.daemon.status()["held_micros"] == held
    dialog.end()


@pytest.mark.parametrize("answered_first", [True, False], ids=["D21", "D21a"])
def test_cancel_and_answer_cross(stage: Stage, answered_first: bool) -> None:
    """One outcome: a call that is charged and ends, whichever was seen first."""
    caller, gateway = stage.peer(ACME), stage.peer(GW1)
    request = stage.request(URI)
    caller.send(request.text)
    invite = gateway.receive("INVITE", call_id=request.call_id)
    gateway.send(answer(invite, "180 Ringing"))
    caller.receive(180, call_id=request.call_id)
    accepted = answer(invite, "200 OK", contact=f"<sip:gw@{gateway.host}>")
    steps = [
        lambda: gateway.send(accepted),
        lambda: caller.send(request.text.replace("INVITE", "CANCEL")),
    ]
    for step in steps if answered_first else reversed(steps):
        step()
    final = _final_of_invite(stage, request.call_id)
    assert final.status == 200, "C-09: an answer that crosses the CANCEL is a call"
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        caller.send(
            request.text.replace("INVITE", method)
            .replace(f"CSeq: 1 {method}", f"CSeq: {cseq} {method}")
            .replace("branch=z9hG4bK", f"branch=z9hG4bK{method}")
            .replace(f"To: {request.to}".replace("@sg", f"@{stage.daemon.host}"), f"To: {final.get('To')}")
        )
    gateway.send(answer(gateway.receive("BYE", call_id=request.call_id), "200 OK"))
    assert stage.cdr(request.call_id)["outcome"] == "answered"


def _final_of_invite(stage: Stage, call_id: str) -> Message:
    caller = stage.peer(ACME)
    while True:
        message = caller.receive(200, 486, 487, call_id=call_id)
        if message.method == "INVITE":
            return message


def test_hold_is_no_free_time(stage: Stage) -> None:
    """D24: a call on hold, the new way and the old, is charged by its whole length."""
    dialog = stage.call(URI, body="v=0\r\nc=IN IP4 127.0.0.1\r\na=sendrecv\r\n")
    answered = time.monotonic()
    for body in ("v=0\r\nc=IN IP4 127.0.0.1\r\na=sendonly\r\n", "v=0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"):
        dialog.caller.send(dialog.ask("INVITE", body=body).text)
        held = dialog.gateway.receive("INVITE", call_id=dialog.request.call_id)
        dialog.gateway.send(answer(held, "200 OK", contact=f"<sip:gw@{dialog.gateway.host}:5060>"))
        dialog.caller.receive(200, call_id=dialog.request.call_id)
        dialog.caller.send(dialog.ask("ACK").text)
        dialog.gateway.receive("ACK", call_id=dialog.request.call_id)
    time.sleep(1.1)  # a second that has to be paid for: the wire has no clock to be passed in
    held_ms = (time.monotonic() - answered) * 1_000
    dialog.end()
    cdr = stage.cdr(dialog.request.call_id)
    assert cdr["duration_ms"] >= held_ms - 50
    (shown,) = stage.daemon.json("cdr", "show", dialog.request.call_id)
    assert shown["levels"][0]["billed_seconds"] == -(-cdr["duration_ms"] // 1_000)


def test_proxy_require_and_require(stage: Stage) -> None:
    """D31."""
    outcome = stage.invite(URI, extra="Proxy-Require: x-unknown\r\n")
    assert (outcome.status, outcome.forwarded) == (420, ())
    assert outcome.response is not None
    assert outcome.response.get("Unsupported") == "x-unknown"
    (forwarded,) = stage.invite(URI, extra="Require: x-unknown\r\n").forwarded
    assert forwarded.get("Require") == "x-unknown"


CONTACTS = {
    "D34": "<sip:x@{third}:5060>",
    "D34a": "<sip:x@{third}:5060;transport=tcp>",
    "D34b": "<sip:x@169.254.169.254>",
    "D34c": "<sip:x@255.255.255.255>",
    "D34d": "<sip:x@224.0.0.1>",
    "D34e": "<sip:x@0.0.0.0>",
    "D34f": "<sip:x@acme;maddr={third}>",
}


@pytest.mark.parametrize("contact", CONTACTS.values(), ids=CONTACTS)
def test_a_contact_aims_at_nobody_else(stage: Stage, contact: str) -> None:
    """Requests to the caller go where the caller sends from."""
    third = stage.peer(THIRD)
    dialog = stage.call(URI, contact=contact.format(third=third.host))
    dialog.gateway.send(dialog.tell("INFO", 1))
    info = dialog.caller.receive("INFO", call_id=dialog.request.call_id)
    dialog.caller.send(answer(info, "200 OK"))
    dialog.gateway.receive(200, call_id=dialog.request.call_id)
    assert not [message for message in third.pending() if message.get("Call-ID") == dialog.request.call_id]
    dialog.end()


def test_a_redirection_is_a_gateway_that_failed(stage: Stage) -> None:
    """S-05: the next gateway is asked; if there is none, nothing of the redirection is shown."""
    outcome = stage.invite("sip:+442379460000@sg", reply="302 Moved Temporarily")
    assert outcome.status == 480
    assert outcome.gateways == (stage.peer(GW1).host, stage.peer(NEXT).host)
    assert outcome.response is not None
    assert outcome.response.all("Contact") == []
    for reply in ("300 Multiple Choices", "305 Use Proxy", "380 Alternative Service", "485 Ambiguous"):
        assert stage.invite(URI, reply=reply).status == 480


def test_a_gateway_that_dials_by_to_gets_the_judged_number_there(stage: Stage) -> None:
    """A64: price, record and To are by the request URI."""
    request = stage.request("sip:+442179460000@sg", to="<sip:+5355550100@sg>")
    outcome = stage.play(stage.peer(ACME), request.text, request.call_id)
    (forwarded,) = outcome.forwarded
    assert outcome.gateways == (stage.peer(BY_TO).host,)
    assert forwarded.get("To") == f"<sip:442179460000@{stage.peer(BY_TO).host}:5060>"
    assert stage.cdr(request.call_id)["called"] == "442179460000"
    other = stage.request(URI, to="<sip:+5355550100@sg>")
    (forwarded,) = stage.play(stage.peer(ACME), other.text, other.call_id).forwarded
    assert forwarded.request_user == LONDON
    assert forwarded.get("To").startswith("<sip:+5355550100@"), "other gateways dial the request URI"


def test_a_busy_database_is_no_free_call(stage: Stage) -> None:
    """D38: while the database is locked new calls are refused; a BYE passes and is charged later, once."""

    dialog = stage.call(URI)
    with closing(sqlite3.connect(stage.daemon.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        dialog.end()
        eventually("a store that fails", lambda: not stage.daemon.status()["store_healthy"], 5.0)
        outcome = stage.invite(URI)
        assert (outcome.status, outcome.forwarded) == (503, ())
        assert stage.cdrs(dialog.request.call_id) == []
        other.execute("ROLLBACK")
    eventually("a store that is back", lambda: stage.daemon.status()["store_healthy"], 5.0)
    assert stage.cdr(dialog.request.call_id)["outcome"] == "answered"
