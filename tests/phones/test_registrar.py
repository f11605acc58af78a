"""REGISTER on a real daemon (RFC 3261 section 10, RFC 3327, RFC 5626): what is bound, and for how long."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.harness.digest import Challenge
from tests.harness.loopback import eventually
from tests.phones.stage import ALICE_HOME, SHY_HOME, STRANGER, Request, Stage
from tests.security.peer import Message


def register(stage: Stage, user: str, contact: str = "", source: int = ALICE_HOME, **changes: Any) -> Request:
    """A REGISTER of `user`; an empty `contact` only asks."""
    sg = stage.daemon.host
    plain = stage.request("REGISTER", f"sip:{sg}", source, user, contact=contact or "none")
    return replace(plain, to=f"<sip:{user}@{sg}>", **changes)


def bound(response: Message) -> dict[str, str]:
    """Contact URIs with their parameters."""
    found = {}
    for value in response.all("Contact"):
        uri, _, params = value.removeprefix("<").partition(">")
        found[uri] = params
    return found


@pytest.fixture
def nothing_bound(stage: Stage) -> Stage:
    """Nobody is registered before, nor afterwards."""
    for user, source in (("alice", ALICE_HOME), ("shy", SHY_HOME)):
        response = stage.authenticated(register(stage, user, "*", source, extra="Expires: 0\r\n"), user)
        assert (response.status, bound(response)) == (200, {})
    return stage


@pytest.mark.item("I-01")
def test_a_registration_is_challenged_with_401(stage: Stage) -> None:
    response = stage.exchange(register(stage, "alice", "<sip:a@h>"))
    assert response.status == 401
    challenges = [Challenge.read(value) for value in response.all("WWW-Authenticate")]
    assert [one.algorithm for one in challenges] == ["SHA-512-256", "SHA-256", "MD5"]
    assert not response.all("Proxy-Authenticate")


def test_bind_refresh_ask_and_unbind(nothing_bound: Stage) -> None:
    stage = nothing_bound
    home = f"sip:alice@{stage.host(ALICE_HOME)}:5060"
    response = stage.authenticated(register(stage, "alice", f"<{home}>;expires=120"), "alice")
    assert response.status == 200
    assert bound(response).keys() == {home}
    assert re.fullmatch(r";expires=1(20|19)", bound(response)[home])
    assert response.get("Date").endswith("GMT")
    shorter = register(stage, "alice", f"<{home}>", extra="Expires: 90\r\n")
    assert re.fullmatch(r";expires=(90|89)", bound(stage.authenticated(shorter, "alice"))[home])
    listed = stage.authenticated(register(stage, "alice"), "alice")
    assert bound(listed).keys() == {home}
    gone = stage.authenticated(register(stage, "alice", f"<{home}>;expires=0"), "alice")
    assert (gone.status, bound(gone)) == (200, {})


def test_times(nothing_bound: Stage) -> None:
    """Too short: 423 with Min-Expires, and nothing changes; too long or none: ours."""
    stage = nothing_bound
    brief = stage.authenticated(register(stage, "alice", "<sip:a@h>, <sip:b@h>;expires=59"), "alice")
    assert (brief.status, brief.get("Min-Expires")) == (423, "60")
    assert bound(stage.authenticated(register(stage, "alice"), "alice")) == {}, "all or nothing"
    long = register(stage, "alice", "<sip:a@h>;expires=999999999999", extra="Expires: x\r\n")
    assert re.fullmatch(r";expires=3(600|599)", bound(stage.authenticated(long, "alice"))["sip:a@h"])
    unsaid = stage.authenticated(register(stage, "alice", "<sip:b@h>;expires=y"), "alice")
    assert re.fullmatch(r";expires=3(600|599)", bound(unsaid)["sip:b@h"])


def test_a_late_request_of_one_call_changes_nothing(nothing_bound: Stage) -> None:
    """Same Call-ID and no higher CSeq (section 10.3 step 7)."""
    stage = nothing_bound
    first = register(stage, "alice", "<sip:a@h>;q=0.5", cseq=10)
    challenge = stage.exchange(first)
    assert stage.exchange(stage.answered(first, challenge, "alice")).status == 200  # CSeq 11
    late = replace(first, cseq=4, contact="<sip:a@h>;q=0.9")
    response = stage.exchange(stage.answered(late, challenge, "alice", nc=2))
    assert response.status == 500
    late = replace(first, cseq=5, contact="*", extra="Expires: 0\r\n")
    assert stage.exchange(stage.answered(late, challenge, "alice", nc=3)).status == 500
    assert "q=0.500" in bound(stage.authenticated(register(stage, "alice"), "alice"))["sip:a@h"]
    next_ = replace(first, cseq=20, contact="<sip:a@h>;q=0.9")
    assert stage.exchange(stage.answered(next_, challenge, "alice", nc=4)).status == 200
    assert "q=0.900" in bound(stage.authenticated(register(stage, "alice"), "alice"))["sip:a@h"]


BAD = {
    "wildcard that does not expire": ("*", ""),
    "wildcard with a time": ("*", "Expires: 60\r\n"),
    "wildcard and another": ("*, <sip:a@h>", "Expires: 0\r\n"),
    "nothing that can be called": ("<tel:+442079460001>", ""),
    "no address": ("<sip:a@h", ""),
    "q above 1": ("<sip:a@h>;q=1.5", ""),
}


@pytest.mark.parametrize(("contact", "extra"), BAD.values(), ids=BAD)
def test_what_cannot_be_carried_out(stage: Stage, contact: str, extra: str) -> None:
    response = stage.authenticated(register(stage, "alice", contact, extra=extra), "alice")
    assert response.status == 400


def test_whose_address_it_is(stage: Stage) -> None:
    """A phone binds its own user, id and numbers; nobody else's, and nothing without a password."""
    sg = stage.daemon.host
    for to, status in (
        ("alice", 200),
        ("442079460001", 200),
        ("+442079460002", 200),
        ("bob", 403),
        ("442079460003", 403),
        ("bob-desk", 403),
        ("", 403),
    ):
        request = replace(register(stage, "alice"), to=f"<sip:{to}@{sg}>" if to else f"<sip:{sg}>")
        assert stage.authenticated(request, "alice").status == status, to
    assert stage.authenticated(register(stage, "gone"), "gone").status == 403, "locked"
    assert stage.authenticated(register(stage, "roaming"), "roaming").status == 403, "a trunk"
    assert stage.authenticated(register(stage, "shy", source=STRANGER), "shy").status == 403, "not at home"
    assert stage.authenticated(register(stage, "alice"), "alice", password="x").status == 401
    assert stage.authenticated(register(stage, "nobody"), "nobody", password="x").status == 401


def test_equivalent_addresses_are_one_binding(nothing_bound: Stage) -> None:
    stage = nothing_bound
    for uri in ("sip:a@H.example", "SIP:a@h.EXAMPLE", "sip:a@h.example;x=1"):
        response = stage.authenticated(register(stage, "alice", f"<{uri}>"), "alice")
        assert list(bound(response)) == [uri]


def test_one_flow_of_one_device_is_one_binding(nothing_bound: Stage) -> None:
    """RFC 5626 section 6: a new address of the same instance and reg-id replaces the old one."""
    stage = nothing_bound
    device = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    outbound = "Supported: path, outbound\r\n"
    for port, reg_id in ((5060, 1), (6000, 1), (7000, 2)):
        contact = f"<sip:a@10.0.0.1:{port};ob>{device};reg-id={reg_id}"
        response = stage.authenticated(register(stage, "alice", contact, extra=outbound), "alice")
    assert list(bound(response)) == ["sip:a@10.0.0.1:7000;ob", "sip:a@10.0.0.1:6000;ob"]
    assert all(device in params for params in bound(response).values())
    assert not response.get("Require"), "no promise of STUN over UDP"


def test_the_oldest_binding_gives_way(nothing_bound: Stage) -> None:
    """contact_limit is 5."""
    stage = nothing_bound
    for number in range(7):
        response = stage.authenticated(register(stage, "alice", f"<sip:a{number}@h>"), "alice")
    assert sorted(bound(response)) == [f"sip:a{number}@h" for number in range(2, 7)]


@pytest.mark.item("I-09")
def test_path_is_kept_and_told(nothing_bound: Stage) -> None:
    stage = nothing_bound
    extra = "Path: <sip:edge1.example;lr>\r\nPath: <sip:edge2.example;lr>\r\nSupported: path\r\n"
    response = stage.authenticated(register(stage, "alice", "<sip:a@h>", extra=extra), "alice")
    assert response.get("Path") == "<sip:edge1.example;lr>, <sip:edge2.example;lr>"


def test_registrations_are_listed_and_outlive_a_restart(nothing_bound: Stage) -> None:
    stage = nothing_bound
    contact = f"<sip:alice@{stage.host(ALICE_HOME)}:5060>;expires=300;q=0.4"
    assert stage.authenticated(register(stage, "alice", contact), "alice").status == 200

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stage.daemon.json("registration", "list", "--phone", "alice")
        return found

    eventually("the contact in the store", lambda: len(listed()) == 1, 10)
    (one,) = listed()
    assert (one["phone_id"], one["q"], one["transport"]) == ("alice", 0.4, "udp")
    assert one["source"] == f"{stage.host(ALICE_HOME)}:5060"
    stage.daemon.kill()
    stage.daemon.start()
    again = stage.authenticated(register(stage, "alice"), "alice")
    assert bound(again).keys() == {f"sip:alice@{stage.host(ALICE_HOME)}:5060"}
