"""Calls by a password, on a real daemon: who is asked, who is believed, and who pays."""

from __future__ import annotations

import os
import re
import statistics
import time
from dataclasses import replace

import pytest

from tests.harness.digest import Challenge
from tests.harness.loopback import eventually
from tests.phones.stage import (
    ALICE_HOME,
    BOB_HOME,
    GUARDED,
    LONDON,
    SHY_HOME,
    STRANGER,
    TRUNK,
    Stage,
)
from tests.security.peer import answer


@pytest.mark.item("I-01")
def test_a_stranger_is_asked_for_a_password_the_strongest_way_first(stage: Stage) -> None:
    response = stage.exchange(stage.invite(LONDON, STRANGER, "alice"))
    assert response.status == 407
    challenges = [Challenge.read(value) for value in response.all("Proxy-Authenticate")]
    assert [one.algorithm for one in challenges] == ["SHA-512-256", "SHA-256", "MD5"]
    assert {(one.realm, one.qop, one.stale) for one in challenges} == {("phones.example", "auth", False)}
    assert all(one.nonce for one in challenges)


@pytest.mark.item("V-08", "I-02")
@pytest.mark.parametrize("algorithm", ["SHA-512-256", "SHA-256", "MD5"])
def test_a_phone_calls_by_its_password_from_anywhere(stage: Stage, algorithm: str) -> None:
    request = stage.invite("02079460000", ALICE_HOME, "alice")
    invite = stage.called(request, "alice", algorithm=algorithm)
    assert invite.request_user == LONDON, "its own number plan"
    assert not invite.get("Proxy-Authorization"), "credentials of our realm go no further"
    cdr = stage.cdr(request.call_id)
    assert (cdr["account_id"], cdr["mapping_gateway_id"]) == ("acme", "phone:alice")


def test_a_trunk_with_a_password_and_no_address_of_its_own(stage: Stage) -> None:
    request = stage.invite(LONDON, STRANGER, "anything")
    stage.called(request, "roaming")
    cdr = stage.cdr(request.call_id)
    assert (cdr["account_id"], cdr["mapping_gateway_id"]) == ("acme", "acme-roaming")


def test_a_trunk_with_address_and_password_needs_both(stage: Stage) -> None:
    request = stage.invite(LONDON, GUARDED, "x")
    stage.called(request, "guarded")
    assert stage.cdr(request.call_id)["mapping_gateway_id"] == "acme-guarded"
    elsewhere = stage.invite(LONDON, STRANGER, "x")
    assert stage.authenticated(elsewhere, "guarded").status == 403
    assert stage.cdr(elsewhere.call_id)["reason"] == "credentials_refused"


def test_a_trunk_by_its_address_alone_is_never_asked(stage: Stage) -> None:
    request = stage.invite(LONDON, TRUNK, "x")
    stage.called(request, None)
    assert stage.cdr(request.call_id)["mapping_gateway_id"] == "acme-trunk"


def test_a_phone_in_fixed_networks(stage: Stage) -> None:
    inside = stage.invite(LONDON, SHY_HOME, "shy")
    stage.called(inside, "shy")
    outside = stage.invite(LONDON, STRANGER, "shy")
    assert stage.authenticated(outside, "shy").status == 403


def test_a_locked_phone_is_refused(stage: Stage) -> None:
    request = stage.invite(LONDON, ALICE_HOME, "gone")
    assert stage.authenticated(request, "gone").status == 403
    assert stage.cdr(request.call_id)["reason"] == "gateway_locked"


OWN = "442079460001"
CLAIMS = {
    # From user: (status, calling number of the record), for alice, who is made to use her own
    "alice": OWN,
    "+442079460002": "442079460002",
    "02079460002": "442079460002",
    "anonymous": OWN,
    "+442079460003": OWN,
    "5355550100": OWN,
}


@pytest.mark.parametrize("claimed", CLAIMS)
def test_a_phone_calls_from_its_own_numbers(stage: Stage, claimed: str) -> None:
    request = stage.invite(LONDON, ALICE_HOME, claimed)
    stage.called(request, "alice")
    assert stage.cdr(request.call_id)["calling"] == CLAIMS[claimed]


def test_a_phone_may_be_refused_for_a_number_of_somebody_else(stage: Stage) -> None:
    request = stage.invite(LONDON, SHY_HOME, "+442079460001")
    assert stage.authenticated(request, "shy").status == 403
    cdr = stage.cdr(request.call_id)
    assert (cdr["reason"], cdr["account_id"]) == ("caller_refused", "acme")


def test_sections_hold_for_phones(stage: Stage) -> None:
    request = stage.invite("005355550100", ALICE_HOME, "alice")
    assert stage.authenticated(request, "alice").status == 403
    assert stage.cdr(request.call_id)["reason"] == "section_blocked"


@pytest.mark.item("I-02")
def test_b21_nonces_that_are_not_ours_are_stale(stage: Stage) -> None:
    """B21: of another instance, of another realm, or made up."""
    request = stage.invite(LONDON, ALICE_HOME, "alice")
    challenge = stage.exchange(request)
    right = stage.answered(request, challenge, "alice")
    nonce = Challenge.read(challenge.get("Proxy-Authenticate")).nonce
    for other in ("0" * 64, "1" + nonce[1:], nonce[::-1], "dcd98b7102dd2f0e8b11d0f600bfb0c093"):
        forged = replace(
            right, extra=right.extra.replace(nonce, other), call_id=f"{request.call_id}-{other[:9]}"
        )
        response = stage.exchange(forged)
        assert response.status == 407
        again = [Challenge.read(value) for value in response.all("Proxy-Authenticate")]
        assert all(one.stale for one in again)
        assert all(one.nonce not in (nonce, other) for one in again)


@pytest.mark.item("I-02")
def test_a_nonce_count_is_good_once(stage: Stage) -> None:
    """A captured INVITE that is sent again under another Call-ID calls nobody."""
    request = stage.invite(LONDON, ALICE_HOME, "alice")
    challenge = stage.exchange(request)
    right = stage.answered(request, challenge, "alice")
    stage.called(right, None)
    before = stage.logins()["replayed"]
    for number in range(3):
        response = stage.exchange(replace(right, call_id=f"{right.call_id}-again{number}"))
        assert response.status == 407
        assert Challenge.read(response.get("Proxy-Authenticate")).stale
    assert stage.logins()["replayed"] == before + 3
    grown = stage.answered(replace(request, cseq=7), challenge, "alice", nc=2)
    stage.called(grown, None)


@pytest.mark.item("I-02")
def test_credentials_are_for_the_number_that_they_were_made_for(stage: Stage) -> None:
    """A captured answer cannot be used to call another number."""
    request = stage.invite(LONDON, ALICE_HOME, "alice")
    other = f"sip:5355550100@{stage.daemon.host}"
    assert stage.authenticated(request, "alice", uri=other).status == 400
    assert stage.cdrs(request.call_id) == []


def test_b24_the_user_pays_whatever_from_says(stage: Stage) -> None:
    """B24: the password of bob with a From of acme's is bob's call."""
    request = stage.invite(LONDON, BOB_HOME, "+442079460001")
    stage.called(request, "bob")
    cdr = stage.cdr(request.call_id)
    assert (cdr["account_id"], cdr["calling"]) == ("bob", "442079460003")


def test_b24_a_password_is_of_no_use_at_the_trunk_of_another_account(stage: Stage) -> None:
    """B24: bob's password at acme's address is neither acme's call nor bob's."""
    first = stage.invite(LONDON, STRANGER, "bob")
    challenge = stage.exchange(first)
    right = stage.answered(first, challenge, "bob")
    at_acme = replace(right, host=stage.host(TRUNK), call_id=f"{right.call_id}-acme")
    assert stage.exchange(at_acme).status == 403
    cdr = stage.cdr(at_acme.call_id)
    assert (cdr["account_id"], cdr["reason"]) == (None, "credentials_refused")


def test_b24_a_password_of_the_same_account_is_of_use_at_its_trunk(stage: Stage) -> None:
    first = stage.invite(LONDON, STRANGER, "alice")
    right = stage.answered(first, stage.exchange(first), "alice")
    at_home = replace(right, host=stage.host(TRUNK), call_id=f"{right.call_id}-home")
    stage.called(at_home, None)
    assert stage.cdr(at_home.call_id)["mapping_gateway_id"] == "phone:alice"


def _shape(text: str) -> str:
    """A response without what differs between any two."""
    text = re.sub(r'nonce="[0-9a-f]{64}"', 'nonce="N"', text)
    text = re.sub(r"phones-\d+", "C", text)
    text = re.sub(r";tag=\w+", ";tag=T", text)
    return re.sub(r"sip:\w+@", "sip:U@", text)


def test_b28_an_unknown_user_is_answered_like_a_wrong_password(stage: Stage) -> None:
    """B28: status, header fields, their order and the form of the nonce."""
    answers = []
    for user in ("alice", "nobody", "bob", "gone", "alicE", "a" * 64):
        request = stage.invite(LONDON, STRANGER, "x")
        answers.append(_shape(stage.authenticated(request, user, password="wrong").text))
    assert set(answers) == {answers[0]}
    assert answers[0].startswith("SIP/2.0 407 ")
    assert "stale" not in answers[0]


@pytest.mark.skipif(
    "SIPGUARD_TIMING" not in os.environ, reason="measures; SIPGUARD_TIMING=1 on a quiet machine"
)
def test_b28_and_takes_the_same_time(stage: Stage) -> None:
    """B28: medians of 2,000 tries each, interleaved."""
    took: dict[str, list[int]] = {"alice": [], "nobody": []}
    for _ in range(2_000):
        for user, times in took.items():
            request = stage.invite(LONDON, STRANGER, "x")
            tried = stage.answered(request, stage.exchange(request), user, password="wrong")
            started = time.perf_counter_ns()
            stage.exchange(tried)
            times.append(time.perf_counter_ns() - started)
    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) < 0.05 * min(known, unknown)


def test_b31_a_thousand_wrong_passwords_are_counted_and_keep_nobody_out(stage: Stage) -> None:
    """B31: none gets in, the counter tells, and the true user is not locked out."""
    before = stage.logins()["wrong"]
    request = stage.invite(LONDON, STRANGER, "alice")
    challenge = stage.exchange(request)
    for number in range(1_000):
        guess = stage.answered(request, challenge, "alice", password=f"guess{number}", nc=number + 1)
        guess = replace(guess, call_id=f"{request.call_id}-{number}")
        assert stage.exchange(guess).status == 407
    assert stage.logins()["wrong"] == before + 1_000
    stage.called(stage.invite(LONDON, ALICE_HOME, "alice"), "alice")


def test_an_emergency_call_from_the_networks_of_a_trunk_needs_no_password(stage: Stage) -> None:
    request = stage.invite("112", GUARDED, "x")
    assert stage.called(request, None).request_user == "112"
    assert stage.exchange(stage.invite(LONDON, GUARDED, "x")).status == 407
    assert stage.exchange(stage.invite("112", STRANGER, "x")).status == 407, "no open relay to the services"
    stage.called(stage.invite("112", STRANGER, "x"), "alice")


@pytest.mark.item("I-03")
def test_ack_and_cancel_are_never_asked_for_a_password(stage: Stage) -> None:
    request = stage.invite(LONDON, ALICE_HOME, "alice")
    party = stage.peer(ALICE_HOME)
    right = stage.answered(request, stage.exchange(request), "alice")
    party.send(right.text)
    invite = stage.gateway.receive("INVITE", call_id=right.call_id)
    ringing = invite.text.replace(invite.first_line, "SIP/2.0 180 Ringing").replace("Max-Forwards", "X")
    stage.gateway.send(re.sub(r"To: ([^\r]*)", r"To: \1;tag=gw", ringing))
    party.receive(180, call_id=right.call_id)
    cancel = right.text.replace("INVITE ", "CANCEL ", 1).replace(
        f"CSeq: {right.cseq} INVITE", f"CSeq: {right.cseq} CANCEL"
    )
    party.send(re.sub(r"Proxy-Authorization: [^\r]*\r\n", "", cancel))
    assert party.receive(200, call_id=right.call_id).method == "CANCEL"
    stage.gateway.receive("CANCEL", call_id=right.call_id)
    stage.gateway.send(answer(invite, "487 Request Terminated"))
    assert stage.final(party, right).status == 487


def test_a_new_password_counts_and_the_old_one_no_more(stage: Stage) -> None:
    def status(password: str) -> int | None:
        request = stage.invite("5355550100", STRANGER, "x")
        return stage.authenticated(request, "roaming", password=password).status

    assert (status("far away"), status("looking glass")) == (403, 407)
    stage.daemon.command("credential", "set", "roaming", stdin="looking glass\n")
    eventually("the new password", lambda: status("looking glass") == 403, 30)
    assert status("far away") == 407
    stage.daemon.command("credential", "set", "roaming", stdin="far away\n")
    eventually("the old password", lambda: status("far away") == 403, 30)
    listed = {one["username"]: one for one in stage.daemon.json("credential", "list")}
    assert listed["roaming"] == {
        "username": "roaming",
        "realm": "phones.example",
        "phone_id": None,
        "mapping_gateway_id": "acme-roaming",
    }
    assert b"far away" not in stage.daemon.database.read_bytes(), "kept as hashes only"
