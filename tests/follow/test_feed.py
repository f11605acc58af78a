"""What the triggers write into the change feed, and the texts of rows that SQL makes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from sipguard.model import packed
from sipguard.store import configuration, database, rate, section
from tests.follow import trade

Row = tuple[object, ...]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sipguard.db"
    trade.make(made)
    return made


def after(path: Path, *statements: str) -> list[Row]:
    """What statements add to the feed, one transaction each: noun, action, first, last."""
    before = trade.changes_of(path)
    with closing(trade.opened(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    told = trade.changes_of(path)
    return (
        told[len(before) :] if told[: len(before)] == before else [row for row in told if row not in before]
    )


RATE = (
    "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,"
    " rate_micros) VALUES (1, '9{}', '', 0, 1, 1, 0)"
)
PHONE = (
    "INSERT INTO phone (key, id, account_key, lock, contact_limit, caller_check, international_prefixes)"
    " VALUES (9, 'hall', 3, 'none', 1, 'force', '[]')"
)
CASES: dict[str, tuple[list[str], list[Row]]] = {
    "an account": (["UPDATE account SET locked = 1 WHERE key = 2"], [("account", "update", 2, 2)]),
    "accounts one after the other": (["UPDATE account SET locked = 1"], [("account", "update", 1, 3)]),
    "accounts apart": (
        ["UPDATE account SET locked = 1 WHERE key = 3", "UPDATE account SET locked = 1 WHERE key = 1"],
        [("account", "update", 3, 3), ("account", "update", 1, 1)],
    ),
    "a section names its account": (
        ["INSERT INTO section (account_key, direction, action, prefix) VALUES (1, 'called', 'block', '7')"],
        [("section", "update", 1, 1)],
    ),
    "a section that moves names both": (
        ["UPDATE section SET account_key = 1 WHERE account_key = 3 AND direction = 'calling'"],
        [("section", "update", 3, 3), ("section", "update", 1, 1)],
    ),
    "rates of one load": ([RATE.format(n) for n in range(3)], [("rate", "insert", 5, 7)]),
    "a network names its gateway": (
        ["INSERT INTO mapping_gateway_source VALUES ('192.0.2.0/24', 2)"],
        [("mapping_gateway", "update", 2, 2)],
    ),
    "a number that another phone gets names both": (
        [PHONE, "INSERT OR REPLACE INTO phone_number VALUES ('447700900001', 9, 0)"],
        [("phone", "insert", 9, 9), ("phone", "update", 1, 1), ("phone", "update", 9, 9)],
    ),
    "a balance is no configuration": (["UPDATE ledger_account SET balance_micros = 5"], []),
    "a user by its name": (
        ["DELETE FROM credential WHERE username = 'desk'"],
        [("credential", "delete", None, None)],
    ),
}


@pytest.mark.parametrize(("statements", "expected"), CASES.values(), ids=CASES)
def test_changes_are_named(path: Path, statements: list[str], expected: list[Row]) -> None:
    assert after(path, *statements) == expected


def test_a_row_of_the_feed_that_was_read_moves_to_the_end(path: Path) -> None:
    """Or who has read it would miss what was added to it."""
    read = "SELECT max(revision) FROM change"
    with closing(trade.opened(path)) as connection:
        connection.execute(RATE.format(1))
        (before,) = connection.execute(read).fetchone()
        connection.execute(RATE.format(2))
        newer = connection.execute("SELECT noun, first, last FROM change WHERE revision > ?", [before])
        assert newer.fetchall() == [("rate", 5, 6)]


def test_a_row_of_the_feed_stands_for_a_thousand_at_most(path: Path) -> None:
    with closing(trade.opened(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(RATE.replace("'9{}'", "'9' || ?"), [[n] for n in range(2_500)])
        connection.execute("COMMIT")
    told = [row for row in trade.changes_of(path) if row[:2] == ("rate", "insert")]
    assert len(told) <= 5
    assert max(int(str(last)) - int(str(first)) for _, _, first, last in told) <= 1_000


def test_rows_are_the_texts_that_values_make(path: Path) -> None:
    with closing(trade.opened(path)) as connection:
        connection.execute(
            "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds,"
            " next_seconds, rate_micros, grace_seconds, minimum_seconds, minimum_micros, tiers, valid_from,"
            " valid_till, days, from_minute, till_minute)"
            " VALUES (2, '', 'a\ttab', 1, 2, 3, 4, 5, 6, 7, '60:5 90:4', 8, 9, 31, 600, 60)"
        )
    store = database.open(path)

    async def values() -> tuple[list[str], list[str]]:
        async with store.reading() as conn:
            told = await configuration.load(conn)
        await store.close()
        return (
            [packed.rate(one) for one in told.rates if not isinstance(one, str)],
            [packed.section(one) for one in told.sections if not isinstance(one, str)],
        )

    with store.snapshot() as conn:
        rates, sections = list(rate.texts(conn)), list(section.texts(conn))
    expected_rates, expected_sections = asyncio.run(values())
    assert sorted(rates) == sorted(expected_rates)
    assert sorted(sections) == sorted(expected_sections)
    assert len(rates) == 5
