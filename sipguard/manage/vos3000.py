"""What exports of VOS3000 say, as the configuration that it is here (network.py), and the opening balances.

Rate groups become rate tables of the operator, accounts keep their tree, a routing gateway costs by the rate
group of its clearing account, dynamic mapping gateways and phones are known by a password. What has no
counterpart is noted, line by line or column by column.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sipguard.manage import network
from sipguard.manage.errors import InvalidError, Problem
from sipguard.manage.network import Key, Noun
from sipguard.manage.network_file import Files, Line
from sipguard.manage.network_read import SECRETS
from sipguard.manage.values import ID_PATTERN
from sipguard.manage.values import read as read_form
from sipguard.manage.vos3000_column import (
    ALL,
    CLEARING,
    CONTINUE,
    DYNAMIC,
    FREE,
    INCOMING,
    OUTGOING,
    STATIC,
    TERMINATE,
    Kind,
    plain,
)
from sipguard.manage.vos3000_file import Export, Row
from sipguard.model.money import format_micros, parse_micros
from sipguard.model.phone import PhoneLock

RatePer = Literal["minute", "cycle"]
_SECRET_MIN = 8
_NUMBER = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_CYCLE_MAX = 86_400
_LOCKS = (
    (FREE, PhoneLock.NONE),
    (OUTGOING, PhoneLock.OUTGOING),
    (INCOMING, PhoneLock.INCOMING),
    (ALL, PhoneLock.ALL),
)


@dataclass(slots=True)
class Opening:
    """The money that an account brings."""

    row: Row
    account_id: str
    balance_micros: int


@dataclass(slots=True)
class Converted:
    """Everything that the exports say."""

    files: Files
    openings: list[Opening] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is not taken over, or not as it was."""
    told: dict[tuple[str, Key], frozenset[str]] = field(default_factory=dict)
    """By noun and key, the fields that an export speaks of; the others have their defaults."""


def convert(exports: Iterable[Export], currency: str, rate_per: RatePer | None, directory: Path) -> Converted:
    """Read them all; price lists are written into `directory`.

    `rate_per`: what prices are for; None where every billing cycle is a minute. Raises InvalidError with
    everything that is wrong, by file, line and column.
    """
    work = _Work(Converted(Files(currency)), rate_per)
    exports = sorted(exports, key=lambda one: list(Kind).index(one.kind))
    for export in exports:
        for row in export.rows:
            work.row(export.kind, row)
        for title, lines in export.unknown.items():
            work.note(f"{export.name}: column {title} is not taken over ({lines} lines say something in it)")
    work.price_lists(directory)
    if work.problems:
        raise InvalidError(work.problems)
    return work.done


def id_of(name: str) -> str:
    """An id for what VOS3000 names as it likes: the same if it can be one, else always the same other one."""
    if re.fullmatch(ID_PATTERN.rstrip("$").lstrip("^"), name) and len(name) <= 64:
        return name
    bare = re.sub("[^A-Za-z0-9._+-]+", "-", name).strip("-._+")[:40]
    return f"{bare or 'vos'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class _Work:
    def __init__(self, done: Converted, rate_per: RatePer | None) -> None:
        self.done = done
        self.problems: list[Problem] = []
        self._rate_per = rate_per
        self._rates: dict[str, dict[str, list[object]]] = {}
        self._seen: dict[tuple[str, str], str] = {}
        self._cost_tables: dict[str, str] = {}
        self._renamed: set[str] = set()

    def row(self, kind: Kind, row: Row) -> None:
        take = {
            Kind.ACCOUNTS: self._account,
            Kind.RATES: self._rate,
            Kind.ROUTING: self._routing_gateway,
            Kind.MAPPING: self._mapping_gateway,
            Kind.PHONES: self._phone,
        }[kind]
        take(row)

    def note(self, text: str) -> None:
        self.done.notes.append(text)

    def wrong(self, row: Row, column: str, message: str) -> None:
        self.problems.append(Problem(row.place(column), message))

    def price_lists(self, directory: Path) -> None:
        """A file for each rate group, as `rate import` reads them."""
        for table_id, rows in self._rates.items():
            path = directory / f"{table_id}.csv"
            with path.open("w", encoding="utf-8", newline="") as out:
                lines = csv.writer(out)
                lines.writerow(("prefix", "destination", "rate", "initial", "next"))
                lines.writerows(rows.values())
            self.done.files.rates[table_id] = path

    def _account(self, row: Row) -> None:
        id = self._id(row, "id")
        balance = self._amount(row, "balance")
        credit = self._amount(row, "credit")
        group = row.cells.get("rate_group", "")
        if plain(row.cells.get("kind", "")) in CLEARING:
            self._cost_tables[id] = self._name(row, "rate_group") if group else ""
            told = f" and its balance of {format_micros(balance)}" if balance else ""
            self.note(
                f"{row.place('kind')}: vendors are routing gateways here; account {id}{told} is left out"
            )
            return
        agent = row.cells.get("agent", "")
        values: dict[str, Any] = {
            "id": id,
            "name": row.cells.get("name") or row.cells["id"],
            "memo": row.cells.get("memo", ""),
            "agent_id": self._name(row, "agent") if agent else None,
            "rate_table_id": self._name(row, "rate_group") if group else None,
            "credit_limit_micros": credit,
            "locked": self._locked(row),
            "valid_till": self._moment(row),
        }
        if not agent:
            values["currency"] = self.done.files.currency
        if balance < -max(credit, 0):
            self.wrong(
                row, "balance", f"is below what may be owed ({format_micros(credit)}): raise the credit"
            )
        if self._put(network.ACCOUNT, row, values) and balance:
            self.done.openings.append(Opening(row, id, balance))

    def _rate(self, row: Row) -> None:
        table_id = self._name(row, "group") if row.cells.get("group") else id_of(Path(row.file).stem)
        if table_id not in self._rates:
            self._rates[table_id] = {}
            self._put(network.RATE_TABLE, row, {"id": table_id, "currency": self.done.files.currency})
        prefix = row.cells["prefix"].removeprefix("+")
        if not (prefix.isascii() and prefix.isdecimal() and len(prefix) <= 18):
            self.wrong(row, "prefix", f"found {prefix!r}, expected 1 to 18 digits")
            return
        if prefix in self._rates[table_id]:
            self.wrong(row, "prefix", f"{prefix} stands in {table_id} twice")
            return
        if plain(row.cells.get("lock", "")) not in FREE:
            self.note(
                f"{row.place('lock')}: a locked price is none here: it is left out; shorter prefixes price"
                f" {prefix} unless a number section blocks it"
            )
            return
        cycle = row.cells.get("cycle") or "60"
        if not (cycle.isascii() and cycle.isdecimal() and 1 <= int(cycle) <= _CYCLE_MAX):
            self.wrong(row, "cycle", f"found {cycle!r}, expected seconds from 1 to {_CYCLE_MAX}")
            return
        rate = self._per_minute(row, self._amount(row, "rate"), int(cycle))
        destination = "".join(char for char in row.cells.get("destination", "") if char.isprintable())[:200]
        self._rates[table_id][prefix] = [prefix, destination, format_micros(rate), int(cycle), int(cycle)]

    def _per_minute(self, row: Row, micros: int, cycle: int) -> int:
        if micros < 0:
            self.wrong(row, "rate", "a price is not below zero")
        if cycle == 60:
            return micros
        if self._rate_per is None:
            self.wrong(row, "cycle", "is no minute: say --rate-per minute or --rate-per cycle")
        if self._rate_per != "cycle":
            return micros
        rate, rest = divmod(micros * 60, cycle)
        if rest:
            self.wrong(row, "rate", f"{format_micros(micros)} for {cycle} s is no amount by the minute")
        return rate

    def _routing_gateway(self, row: Row) -> None:
        host, port = _address(row.cells["host"])
        port = row.cells.get("port") or port
        prefixes = _parts(row.cells["prefix"])
        mode = plain(row.cells.get("mode", ""))
        if mode not in TERMINATE | CONTINUE:
            self.wrong(row, "mode", f"found {row.cells['mode']!r}, expected terminate or continue")
        priority = self._count(row, "priority")
        route = {"mode": "continue" if mode in CONTINUE else "terminate", "priority": priority or 1}
        values: dict[str, Any] = {
            "id": self._id(row, "id"),
            "host": host,
            "port": self._number(row, "port", port) if port else 5060,
            "transport": "udp",
            "routes": [{"prefix": "" if one == "*" else one, "weight": 1} | route for one in prefixes],
            "capacity": self._count(row, "lines"),
            "locked": self._locked(row),
        }
        vendor = row.cells.get("account", "")
        if vendor and (table_id := self._cost_tables.get(self._name(row, "account"))):
            values["cost_table_id"] = table_id
        if not prefixes:
            self.note(f"{row.place('prefix')}: without a prefix no call goes there")
        self._put(network.ROUTING_GATEWAY, row, values)

    def _mapping_gateway(self, row: Row) -> None:
        kind = plain(row.cells.get("type", ""))
        if kind not in DYNAMIC | STATIC:
            self.wrong(row, "type", f"found {row.cells['type']!r}, expected static or dynamic")
        sources = [_address(one)[0] for one in _parts(row.cells.get("host", ""))]
        values: dict[str, Any] = {
            "id": self._id(row, "id"),
            "account_id": self._name(row, "account"),
            "sources": sources,
            "capacity": self._count(row, "lines"),
            "locked": self._locked(row),
        }
        if kind in DYNAMIC:
            values |= {"username": row.cells["id"], "sources": []} | self._password(row)
            if sources:
                self.note(f"{row.place('host')}: a dynamic gateway is known by its password, wherever it is")
        elif not sources:
            self.wrong(row, "host", "a static gateway has an address")
        self._put(network.MAPPING_GATEWAY, row, values)

    def _phone(self, row: Row) -> None:
        number = row.cells["id"]
        numbers = [number] if _NUMBER.fullmatch(number) else []
        if not numbers:
            self.note(f"{row.place('id')}: {number} is no number that others can call")
        values = {
            "id": self._id(row, "id"),
            "account_id": self._name(row, "account"),
            "username": number,
            "numbers": numbers,
            "sources": [_address(one)[0] for one in _parts(row.cells.get("host", ""))],
            "call_limit": self._count(row, "lines"),
            "lock": self._lock(row).value,
        }
        self._put(network.PHONE, row, values | self._password(row))

    def _put(self, noun: Noun, row: Row, values: dict[str, Any]) -> bool:
        """Note an object, if all of it is right."""
        key: Key = (values["id"],)
        if (first := self._seen.setdefault((noun.name, values["id"]), f"{row.file} line {row.line}")) != (
            f"{row.file} line {row.line}"
        ):
            self.wrong(row, "id", f"{values['id']} stands in {first} already")
            return False
        try:
            form = read_form(noun.form, noun.defaults(values) | values)
        except InvalidError as error:
            for one in error.problems:
                self.problems.append(Problem(f"{row.file} line {row.line}: {one.field}", one.message))
            return False
        fields = noun.canonical(form.model_dump(mode="json"))
        self.done.files.objects.setdefault(noun.name, {})[key] = Line(fields, row.file, row.line)
        self.done.told[noun.name, key] = frozenset(values) - SECRETS
        return True

    def _id(self, row: Row, column: str) -> str:
        if not row.cells[column]:
            self.wrong(row, column, "is empty")
        return self._name(row, column)

    def _name(self, row: Row, column: str) -> str:
        name = row.cells[column]
        id = id_of(name)
        if id != name and name not in self._renamed:
            self._renamed.add(name)
            self.note(f"{row.place(column)}: {name} is called {id} here")
        return id

    def _password(self, row: Row) -> dict[str, str]:
        """That of the export, if it is none that is guessed at once; else one is made up."""
        password = row.cells.get("password", "")
        if len(password) >= _SECRET_MIN:
            return {"password": password}
        if password:
            self.note(f"{row.place('password')}: shorter than {_SECRET_MIN} characters, another is made up")
        return {}

    def _amount(self, row: Row, column: str) -> int:
        text = row.cells.get(column, "").replace(",", "") or "0"
        try:
            return parse_micros(re.sub(r"(\.\d{6})0+$", r"\1", text))
        except ValueError as error:
            self.wrong(row, column, str(error))
            return 0

    def _count(self, row: Row, column: str) -> int | None:
        """A limit; empty and -1 are none."""
        text = row.cells.get(column, "")
        return (
            None if text in ("", "-1", "unlimited", "不限制", "无限制") else self._number(row, column, text)
        )

    def _number(self, row: Row, column: str, text: str) -> int | None:
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            self.wrong(row, column, f"found {text!r}, expected a whole number")
            return None
        return int(text)

    def _locked(self, row: Row) -> bool:
        """Of what can only be locked altogether: by whatever keeps calls from going out."""
        lock = self._lock(row)
        if lock is PhoneLock.INCOMING:
            self.note(f"{row.place('lock')}: what is barred from being called alone is not locked here")
        return lock.bars_outgoing

    def _lock(self, row: Row) -> PhoneLock:
        word = plain(row.cells.get("lock", ""))
        for words, lock in _LOCKS:
            if word in words:
                return lock
        self.wrong(row, "lock", f"found {row.cells['lock']!r}, which is no lock that is known")
        return PhoneLock.NONE

    def _moment(self, row: Row) -> int | None:
        text = row.cells.get("valid_till", "").replace("/", "-")
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.wrong(row, "valid_till", f"found {text!r}, expected a date such as 2027-01-31")
            return None
        if at.year >= 2099:  # how VOS3000 writes that there is no end
            return None
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _address(text: str) -> tuple[str, str]:
    """Address and port, which may be empty."""
    if text.count(":") != 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _parts(text: str) -> list[str]:
    return [one for one in re.split(r"[,;\s，；]+", text) if one]
