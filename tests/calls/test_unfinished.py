"""Attempts that a kill interrupts in set-up get their one record, with nothing charged."""

from __future__ import annotations

from pathlib import Path

from sipguard.calls import unfinished
from sipguard.model.cdr import Outcome
from sipguard.store.attempt import AttemptFile
from tests.calls.desk import Desk
from tests.calls.kinds import breaches, simulation
from tests.harness.ends import MS, Chances
from tests.policy.world import World


def test_every_attempt_before_a_kill_has_one_record(tmp_path: Path) -> None:
    world = simulation(21, Chances(cancelled=0.2))
    path = tmp_path / "attempts"
    world.exchange.attempts = AttemptFile(path)
    world.run(60, per_second=20, until_ns=6_000 * MS)
    setting_up = {call.id for call in world.exchange.current if call.answered_ms is None}
    assert setting_up

    world.boot()  # kill -9
    file = AttemptFile(path)
    left = file.left()
    assert setting_up <= set(unfinished.calls(left))
    known = world.disk.live.keys() | world.disk.cdrs.keys()
    unfinished.adopt(world.exchange, file, left, known, world.life)
    assert file.put(b"new") not in left, "what has no durable record yet keeps its slot"
    while world.step():
        pass
    assert list(breaches(world)) == []
    for call in setting_up:
        cdr = world.disk.cdrs[call]
        assert (cdr.outcome, cdr.reason, cdr.status, cdr.levels) == (Outcome.FAILED, "restart", 500, ())
    assert list(AttemptFile(path).left().values()) == [b"new"], "whatever has its record is cleared"


def test_what_cannot_be_read_is_cleared_and_has_no_record(tmp_path: Path) -> None:
    world = simulation(1)
    file = AttemptFile(tmp_path / "attempts")
    for nonsense in (b"\xff", b"nonsense"):
        file.put(nonsense)
    unfinished.adopt(world.exchange, file, file.left(), (), 2)
    assert world.exchange.writer.backlog == 0
    assert AttemptFile(tmp_path / "attempts").left() == {}


def test_attempts_of_a_database_that_was_replaced_are_none_of_this_one(tmp_path: Path) -> None:
    """They would take the ids of its own calls."""
    world = simulation(21)
    world.exchange.attempts = AttemptFile(tmp_path / "attempts")
    world.run(60, per_second=20, until_ns=6_000 * MS)
    another = simulation(21)
    file = AttemptFile(tmp_path / "attempts")
    left = file.left()
    assert left
    unfinished.adopt(another.exchange, file, left, (), another.life)
    assert another.exchange.writer.backlog == 0
    assert AttemptFile(tmp_path / "attempts").left() == {}


def test_an_answer_that_nobody_wanted_is_ended_again_after_a_kill(tmp_path: Path) -> None:
    """The gateway was given up for its silence, and answers. The kill comes before the BYE has arrived."""
    desk = Desk(World())
    desk.exchange.attempts = AttemptFile(tmp_path / "attempts")
    desk.invite()
    invite = desk.invited()
    desk.wait(20)
    desk.sent()
    desk.answer(invite, "200 OK", f"Contact: <sip:gw@{invite.to[0]}>")
    assert [one.line.split()[0] for one in desk.sent() if one.to == invite.to] == ["ACK", "BYE"]

    after = Desk(World())
    file = AttemptFile(tmp_path / "attempts")
    left = file.left()
    unfinished.adopt(after.exchange, file, left, (), 2)
    after.turn()
    assert [(one.to, one.line.split()[0]) for one in after.sent()] == [(invite.to, "ACK"), (invite.to, "BYE")]
    after.wait(70)
    assert AttemptFile(tmp_path / "attempts").left() == {}, "nobody waits for it any more"

    late = Desk(World())
    late.wall_ms += 100_000
    file.put(next(iter(left.values())))
    unfinished.adopt(late.exchange, file, file.left(), (), 2)
    late.turn()
    assert late.sent() == []
