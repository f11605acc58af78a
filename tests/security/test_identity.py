"""Group B: who calls is told by the source address alone; no untrusted word about it reaches a gateway."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.peer import answer
from tests.security.stage import ACME, BOB, GW1, LONDON, NOBODY, TRUSTED, Stage

URI = f"sip:{LONDON}@sg"

PRETENCES: dict[str, dict[str, Any]] = {
    "B01": {"from_": "<sip:bob@sg>;tag=a"},
    "B01a": {"from_": '"bob" <sip:bob@{bob}>;tag=a'},
    "B18": {"via": "{bob}:5060;rport"},
    "B18a": {"via": "{bob}:5060;received={bob};rport=5060"},
    "B18b": {"contact": "<sip:bob@{bob}:5060>"},
    "B18c": {"from_": "<sip:bob@{bob}>;tag=a", "contact": "<sip:bob@{bob}>", "via": "{bob}:5060;rport"},
    "B19": {"extra": "P-Asserted-Identity: <sip:bob@{bob}>\r\n"},
    "B19a": {"extra": "X-Account: bob\r\nX-Account-ID: bob\r\n"},
    "B19b": {"extra": 'Authorization: Digest username="bob", realm="sg", nonce="n", response="r"\r\n'},
}


@pytest.mark.parametrize("changes", PRETENCES.values(), ids=PRETENCES)
def test_the_source_address_pays(stage: Stage, changes: dict[str, str]) -> None:
    """Whatever the message says, acme is judged by acme's rules and acme's record is written."""
    bob = stage.peer(BOB).host
    changes = {name: value.format(bob=bob) for name, value in changes.items()}
    request = stage.request(URI, **changes)
    outcome = stage.play(stage.peer(ACME), request.text, request.call_id)
    assert (outcome.status, len(outcome.forwarded)) == (486, 1)
    assert stage.cdr(request.call_id)["account_id"] == "acme"
    # What bob may call and acme may not stays shut.
    blocked = stage.request("sip:+5355550100@sg", **changes)
    assert stage.play(stage.peer(ACME), blocked.text, blocked.call_id).status == 403


def test_a_stranger_that_looks_like_acme(stage: Stage) -> None:
    """B18: an address that nobody has stays a stranger's, whoever it says that it is."""
    acme = stage.peer(ACME).host
    outcome = stage.invite(
        URI,
        NOBODY,
        from_=f"<sip:+442079461111@{acme}>;tag=a",
        contact=f"<sip:a@{acme}>",
        via=f"{acme}:5060;received={acme};rport",
        extra=f"P-Asserted-Identity: <sip:acme@{acme}>\r\nX-Account: acme\r\n",
    )
    assert (outcome.status, outcome.forwarded) == (403, ())


PAI = "P-Asserted-Identity"
IDENTITIES = {
    "B04": f"{PAI}: <sip:+5355550100@x>\r\n{PAI}: <tel:+5355550100>\r\n",
    "B04a": f"{PAI}: <sip:1@x>\r\n{PAI}: <sip:2@x>\r\n{PAI}: <tel:+5355550100>\r\n",
    "B04b": f"{PAI}: <sip:1@x>, <tel:+5355550100>\r\n",
    "B04c": f"{PAI}:\r\n <sip:+5355550100@x>\r\n",
    "B05": "P-Preferred-Identity: <sip:+5355550100@x>\r\n",
    "B06": "Remote-Party-ID: <sip:+5355550100@x>;party=calling\r\n",
    "B07": "Diversion: <sip:+5355550100@x>;reason=unconditional\r\n",
    "B07a": "CC-Diversion: <sip:+5355550100@x>\r\n",
    "B07b": "History-Info: <sip:+5355550100@x>;index=1\r\n",
    "B07c": "P-Charge-Info: <sip:+5355550100@x>\r\n",
    "B07d": "P-Called-Party-ID: <sip:+5355550100@x>\r\n",
    "B07e": "P-Charging-Vector: icid-value=5355550100\r\n",
    "B08": f"{PAI} : <sip:+5355550100@x>\r\n",
    "B08a": f"{PAI}\t: <sip:+5355550100@x>\r\n",
    "B08b": f"{PAI} \t \t:<sip:+5355550100@x>\r\n",
    "B08c": "Diversion \t: <sip:+5355550100@x>\r\n",
    "B09": "p-asserted-IDENTITY: <sip:+5355550100@x>\r\n",
    "B11": "x-ACCOUNT: 5355550100\r\n",
    "B11a": "X-account : 5355550100\r\nX-Account-Id\t: 5355550100\r\n",
    "D08a": "Refer-To: <sip:+5355550100@x>\r\nr: <tel:+5355550100>\r\n",
}


@pytest.mark.parametrize("extra", IDENTITIES.values(), ids=IDENTITIES)
def test_identity_headers_of_untrusted_callers_stay_behind(stage: Stage, extra: str) -> None:
    """STRIP, in any spelling and number; what stands around them is left as it is."""
    outcome = stage.invite(URI, extra=f"X-Before: 1\r\n{extra}X-After:  2\r\n")
    (forwarded,) = outcome.forwarded
    assert b"5355550100" not in forwarded.data
    assert b"\r\nX-Before: 1\r\nX-After:  2\r\n" in forwarded.data


@pytest.mark.parametrize("extra", IDENTITIES.values(), ids=IDENTITIES)
def test_in_a_call_they_stay_behind_too(stage: Stage, extra: str) -> None:
    dialog = stage.call(URI)
    for method in ("INFO", "UPDATE", "BYE"):
        dialog.caller.send(dialog.ask(method, extra=extra).text)
        asked = dialog.gateway.receive(method, call_id=dialog.request.call_id)
        assert b"5355550100" not in asked.data
        dialog.gateway.send(answer(asked, "200 OK"))
        dialog.caller.receive(200, call_id=dialog.request.call_id)


def test_a_trusted_trunk_tells_where_a_call_came_from(stage: Stage) -> None:
    extra = "Diversion: <sip:+442079460001@x>\r\nP-Charge-Info: <tel:+1>\r\nRemote-Party-ID : <sip:1@x>\r\n"
    request = stage.request(URI, TRUSTED, extra=extra, from_="<sip:bob@sg>;tag=a")
    outcome = stage.play(stage.peer(TRUSTED), request.text, request.call_id)
    (forwarded,) = outcome.forwarded
    assert extra in forwarded.text
    assert stage.cdr(request.call_id)["account_id"] == "acme", "trusted in what it says, not in who pays"


def test_privacy_is_asked_for_by_anybody(stage: Stage) -> None:
    """RFC 3323: a request to be hidden is passed on; without it a gateway would show the number."""
    (forwarded,) = stage.invite(URI, extra="Privacy: id\r\n").forwarded
    assert forwarded.all("Privacy") == ["id"]


TWICE = {
    "B14": "To\x01: <sip:x@sg>;tag=gw\r\n",
    "B14a": "To: <sip:x@sg>;tag=gw\r\n",
    "B14b": "t: <sip:x@sg>;tag=gw\r\n",
    "B14c": "To : <sip:x@sg>;tag=gw\r\n",
    "B14d": "To\x0b: <sip:x@sg>;tag=gw\r\n",
    "B14e": "From: <sip:bob@sg>;tag=b\r\n",
    "B14f": "Call-ID: other\r\n",
    "B14g": "i\t: other\r\n",
    "B14h": "CSeq: 1 BYE\r\n",
    "B14i": ": <sip:x@sg>;tag=gw\r\n",
    "B14j": " To: <sip:x@sg>\r\n \r\n",
}


@pytest.mark.parametrize("extra", TWICE.values(), ids=TWICE)
def test_no_header_has_two_readings(stage: Stage, extra: str) -> None:
    """400: never part of a call for one element and new for the other."""
    dialog = stage.call(URI)
    for uri in (URI, f"sip:gw@{stage.peer(GW1).host}"):
        outcome = stage.invite(uri, call_id=dialog.request.call_id, cseq=7, extra=extra)
        assert (outcome.status, outcome.forwarded) == (400, ())
    dialog.end()
