"""A directory made out of the one before and what the feed names is the one that a new reading makes: for
random changes of all nouns, by SQL that knows nothing of the feed, and half of them against the rules.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipguard.policy.directory import Directory
from sipguard.store import database
from tests.follow import trade

RATE = (
    "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,"
    " rate_micros, days, tiers) VALUES ((SELECT key FROM rate_table ORDER BY key LIMIT 1 OFFSET ?1 % 3), ?2,"
    " 'there\tand here', ?1 % 2, 1, 1, 1000 + ?1, iif(?1 % 4 = 0, 31, 127), iif(?1 % 5 = 0, '60:500', ''))"
)
PHONE = (
    "INSERT INTO phone (id, account_key, lock, contact_limit, caller_check, international_prefixes)"
    " VALUES ('p' || ?1, ?1 % 6, 'none', 1, 'force', '[]')"
)
CREDENTIAL = (
    "INSERT OR REPLACE INTO credential"
    " VALUES (iif(?1 % 2, 'nobody', 'desk'), iif(?1 % 3, 'sipguard', 'other'),"
    " printf('%032d', ?1), printf('%064d', ?1), printf('%064d', ?1), (SELECT max(key) FROM phone), NULL)"
)

# Statements with a number and some digits: ?1 and ?2. What the database refuses, it refuses.
STATEMENTS = [
    "INSERT INTO account (id, name, agent_key, currency, rate_table_key, credit_limit_micros, locked)"
    " VALUES ('a' || ?1, '', nullif(?1 % 5, 0), 'USD', nullif(?1 % 3, 0), ?1, 0)",
    "INSERT INTO ledger_account (kind, account_key, currency, balance_micros)"
    " SELECT kind, key, 'USD', 0 FROM account, (SELECT 'balance' AS kind UNION SELECT 'revenue')"
    " WHERE key = (SELECT max(key) FROM account)",
    "UPDATE account SET locked = NOT locked WHERE key = ?1 % 6",
    "UPDATE account SET credit_limit_micros = ?1 * 1000000, tax_ppm = ?1, call_limit = ?1 WHERE key = ?1 % 4",
    "UPDATE account SET agent_key = nullif(?1 % 4, 0) WHERE key = ?1 % 5 + 1",
    "UPDATE account SET rate_table_key = ?1 % 4 WHERE key = ?1 % 6",
    "UPDATE account SET cps_limit = ?1, valid_till = ?1 * 100000000, max_rate_micros = ?1 * 10000, name = ?2",
    "UPDATE account SET currency = iif(currency = 'USD', 'EUR', 'USD')",
    "UPDATE account SET currency = 'EUR' WHERE key = ?1 % 5",
    "UPDATE account SET key = key + 300 WHERE key = (SELECT max(key) FROM account)",
    "DELETE FROM ledger_account WHERE account_key = (SELECT max(key) FROM account) AND ?1 % 2",
    "DELETE FROM account WHERE key = (SELECT max(key) FROM account)",
    "UPDATE ledger_account SET account_key = (SELECT min(key) FROM account) WHERE key = ?1",
    "UPDATE ledger_account SET balance_micros = balance_micros + ?1",
    "INSERT INTO section (account_key, direction, action, prefix)"
    " VALUES (?1 % 5, iif(?1 % 2, 'called', 'calling'), iif(?1 % 3, 'block', 'allow'), ?2)",
    "INSERT INTO section (account_key, direction, action, prefix)"
    " SELECT key, 'called', 'block', ?2 FROM account",
    "UPDATE section SET prefix = ?2, account_key = ?1 % 4 WHERE key = ?1 % 8",
    "UPDATE OR REPLACE section SET action = 'allow', prefix = '44'",
    "DELETE FROM section WHERE account_key = ?1 % 5",
    RATE,
    RATE,
    RATE,
    RATE.replace("INSERT", "INSERT OR REPLACE").replace("1000 +", "7000 +"),
    "UPDATE rate SET removed_ms = 1 WHERE key % 7 = ?1 % 7 AND removed_ms IS NULL",
    "UPDATE rate SET removed_ms = 1 WHERE table_key = ?1 % 3 AND removed_ms IS NULL",
    "UPDATE rate SET table_key = 2, removed_ms = 1 WHERE key = ?1 % 5",
    "INSERT INTO rate_table (id, currency, time_zone) VALUES ('t' || ?1, 'USD', 'Asia/Dhaka')",
    "UPDATE rate_table SET money_unit_micros = ?1 + 1, time_rounding = 'down' WHERE key = ?1 % 3",
    "UPDATE rate_table SET currency = 'EUR' WHERE key = ?1 % 4",
    "DELETE FROM rate_table WHERE key = (SELECT max(key) FROM rate_table)",
    "UPDATE routing_gateway SET locked = NOT locked WHERE key = ?1 % 3",
    "UPDATE routing_gateway SET cost_table_key = nullif(?1 % 4, 0), capacity = ?1, add_prefix = ?2",
    "UPDATE routing_gateway SET owner_key = nullif(?1 % 4, 0) WHERE key = ?1 % 3",
    "INSERT INTO routing_gateway (id, host, locked, strip_digits, add_prefix, answer_timeout_ms,"
    " ring_timeout_ms, failover_codes) VALUES ('g' || ?1, '192.0.2.9', 0, 0, ?2, 4000, 30000, '[]')",
    "INSERT INTO ledger_account (kind, routing_gateway_key, currency, balance_micros)"
    " SELECT 'clearing', max(key), 'USD', 0 FROM routing_gateway",
    "DELETE FROM routing_gateway WHERE key = 2",
    "DELETE FROM ledger_account WHERE routing_gateway_key = 2",
    "INSERT INTO route (gateway_key, prefix, mode, priority, weight)"
    " VALUES (?1 % 3, ?2, iif(?1 % 2, 'continue', 'terminate'), ?1, 1)",
    "UPDATE route SET priority = ?1, weight = ?1 % 2 + 1",
    "DELETE FROM route WHERE key = ?1 % 4",
    "INSERT INTO mapping_gateway (id, account_key, locked, international_prefixes, all_routing_gateways)"
    " VALUES ('m' || ?1, ?1 % 5, 0, '[]', ?1 % 2)",
    "UPDATE mapping_gateway SET locked = ?1 % 2, account_key = ?1 % 4, trusted = ?1 % 2 WHERE key = ?1 % 4",
    "INSERT OR REPLACE INTO mapping_gateway_source VALUES ('198.51.100.' || (?1 % 4) || '/32', ?1 % 4)",
    "DELETE FROM mapping_gateway_source WHERE gateway_key = ?1 % 3",
    "INSERT INTO mapping_gateway_certificate VALUES ('sip.example', ?1 % 4)",
    "UPDATE mapping_gateway_source SET gateway_key = ?1 % 4 WHERE gateway_key = ?1 % 3",
    "INSERT INTO mapping_gateway_certificate VALUES ('other.example', ?1 % 4)",
    "UPDATE OR REPLACE mapping_gateway_certificate SET gateway_key = ?1 % 4",
    "DELETE FROM mapping_gateway_certificate WHERE gateway_key = ?1 % 4",
    "INSERT INTO mapping_gateway_route VALUES (?1 % 4, ?1 % 3)",
    "UPDATE OR REPLACE mapping_gateway_route SET routing_gateway_key = ?1 % 3 WHERE gateway_key = ?1 % 4",
    "DELETE FROM mapping_gateway_route WHERE gateway_key = ?1 % 4",
    "DELETE FROM mapping_gateway WHERE key = (SELECT max(key) FROM mapping_gateway)",
    PHONE,
    "UPDATE phone SET lock = iif(lock = 'none', 'incoming', 'none') WHERE key = ?1 % 3",
    "UPDATE phone SET call_limit = ?1, account_key = ?1 % 4 WHERE key = ?1 % 3",
    "INSERT OR REPLACE INTO phone_number VALUES ('4477009' || printf('%05d', ?1 % 3), ?1 % 3, 0)",
    "INSERT INTO phone_source VALUES (?1 % 3, '203.0.113.' || ?1 || '/32')",
    "UPDATE OR REPLACE phone_source SET phone_key = ?1 % 3, network = '203.0.113.' || ?1 || '/32'",
    "DELETE FROM phone_source WHERE phone_key = ?1 % 3",
    "UPDATE phone_number SET phone_key = ?1 % 3 WHERE number LIKE '%' || (?1 % 3)",
    "DELETE FROM phone_number WHERE phone_key = ?1 % 3",
    PHONE.replace("INSERT", "INSERT OR REPLACE"),
    "DELETE FROM phone WHERE key = (SELECT max(key) FROM phone)",
    CREDENTIAL,
    "DELETE FROM credential WHERE username = iif(?1 % 2, 'second', 'desk')",
    "UPDATE credential SET realm = iif(realm = 'other', 'sipguard', 'other')",
    "UPDATE ledger_account SET kind = iif(kind = 'tax', 'cash', 'tax')"
    " WHERE account_key IS NULL AND kind IN ('tax', 'cash') AND ?1 > 100",
]

STEPS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(STATEMENTS), st.integers(0, 40), st.text(alphabet="0147", max_size=4)),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trade") / "template.db"
    trade.make(path)
    return path


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_followed_is_what_is_read_anew(
    template: Path, tmp_path: Path, steps: list[list[tuple[str, int, str]]]
) -> None:
    path = Path(shutil.copy(template, tmp_path / "sipguard.db"))
    store = database.Database(path)
    try:
        with closing(trade.opened(path)) as connection:
            directory = trade.whole(store)
            for step in steps:
                before = trade.contents(directory)
                _commit(connection, step)
                following = _followed(partial(trade.follow, store, directory))
                anew = _followed(partial(trade.whole, store))
                assert trade.contents(directory) == before, "a directory changed under who judges by it"
                if anew is None:
                    assert following is None, "it takes what a new reading refuses"
                    return
                if following is not None:
                    assert trade.contents(following) == trade.contents(anew)
                directory = following or anew
    finally:
        store._threads.dispose()
        for file in tmp_path.glob("sipguard.db*"):
            file.unlink()


def _commit(connection: sqlite3.Connection, step: list[tuple[str, int, str]]) -> None:
    """One transaction; what the database refuses of it is left out."""
    connection.execute("BEGIN IMMEDIATE")
    for statement, number, digits in step:
        used = [number, digits][: 2 if "?2" in statement else 1 if "?1" in statement else 0]
        with suppress(sqlite3.IntegrityError):
            connection.execute(statement, used)
    try:
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")


def _followed(make: Callable[[], Directory | None]) -> Directory | None:
    with suppress(ValueError, database.StoreError):
        return make()
    return None
