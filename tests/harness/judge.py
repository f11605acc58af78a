"""The books, read from the database file alone: no code of sipguard's, no question to its process.

`Books.violations` checks what has to hold of money at any moment, whatever happened before:

    L-01  every journal entry sums to zero, per currency
    L-03  every stored balance is the sum of its postings
    L-04  one call, one charge
    L-08  no account below its credit limit
    L-11  an answered call has one charge, priced by the rater; any other call has none
    L-12  every level of the chain is charged, or none
    L-14  an ended call is not live
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.harness.rater import Price, billed_seconds, charge_micros

Row = dict[str, Any]


class Books:
    """One consistent reading of a database, made at once when it is opened."""

    def __init__(self, database: Path) -> None:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("BEGIN")
            tables = ("account", "ledger_account", "journal_entry", "posting", "cdr", "cdr_level", "cdr_try")
            more = ("live_call", "rate", "rate_table", "section", "routing_gateway", "rejected_record")
            rest = ("mapping_gateway",)
            self._rows: dict[str, list[Row]] = {
                table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
                for table in (*tables, *more, *rest)
            }
            triggers = connection.execute("SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'")
            self._rows["trigger"] = [dict(row) for row in triggers]
        finally:
            connection.close()
        self._levels = _grouped(self._rows["cdr_level"], "call")
        self._tries = _grouped(self._rows["cdr_try"], "call")
        self._postings = _grouped(self._rows["posting"], "entry")
        self._by_call_id = _grouped(self._rows["cdr"], "sip_call_id", order="call")
        self._ledgers = {row["key"]: row for row in self._rows["ledger_account"]}
        self._accounts = {row["key"]: row for row in self._rows["account"]}
        self._balance_ledgers = {
            row["account_key"]: row["key"] for row in self._rows["ledger_account"] if row["kind"] == "balance"
        }
        self._account_ids = {row["id"]: row for row in self._rows["account"]}
        self._gateways = {row["id"]: row for row in self._rows["routing_gateway"]}
        self._rates = {row["key"]: row for row in self._rows["rate"]}
        self._tables = {row["key"]: row for row in self._rows["rate_table"]}
        self._prefixes = {
            (row["table_key"], row["prefix"]): row for row in self._rows["rate"] if row["removed_ms"] is None
        }
        self._charges = {
            row["idempotency_key"]: row for row in self._rows["journal_entry"] if row["kind"] == "call"
        }

    def rows(self, table: str) -> list[Row]:
        """Every row of a table; "trigger" are the triggers of the schema."""
        return self._rows[table]

    def cdrs(self, sip_call_id: str | None = None) -> list[Row]:
        """Every call record, or those of one Call-ID, with its `levels` and `tries` in order."""
        rows = self._rows["cdr"] if sip_call_id is None else self._by_call_id[sip_call_id]
        return [
            {**row, "levels": self._levels[row["call"]], "tries": self._tries[row["call"]]} for row in rows
        ]

    def live(self) -> set[int]:
        """Calls that are up, by the database."""
        return {row["call"] for row in self._rows["live_call"] if row["ended_ms"] is None}

    def live_call_ids(self) -> Counter[str]:
        """How many calls are up under each Call-ID; the state of a live call holds it as text."""
        up = [row["state"] for row in self._rows["live_call"] if row["ended_ms"] is None]
        return Counter(call_id for state in up if (call_id := _sip_call_id(state)))

    def account(self, key: int) -> Row:
        """An account by its key."""
        return self._accounts[key]

    def account_key(self, account_id: str) -> int:
        """The key of an account by its id."""
        key: int = self._account_ids[account_id]["key"]
        return key

    def balance_ledger(self, account_key: int) -> int:
        """The ledger account that holds the balance of an account."""
        return self._balance_ledgers[account_key]

    def postings(self, entry: int) -> list[Row]:
        """The postings of an entry, in order."""
        return self._postings[entry]

    def chain(self, account_id: str) -> list[Row]:
        """An account and every agent above it, upwards."""
        return [self._account_ids[above] for above in self._chain(account_id)]

    def price(self, rate_key: int, tax_ppm: int = 0) -> Price:
        """What a row of a rate table says, for the rater."""
        return self._price(self._rates[rate_key], tax_ppm)

    def longest_prefix(self, table_key: int, number: str, tax_ppm: int = 0) -> Price | None:
        """The price of a number by a table without windows."""
        rate = self._longest(table_key, number)
        return None if rate is None else self._price(rate, tax_ppm)

    def balance_micros(self, account_id: str) -> int:
        """The stored balance of an account."""
        (ledger,) = (
            row
            for row in self._rows["ledger_account"]
            if row["kind"] == "balance" and row["account_key"] == self._account_ids[account_id]["key"]
        )
        balance: int = ledger["balance_micros"]
        return balance

    def section(self, rule: str) -> Row:
        """The section that a refusal names ("section:12"), its account by id."""
        (row,) = (row for row in self._rows["section"] if f"section:{row['key']}" == rule)
        return {**row, "account_id": self._accounts[row["account_key"]]["id"]}

    def violations(self) -> list[str]:
        """Every breach, each with the invariant that it breaks; empty for books that are in order."""
        return [*self._journal(), *self._balances(), *self._calls(), *self._rejected()]

    def _journal(self) -> Iterator[str]:
        for entry in self._rows["journal_entry"]:
            sums: Counter[str] = Counter()
            for posting in self._postings[entry["key"]]:
                sums[self._ledgers[posting["ledger"]]["currency"]] += posting["amount_micros"]
            if any(sums.values()) or not sums:
                yield f"L-01: entry {entry['idempotency_key']} sums to {dict(sums)}"

    def _balances(self) -> Iterator[str]:
        sums: Counter[int] = Counter()
        for posting in self._rows["posting"]:
            sums[posting["ledger"]] += posting["amount_micros"]
        for key, ledger in self._ledgers.items():
            if ledger["balance_micros"] != sums[key]:
                yield f"L-03: ledger {key} holds {ledger['balance_micros']}, its postings {sums[key]}"
            if ledger["kind"] == "balance":
                floor = -self._accounts[ledger["account_key"]]["credit_limit_micros"]
                if ledger["balance_micros"] < floor:
                    yield f"L-08: ledger {key} at {ledger['balance_micros']}, limit {floor}"
        if sum(sums.values()):
            yield f"L-01: residual of the journal is {sum(sums.values())}"

    def _calls(self) -> Iterator[str]:
        calls = {row["call"] for row in self._rows["cdr"]}
        for key in self._charges:
            if not key.startswith("call:") or int(key.removeprefix("call:")) not in calls:
                yield f"L-04: entry {key} charges a call without a record"
        for call in calls & self.live():
            yield f"L-14: call {call} has its record and is still live"
        for cdr in self.cdrs():
            for complaint in self._answered(cdr) if cdr["outcome"] == "answered" else self._unanswered(cdr):
                yield f"{complaint} (call {cdr['call']}, Call-ID {cdr['sip_call_id']})"

    def _unanswered(self, cdr: Row) -> Iterator[str]:
        if f"call:{cdr['call']}" in self._charges:
            yield "L-11: charged without an answer"
        if cdr["duration_ms"] or cdr["cost_micros"] or any(row["charge_micros"] for row in cdr["levels"]):
            yield "L-11: duration, cost or charge without an answer"

    def _answered(self, cdr: Row) -> Iterator[str]:
        chain = list(self._chain(cdr["account_id"]))
        if [row["account_id"] for row in cdr["levels"]] != chain:
            yield f"L-12: levels {[row['account_id'] for row in cdr['levels']]} of the chain {chain}"
        for level in cdr["levels"]:
            paid = level["charge_micros"], level["billed_seconds"], level["tax_micros"]
            due = self._rated(cdr["duration_ms"], level)
            if paid != due:
                yield f"L-11: {level['account_id']} paid (micros, seconds, tax) {paid}, the rater says {due}"
        if (cost := self._cost_micros(cdr)) != cdr["cost_micros"]:
            yield f"L-11: cost {cdr['cost_micros']}, the rater says {cost}"
        if (found := self._posted(cdr)) != (expected := self._due(cdr)):
            yield f"L-04: posted {found}, due {expected}"

    def _due(self, cdr: Row) -> dict[int | str, int]:
        """What the postings of a call must come to, per ledger; vendor and operator by kind."""
        due: Counter[int | str] = Counter({"clearing": -cdr["cost_micros"], "cost": cdr["cost_micros"]})
        for level in cdr["levels"]:
            due[level["ledger"]] -= level["charge_micros"]
            due[level["income_ledger"]] += level["charge_micros"] - level["tax_micros"]
            due["tax"] += level["tax_micros"]
        return {ledger: amount for ledger, amount in due.items() if amount}

    def _posted(self, cdr: Row) -> dict[int | str, int]:
        entry = self._charges.get(f"call:{cdr['call']}")
        posted: Counter[int | str] = Counter()
        for posting in self._postings[entry["key"]] if entry else ():
            kind = self._ledgers[posting["ledger"]]["kind"]
            ledger = kind if kind in ("clearing", "cost", "tax") else posting["ledger"]
            posted[ledger] += posting["amount_micros"]
        return {ledger: amount for ledger, amount in posted.items() if amount}

    def _chain(self, account_id: str) -> Iterator[str]:
        account: Row | None = self._account_ids[account_id]
        while account is not None:
            yield account["id"]
            account = None if account["agent_key"] is None else self._accounts[account["agent_key"]]

    def _rated(self, duration_ms: int, level: Row) -> tuple[int, int, int]:
        if level["rate_key"] is None:
            return 0, level["billed_seconds"], 0
        price = self._price(self._rates[level["rate_key"]], level["tax_ppm"])
        charge = charge_micros(duration_ms, price)
        net = charge_micros(duration_ms, price._replace(tax_ppm=0))
        return charge, billed_seconds(duration_ms, price), charge - net

    def _cost_micros(self, cdr: Row) -> int:
        if cdr["routing_gateway_id"].startswith("phone:"):
            return 0  # on-net: nobody charges us for it
        table = self._gateways[cdr["routing_gateway_id"]]["cost_table_key"]
        rate = self._longest(table, cdr["called"])
        return 0 if rate is None else charge_micros(cdr["duration_ms"], self._price(rate))

    def _longest(self, table: int, number: str) -> Row | None:
        prefixes = (number[:length] for length in range(len(number), -1, -1))
        return next((rate for prefix in prefixes if (rate := self._prefixes.get((table, prefix)))), None)

    def _price(self, row: Row, tax_ppm: int = 0) -> Price:
        table = self._tables[row["table_key"]]
        terms = (table["time_rounding"], table["money_rounding"], table["money_unit_micros"])
        tiers = [tuple(map(int, tier.split(":"))) for tier in row["tiers"].split()]
        return Price(
            row["connect_fee_micros"],
            row["initial_seconds"],
            row["next_seconds"],
            row["rate_micros"],
            row["grace_seconds"],
            row["minimum_seconds"],
            row["minimum_micros"],
            tuple((after, rate) for after, rate in tiers),
            *terms,
            tax_ppm,
        )

    def _rejected(self) -> Iterator[str]:
        for row in self._rows["rejected_record"]:
            yield f"L-11: a record was rejected: {row['kind']}: {row['error']}"


def _sip_call_id(state: bytes) -> str:
    """What is saved of a live call begins with its version and the Call-ID."""
    return str(msgspec.msgpack.decode(state)[1]) if state else ""


def _grouped(rows: list[Row], key: str, *, order: str = "position") -> defaultdict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row[order]):
        groups[row[key]].append(row)
    return groups
