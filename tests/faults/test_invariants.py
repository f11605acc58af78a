"""The judge of fault runs finds every kind of breach: each is planted in evidence that was in order."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.invariants import INVARIANTS, violations, wire
from tests.faults.invariants.ledger import End, Ledger
from tests.faults.stage import SETTLED, Stage
from tests.harness.judge import Books
from tests.harness.loopback import eventually

Lines = list[dict[str, Any]]

pytestmark = [pytest.mark.scenario, pytest.mark.fault]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run without a fault: calls that end in every way, payments, what the daemon said meanwhile."""
    directory = tmp_path_factory.mktemp("evidence")
    chances = replace(SETTLED, talk_ms=600, ring_ms=100)
    with Stage(directory, seed=7, chances=chances) as stage:
        stage.start()
        stage.manager.start(50)
        stage.network.call(30)
        eventually("calls are up", lambda: stage.daemon.status()["live_calls"] > 0, 60)
        assert stage.snapshot(1_000)
        written = '"write"'
        eventually("a payment", lambda: written in _flushed(stage), 60)
        stage.settle()
        assert stage.verdict() == []
    with closing(sqlite3.connect(directory / "site" / "sipguard.db")) as books:
        books.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return directory


def _flushed(stage: Stage) -> str:
    stage.recorder.flush()
    return stage.recorder.path.read_text()


@pytest.fixture
def spoilt(evidence: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy, with nothing in the way of a thief."""
    shutil.copy(evidence / "site" / "sipguard.db", tmp_path / "books.db")
    shutil.copy(evidence / "ledger.jsonl", tmp_path)
    with closing(sqlite3.connect(tmp_path / "books.db")) as books:
        books.execute("PRAGMA journal_mode = DELETE")
    return tmp_path


def found(directory: Path, before: Path | None = None) -> set[str]:
    """Which invariants are broken."""
    told = violations(
        directory / "books.db", directory / "ledger.jsonl", None if before is None else Books(before)
    )
    return {violation.partition(":")[0] for violation in told}


def plant(directory: Path, *statements: str) -> None:
    """Run statements that no writer of sipguard's could: without triggers, which come back, and keys."""
    with closing(sqlite3.connect(directory / "books.db", isolation_level=None)) as books:
        triggers = books.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            books.execute(f"DROP TRIGGER {name}")
        books.execute("PRAGMA ignore_check_constraints = ON")
        changed = sum(max(0, books.execute(statement).rowcount) for statement in statements)
        assert changed, "nothing was planted"
        for _, sql in triggers:
            books.execute(sql)


A_CALL = "(SELECT max(call) FROM cdr WHERE outcome = 'answered')"
ITS_ENTRY = f"(SELECT key FROM journal_entry WHERE idempotency_key = 'call:' || {A_CALL})"
CUSTOMER = "(SELECT ledger FROM cdr_level WHERE account_id = 'customer' LIMIT 1)"
PAYMENT = "(SELECT max(key) FROM journal_entry WHERE origin = 'manager')"

IN_THE_BOOKS = [
    ("L-01", f"UPDATE posting SET amount_micros = 7 WHERE entry = {ITS_ENTRY} AND position = 0"),
    ("L-02", "UPDATE journal_entry SET memo = 'x' WHERE key = 3"),
    ("L-02", "UPDATE journal_entry SET hash = zeroblob(32) WHERE key = (SELECT max(key) FROM journal_entry)"),
    ("L-03", "UPDATE ledger_account SET balance_micros = balance_micros + 1"),
    ("L-04", f"UPDATE posting SET ledger = {CUSTOMER} WHERE entry = {ITS_ENTRY} AND position = 1"),
    ("L-04", "UPDATE journal_entry SET idempotency_key = 'call:8' WHERE idempotency_key LIKE 'call:%'"
             " AND key = (SELECT max(key) FROM journal_entry WHERE kind = 'call')"),
    ("L-07", "UPDATE ledger_account SET balance_micros = balance_micros - 7 WHERE kind = 'cash'"),
    ("L-08", "UPDATE account SET credit_limit_micros = -1000000000000 WHERE id = 'customer'"),
    ("L-09", f"UPDATE live_call SET call = call + 1000000 WHERE call = {A_CALL}"),
    ("L-11", f"UPDATE cdr SET outcome = 'failed' WHERE call = {A_CALL}"),
    ("L-11", f"DELETE FROM cdr WHERE call = {A_CALL}"),
    ("L-11", "DELETE FROM cdr WHERE call = (SELECT max(call) FROM cdr WHERE outcome <> 'answered')"),
    ("L-11", f"UPDATE cdr SET sip_call_id = 'somebody else' WHERE call = {A_CALL}"),
    ("L-11", f"UPDATE cdr SET duration_ms = duration_ms + 10000 WHERE call = {A_CALL}"),
    ("L-12", f"UPDATE cdr SET levels = json_remove(levels, '$[1]') WHERE call = {A_CALL}"),
    ("L-13", "UPDATE journal_entry SET key = key + 1 WHERE key = (SELECT max(key) FROM journal_entry)"),
    ("L-13", f"UPDATE posting SET position = 9 WHERE entry = {ITS_ENTRY} AND position = 0"),
    ("L-13", f"UPDATE journal_entry SET idempotency_key = 'reversal:no such entry' WHERE key = {PAYMENT}"),
    ("L-13", "UPDATE journal_entry SET idempotency_key = 'reversal:' || (SELECT idempotency_key FROM"
             f" journal_entry WHERE key = 1) WHERE key = {PAYMENT}"),
    ("L-14", "UPDATE routing_gateway SET capacity = 1"),
    ("L-14", "UPDATE account SET call_limit = 1 WHERE id = 'agent'"),
    ("L-15", f"DELETE FROM journal_entry WHERE key = {PAYMENT}"),
    ("L-15", f"UPDATE posting SET amount_micros = 2 * amount_micros WHERE entry = {PAYMENT}"),
    ("L-06", f"UPDATE posting SET amount_micros = 2 * amount_micros WHERE entry = {PAYMENT}"),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "damage"), IN_THE_BOOKS)
def test_damage_in_the_books_is_found(spoilt: Path, invariant: str, damage: str) -> None:
    assert found(spoilt) == set()
    plant(spoilt, damage)
    assert invariant in found(spoilt)


def test_l05_a_key_that_was_used_twice_is_found(spoilt: Path) -> None:
    plant(
        spoilt,
        "CREATE TABLE copy AS SELECT * FROM journal_entry",
        "DROP TABLE journal_entry",
        "ALTER TABLE copy RENAME TO journal_entry",
        "INSERT INTO journal_entry SELECT key + 1, idempotency_key, kind, at_ms, origin, memo, previous_hash,"
        " hash FROM journal_entry WHERE key = (SELECT max(key) FROM journal_entry)",
    )
    assert "L-05" in found(spoilt)


@pytest.mark.parametrize("table", ["journal_entry", "posting"])
def test_l13_a_journal_that_can_be_edited_is_found(spoilt: Path, table: str) -> None:
    with closing(sqlite3.connect(spoilt / "books.db")) as books:
        books.execute(f"DROP TRIGGER {table}_no_update")
    assert found(spoilt) == {"L-13"}


@pytest.mark.parametrize(
    ("invariant", "damage"),
    [
        ("L-02", "UPDATE posting SET ledger = ledger + 1 WHERE entry = 2"),
        ("L-11", f"UPDATE cdr SET ended_by = 'nobody' WHERE call = {A_CALL}"),
        ("L-11", f"DELETE FROM cdr WHERE call = {A_CALL}"),
    ],
)
def test_what_was_written_before_is_there_unchanged(
    evidence: Path, spoilt: Path, invariant: str, damage: str
) -> None:
    before = evidence / "site" / "sipguard.db"
    assert found(spoilt, before) == set()
    plant(spoilt, damage)
    assert invariant in found(spoilt, before)


def test_l08_money_that_calls_shared_beyond_what_there_was_is_found(spoilt: Path) -> None:
    """Every charge by itself was covered when it was made; together, while they were up, they were not."""
    with closing(sqlite3.connect(spoilt / "books.db")) as books:
        (owed,) = books.execute(
            "SELECT sum(charge_micros) FROM cdr_level WHERE account_id = 'agent'"
        ).fetchone()
        (paid,) = books.execute(
            "SELECT sum(amount_micros) FROM posting JOIN ledger_account ON ledger = ledger_account.key"
            " JOIN account ON account.key = account_key AND account.id = 'agent' WHERE amount_micros > 0"
            " AND ledger_account.kind = 'balance'"
        ).fetchone()
    plant(spoilt, f"UPDATE account SET credit_limit_micros = {owed - paid - 1} WHERE id = 'agent'")
    told = violations(spoilt / "books.db")
    assert any("while calls owe" in violation for violation in told), told


def a_call(lines: Lines) -> str:
    """The Call-ID of a call that its caller hung up on."""
    near = [line for line in lines if line.get("end") == "near" and line["method"] == "BYE"]
    call_id: str = next(line["call_id"] for line in near if line["sent"])
    return call_id


def never_answered(lines: Lines) -> None:
    """The caller was refused; the books say that it was answered."""
    call_id = a_call(lines)
    for line in lines:
        if line.get("call_id") == call_id and line["status"] == 200 and line["method"] == "INVITE":
            line["status"] = 486


def nobody_answered(lines: Lines) -> None:
    """No gateway took a call that is charged."""
    call_id = a_call(lines)
    lines[:] = [line for line in lines if line.get("call_id") != call_id or line["end"] == "near"]


def talked_on(lines: Lines) -> None:
    """The BYEs came much later than the record says."""
    call_id = a_call(lines)
    for line in lines:
        if line.get("call_id") == call_id and line["method"] == "BYE":
            line["at"] += 30


def hung_up_early(lines: Lines) -> None:
    """The BYEs came much earlier than the record says."""
    call_id = a_call(lines)
    answered = next(line["at"] for line in lines if line.get("call_id") == call_id and line["status"] == 200)
    for line in lines:
        if line.get("call_id") == call_id and line["method"] == "BYE":
            line["at"] = answered - 5


def cut_late(lines: Lines) -> None:
    """sipguard ended the call, and long after what it had paid for."""
    call_id = a_call(lines)
    for line in lines:
        if line.get("call_id") == call_id and line["method"] == "BYE" and line["status"] is None:
            line["at"] += 5
            line["sent"] = False


def acknowledged_and_lost(lines: Lines) -> None:
    lines.append({"at": 0.0, "write": "lost", "account": "agent", "micros": 5, "done": True})


def of_the_last(what: str, value: Any) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        status = next(line for line in reversed(lines) if "status" in line and "calls" in line)
        status["status"][what] = value

    return change


def of_the_first_held(lines: Lines) -> None:
    snapshot = next(line for line in lines if line.get("held"))
    ledger = next(iter(snapshot["held"]))
    snapshot["held"][ledger] += 1


ON_THE_WIRE: list[tuple[str, Callable[[Lines], None]]] = [
    ("L-11", never_answered),
    ("L-11", nobody_answered),
    ("L-11", talked_on),
    ("L-11", hung_up_early),
    ("L-10", cut_late),
    ("L-15", acknowledged_and_lost),
    ("L-06", acknowledged_and_lost),
    ("L-09", of_the_last("held_micros", 1)),
    ("L-09", of_the_first_held),
    ("L-14", of_the_last("counts", {"routing_gateway:vendor": 1})),
    ("L-14", of_the_last("live_calls", 1)),
]


@pytest.mark.parametrize(("invariant", "damage"), ON_THE_WIRE)
def test_books_that_are_not_as_the_wire_was_are_found(
    spoilt: Path, invariant: str, damage: Callable[[Lines], None]
) -> None:
    ledger = spoilt / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    damage(lines)
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert invariant in found(spoilt)


@pytest.mark.parametrize(
    ("paid_ms", "talked_seconds", "holds"),
    [
        (8_000, 8.2, True),  # hung up between the granted second and the cut
        (7_900, 8.2, False),  # no grant ends there
        (8_000, 9.2, False),  # it should have been cut
        (8_200, 8.2, True),
    ],
)
def test_l11_who_hangs_up_just_before_the_cut_pays_what_was_granted(
    paid_ms: int, talked_seconds: float, holds: bool
) -> None:
    end = End(answered_at=100.0, bye_at=100 + talked_seconds, bye_sent=True, heard_at=100 + talked_seconds)
    seen = Ledger(near={"one": end}, far={"one": end})
    cdr = {"sip_call_id": "one", "duration_ms": paid_ms, "ended_by": "caller", "reason": None}
    assert (list(wire.length_violations(cdr, end, end, seen)) == []) is holds


@pytest.mark.parametrize(
    ("outages", "paid_ms", "holds"),
    [
        ([(101.0, 103.0)], 900, True),  # it was lost with the process that knew of its end
        ([(90.0, 99.0)], 900, False),  # nothing went down
        ([(101.0, 103.0)], 9_000, False),  # it cost more than there was
    ],
)
def test_l11_only_what_went_down_loses_the_end_of_a_call(
    outages: list[tuple[float, float]], paid_ms: int, holds: bool
) -> None:
    end = End(answered_at=100.0, bye_at=102.0, bye_sent=True, heard_at=104.0)
    seen = Ledger(near={"one": end}, far={"one": end}, outages=outages)
    cdr = {"sip_call_id": "one", "duration_ms": paid_ms, "ended_by": "sipguard", "reason": "callee_over"}
    assert (list(wire.length_violations(cdr, end, end, seen)) == []) is holds


def test_l04_two_records_of_one_answered_call_are_found(spoilt: Path) -> None:
    plant(
        spoilt,
        f"UPDATE cdr SET sip_call_id = (SELECT sip_call_id FROM cdr WHERE call = {A_CALL})"
        " WHERE call = (SELECT min(call) FROM cdr WHERE outcome = 'answered')",
    )
    assert {"L-04", "L-11"} <= found(spoilt)


def test_l11_a_kill_excuses_no_attempt_that_went_to_a_gateway(spoilt: Path) -> None:
    """Nor does the silence of its caller, who heard no final answer."""
    with closing(sqlite3.connect(spoilt / "books.db")) as books:
        ((call_id,),) = books.execute(
            "SELECT sip_call_id FROM cdr WHERE outcome = 'failed' ORDER BY call LIMIT 1"
        ).fetchall()
    plant(spoilt, f"DELETE FROM cdr WHERE sip_call_id = '{call_id}'")
    ledger = spoilt / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    down = [{"at": lines[0]["at"], "down": True}, {"at": lines[-1]["at"], "down": False}]
    heard = [line for line in lines if line.get("call_id") != call_id or line.get("status") is None]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in [down[0], *heard, down[1]]))
    told = violations(spoilt / "books.db", ledger)
    assert f"L-11: {call_id} went to a gateway and has no record" in told


def test_the_judge_shares_no_code_with_what_it_judges() -> None:
    program = (
        "import sys, tests.faults.invariants.__main__;"
        "sys.exit(any(name.split('.')[0] == 'sipguard' for name in sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 0


def test_every_invariant_has_a_breach_that_is_found() -> None:
    planted = {name for name, _ in (*IN_THE_BOOKS, *ON_THE_WIRE)} | {"L-05"}
    assert planted == set(INVARIANTS)


def test_the_program_says_so_and_ends_with_1(spoilt: Path) -> None:
    line = [sys.executable, "-m", "tests.faults.invariants", str(spoilt / "books.db")]
    line += ["--ledger", str(spoilt / "ledger.jsonl")]
    root = Path(__file__).resolve().parents[2]
    whole = subprocess.run(line, capture_output=True, text=True, cwd=root)
    assert (whole.returncode, whole.stdout.count("holds")) == (0, len(INVARIANTS)), whole.stdout
    plant(spoilt, "UPDATE ledger_account SET balance_micros = balance_micros + 1")
    broken = subprocess.run(line, capture_output=True, text=True, cwd=root)
    assert broken.returncode == 1
    assert "  L-03  " in broken.stdout
    assert "L-03  holds" not in broken.stdout


@pytest.mark.parametrize(
    "text",
    [
        '{"at": 1.0, "end": "near", "method": "INVITE"}\n',
        '{"at": 1.0, "write": "k", "done": true}\n',
        "not JSON\n",
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    from tests.faults.invariants import ledger

    file = tmp_path / "ledger.jsonl"
    file.write_text('{"at": 0.5, "down": true}\n' + text)
    with pytest.raises(ValueError, match=r"ledger\.jsonl, line 2"):
        ledger.read(file)
