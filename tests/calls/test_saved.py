"""K-07: a call that goes on after a restart has the length that passed, whatever was done to the clocks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sipguard.calls.clock import boot_id
from sipguard.calls.recovery import recover
from sipguard.store.live_call import LiveCall
from tests.calls.desk import CALLER, Desk, S
from tests.policy.world import TRUNK, World

HOUR_MS = 3_600_000
BYE = (
    f"BYE sip:b@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK}:5060;branch=z9hG4bKbye\r\n"
    f"Max-Forwards: 70\r\nFrom: <sip:+442079461111@{TRUNK}>;tag=c1\r\nTo: <sip:b@203.0.113.5>;tag=g\r\n"
    f"Call-ID: 1@{TRUNK}\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
)


def answered(desk: Desk) -> LiveCall:
    """A call that is up, as the store has it."""
    desk.invite()
    desk.answer(desk.invited(), "200 OK", "Contact: <sip:b@127.0.0.9>")
    (answer,) = desk.ledger.answers
    return LiveCall(answer.call, answer.answered_ms, None, answer.dialog, answer.state)


def charged_ms(row: LiveCall, desk: Desk) -> int:
    """What the call costs that `desk` has taken over and whose caller hangs up now."""
    assert recover(desk.exchange, [row]).live == 1
    desk.receive(CALLER, BYE)
    (cdr,) = desk.ledger.cdrs
    assert cdr.answered_ms == row.answered_ms, "when it was answered is what the clock said then"
    return cdr.duration_ms


def restarted(*, up_seconds: int, boot: bytes = Desk.boot, wall_moved_ms: int = 0) -> Desk:
    """The proxy of a machine that has been up for so long."""
    desk = Desk(World())
    desk.now_ns, desk.boot = up_seconds * S, boot
    desk.wall_ms += wall_moved_ms
    return desk


@pytest.mark.parametrize("wall_moved_ms", [0, HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS])
def test_k07_a_wall_clock_that_is_set_while_nothing_runs_changes_no_length(wall_moved_ms: int) -> None:
    row = answered(Desk(World()))
    assert charged_ms(row, restarted(up_seconds=30, wall_moved_ms=wall_moved_ms)) == 20_000


def test_k07_over_a_boot_of_the_machine_the_wall_clock_counts() -> None:
    row = answered(Desk(World()))
    # Up for 12 s only, and 28 s of wall time have passed.
    rebooted = restarted(up_seconds=12, boot=b"another", wall_moved_ms=26_000)
    assert charged_ms(row, rebooted) == 28_000


@pytest.mark.parametrize(("known", "then"), [(b"", b""), (b"", b"one"), (b"one", b"")])
def test_k07_where_boots_have_no_name_the_wall_clock_counts(known: bytes, then: bytes) -> None:
    desk = Desk(World())
    desk.boot = known
    row = answered(desk)
    assert charged_ms(row, restarted(up_seconds=30, boot=then, wall_moved_ms=5_000)) == 25_000


def test_k07_a_monotonic_clock_that_has_not_come_so_far_is_not_that_of_the_answer() -> None:
    """A container moved with its clock, whose boot goes by the same name."""
    row = answered(Desk(World()))
    assert charged_ms(row, restarted(up_seconds=5, wall_moved_ms=45_000)) == 40_000


def test_k07_a_call_that_was_saved_before_boots_were_kept_is_timed_by_the_wall_clock() -> None:
    row = answered(Desk(World()))
    state = msgspec.msgpack.encode(msgspec.msgpack.decode(row.state)[:-2])
    later = restarted(up_seconds=30, wall_moved_ms=5_000)
    assert charged_ms(row._replace(state=state), later) == 25_000


def test_k07_the_second_restart_knows_what_the_first_did() -> None:
    """A slice renewed after a boot is saved with the clock of that boot."""
    row = answered(Desk(World()))
    rebooted = restarted(up_seconds=12, boot=b"another", wall_moved_ms=26_000)
    assert recover(rebooted.exchange, [row]).live == 1
    rebooted.wait(60)
    state = rebooted.ledger.updates[-1].state
    later = restarted(up_seconds=12 + 70, boot=b"another", wall_moved_ms=HOUR_MS)
    assert charged_ms(row._replace(state=state), later) == 28_000 + 70_000


def test_the_boot_is_named_by_linux_or_not_at_all(tmp_path: Path) -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()
    assert boot_id(tmp_path / "missing") == b""
    for text in ("", "no uuid\n", "0123-45"):
        (tmp_path / "boot_id").write_text(text)
        assert boot_id(tmp_path / "boot_id") == b""
