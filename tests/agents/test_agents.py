"""Real user agents call each other through sipguard: they register, call, hold, transfer and hang up.

Each make once here; every make over every transport with AGENTS=all (`make agents`).
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.agents.agent import Agent, Baresip, Linphone, Pjsip
from tests.agents.conftest import PHONES, Office

MAKES: list[type[Agent]] = [Pjsip, Baresip, Linphone]
_ONCE = {(Pjsip, "tls"), (Baresip, "tcp"), (Linphone, "udp")}
_PAIRS = [(make, transport) for make in MAKES for transport in ("udp", "tcp", "tls")]
PROGRAMS: dict[type[Agent], str] = {Baresip: "baresip", Linphone: "linphone-daemon"}


def _is_missing(make: type[Agent]) -> bool:
    return make in PROGRAMS and shutil.which(PROGRAMS[make]) is None


PAIRS = [
    pytest.param(
        make,
        transport,
        id=f"{make.__name__.lower()}-{transport}",
        marks=pytest.mark.skipif(_is_missing(make), reason="not installed: make phones"),
    )
    for make, transport in _PAIRS
    if (make, transport) in _ONCE or os.environ.get("AGENTS") == "all"
]


def number(user: str) -> str:
    return PHONES[user][1]


def answered(office: Office) -> int:
    """Answered calls on record."""
    return len(office.daemon.json("cdr", "list", "--status", "200", "--limit", "1000"))


@pytest.mark.scenario
@pytest.mark.parametrize(("make", "transport"), PAIRS)
def test_calls_in_both_directions(office: Office, make: type[Agent], transport: str) -> None:
    """Registers, calls, is called, holds and resumes, and either side hangs up."""
    before = answered(office)
    alice = office.agent(make, "alice", transport)
    bob = office.agent(Pjsip, "bob", "udp")

    alice.dial(number("bob"))
    bob.ringing()
    bob.answer()
    alice.talking()
    alice.hold()
    alice.resume()
    alice.hangup()
    bob.idle()

    bob.dial(number("alice"))
    alice.ringing()
    alice.answer()
    bob.talking()
    bob.hold()
    bob.resume()
    bob.hangup()
    alice.idle()
    assert answered(office) == before + 2


@pytest.mark.scenario
@pytest.mark.parametrize(("make", "transport"), PAIRS)
def test_a_blind_transfer(office: Office, make: type[Agent], transport: str) -> None:
    """Alice sends Bob on to Carol: the call that follows is Bob's own, judged and paid like any other."""
    before = answered(office)
    alice = office.agent(make, "alice", transport)
    bob = office.agent(Pjsip, "bob", "udp")
    carol = office.agent(Pjsip, "carol", "tcp")

    alice.dial(number("bob"))
    bob.ringing()
    bob.answer()
    alice.talking()
    alice.transfer(number("carol"))
    carol.ringing()
    carol.answer()
    alice.transferred()
    carol.hangup()
    bob.idle()
    assert answered(office) == before + 2
