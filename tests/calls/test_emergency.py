"""Emergency calls while nothing can be recorded: they are set up, answered and ended like any other time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipguard.store.batch import Record
from tests.calls.desk import CALLER, Desk, Ledger, Sent
from tests.policy.world import LONDON, World

PATIENCE_SECONDS = 0.15


class Stuck(Ledger):
    """A disk that takes nothing, until it has room again."""

    def __init__(self, *, known: bool) -> None:
        """`known`: it has been found to fail."""
        super().__init__()
        self.healthy = not known
        self._known = known
        self._waiting: list[tuple[Record, Callable[[], None] | None]] = []

    def refusal(self) -> str | None:
        return "the disk is full" if self._known else None

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        self._waiting.append((record, done))

    def back(self) -> None:
        while self._waiting:
            super().submit(*self._waiting.pop(0))


def desk(*, known: bool) -> tuple[Desk, Stuck]:
    made, stuck = Desk(World()), Stuck(known=known)
    made.exchange.writer = stuck
    return made, stuck


def answers(one: Desk) -> list[Sent]:
    """What the caller was answered with 200."""
    one.turn()
    return [sent for sent in one.sent("SIP/2.0 200") if sent.to == CALLER]


def answered(one: Desk, number: str) -> None:
    one.invite(number)
    invite = one.invited()
    one.answer(invite, "200 OK", "Contact: <sip:b@127.0.0.10>", invite.header("Record-Route"))


@pytest.mark.parametrize("known", [False, True])
def test_an_emergency_call_is_answered_and_ended_by_a_disk_that_is_full(known: bool) -> None:
    one, stuck = desk(known=known)
    answered(one, "112")
    if not known:
        assert not answers(one), "it waits for its record a moment"
        one.wait(PATIENCE_SECONDS)
    (told,) = answers(one)
    one.acknowledge()
    assert one.sent("ACK")
    one.receive(
        CALLER,
        f"BYE sip:b@127.0.0.10 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER[0]}:5060;branch=z9hG4bKbye\r\n"
        f"Max-Forwards: 70\r\n{told.header('Record-Route').replace('Record-Route', 'Route')}\r\n"
        f"{told.header('From')}\r\n{told.header('To')}\r\n{told.header('Call-ID')}\r\n"
        "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
    )
    one.wait(PATIENCE_SECONDS)
    assert len(one.sent("BYE")) == 1
    stuck.back()
    one.turn()
    (cdr,) = stuck.cdrs
    assert (cdr.called, cdr.answered_ms is not None, cdr.cost_micros) == ("112", True, 0)
    assert not one.sent("SIP/2.0 200"), "and nothing is told twice"


def test_any_other_call_is_refused_where_the_disk_is_known_to_be_full() -> None:
    one, _ = desk(known=True)
    one.invite(LONDON)
    assert one.replied().startswith("503 ")


def test_the_answer_of_any_other_call_waits_for_its_record() -> None:
    one, stuck = desk(known=False)
    answered(one, LONDON)
    one.wait(5 * PATIENCE_SECONDS)
    assert not answers(one)
    stuck.back()
    assert len(answers(one)) == 1
