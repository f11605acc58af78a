"""A declarative data set (TOML) and how it becomes the content of an empty database, all of it or nothing.

    data = dataset.read(Path("config/demo.toml"))
    async with db.writing() as conn:
        await dataset.load(conn, data, now_ms=...)

The shape of the file is form.py; config/demo.toml shows it in use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import form
from sipguard.manage.checking import check
from sipguard.manage.form import DataSet
from sipguard.manage.reading import Reader
from sipguard.model.account import Account
from sipguard.model.configuration import REALM
from sipguard.model.credential import hashed
from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.model.rate import Rate, Window
from sipguard.store import account, credential, feed, gateway, ledger, phone, rate, section
from sipguard.store.metadata import insert_row

ORIGIN = "dataset"
"""Who posted, in the journal."""


class DataSetError(Exception):
    """A data set cannot be used. `problems`: every one of them, each with its place."""

    def __init__(self, name: str, problems: list[str]) -> None:
        super().__init__("\n".join(f"{name}: {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How much was loaded."""

    rate_tables: int
    rates: int
    accounts: int
    mapping_gateways: int
    routing_gateways: int
    phones: int
    payments: int


def read(path: Path) -> DataSet:
    """Read and check a file. Raises DataSetError with everything that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(str(path), [f"cannot be read: {error}"]) from error
    return parse(text, str(path))


def parse(text: str, name: str = "data set") -> DataSet:
    """The same from text; `name` is what messages call it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataSetError(name, [f"is not TOML: {error}"]) from error
    reader = Reader()
    data = reader.struct(raw, DataSet, "")
    check(raw, reader)
    if reader.problems or data is None:
        raise DataSetError(name, reader.problems)
    return data


async def load(
    conn: AsyncConnection, data: DataSet, *, now_ms: int, name: str = "data set", realm: str = REALM
) -> Loaded:
    """Write `data` into an empty database. `conn` holds the write lock (Database.writing) and commits.

    `now_ms`: Unix milliseconds, the time of the payments. `name` goes to the change feed. `realm`: what
    passwords are hashed for. Raises DataSetError where the database holds accounts, gateways or rate tables
    already.
    """
    await _refuse_unless_empty(conn, name)
    loading = _Loading(conn, data, now_ms, realm)
    await loading.house()
    await loading.rate_tables()
    await loading.accounts()
    await loading.routing_gateways()
    await loading.mapping_gateways()
    await loading.phones()
    await loading.payments()
    await feed.record(conn, "configuration", "load", name)
    return Loaded(
        rate_tables=len(data.rate_tables),
        rates=sum(len(table.rates) for table in data.rate_tables),
        accounts=len(data.accounts),
        mapping_gateways=len(data.mapping_gateways),
        routing_gateways=len(data.routing_gateways),
        phones=len(data.phones),
        payments=len(data.payments),
    )


async def _refuse_unless_empty(conn: AsyncConnection, name: str) -> None:
    tables = (account.account, rate.rate_table, gateway.mapping_gateway, gateway.routing_gateway)
    held = {table.name: await conn.scalar(select(func.count()).select_from(table)) for table in tables}
    found = ", ".join(f"{count} {table}" for table, count in held.items() if count)
    if found:
        raise DataSetError(name, [f"the database is in use: it holds {found}; a data set needs an empty one"])


class _Loading:
    """One load under way: what was written, by the id that the rest of the file knows it by."""

    def __init__(self, conn: AsyncConnection, data: DataSet, now_ms: int, realm: str) -> None:
        self._conn = conn
        self._data = data
        self._now_ms = now_ms
        self._realm = realm
        self._cash = 0
        self._tables: dict[str | None, int | None] = {None: None}
        self._accounts: dict[str | None, Account] = {}
        self._routing_gateways: dict[str, int] = {}
        self._clearing: dict[str | None, int] = {}

    async def house(self) -> None:
        currency = self._data.currency
        self._cash = await ledger.insert(self._conn, LedgerKind.CASH, currency)
        await ledger.insert(self._conn, LedgerKind.REVENUE, currency)
        await ledger.insert(self._conn, LedgerKind.COST, currency)
        await ledger.insert(self._conn, LedgerKind.TAX, currency)

    async def rate_tables(self) -> None:
        for table in self._data.rate_tables:
            currency = table.currency or self._data.currency
            key = await insert_row(
                self._conn,
                rate.rate_table,
                id=table.id,
                currency=currency,
                time_rounding=table.time_rounding.value,
                money_rounding=table.money_rounding.value,
                money_unit_micros=table.money_unit,
                time_zone=table.time_zone,
            )
            self._tables[table.id] = key
            rows = [dict(zip(rate.COLUMNS, rate.values(_rate(key, row)), strict=True)) for row in table.rates]
            await self._insert_all(rate.rate, rows)

    async def accounts(self) -> None:
        for told in _agents_first(self._data.accounts):
            added = await account.insert(
                self._conn,
                id=told.id,
                name=told.name or told.id,
                agent_key=self._accounts[told.agent].key if told.agent else None,
                currency=told.currency or self._data.currency,
                rate_table_key=self._tables[told.rate_table],
                credit_limit_micros=told.credit_limit,
                call_limit=told.call_limit,
                cps_limit=told.cps_limit,
                max_call_seconds=told.max_call_seconds,
                max_rate_micros=told.max_rate,
                locked=told.locked,
                valid_from=told.valid_from,
                valid_till=told.valid_till,
                time_zone=told.time_zone or self._data.time_zone,
                tax_ppm=told.tax_percent,
                lock_ends_calls=told.lock_ends_calls,
            )
            self._accounts[told.id] = added
            rows = [
                {
                    "account_key": added.key,
                    "direction": row.direction.value,
                    "action": row.action.value,
                    "prefix": row.prefix,
                }
                for row in told.sections
            ]
            await self._insert_all(section.section, rows)

    async def routing_gateways(self) -> None:
        for told in self._data.routing_gateways:
            key = await insert_row(
                self._conn,
                gateway.routing_gateway,
                id=told.id,
                host=told.host,
                port=_port(told),
                transport=told.transport or (None if told.host.is_name else "udp"),
                tls_name=told.tls_name,
                tls_verify=told.tls_verify,
                capacity=told.capacity,
                cps_limit=told.cps_limit,
                locked=told.locked,
                cost_table_key=self._tables[told.cost_table],
                vendor_credit_micros=0 if told.prepaid else told.vendor_credit,
                strip_digits=told.strip_digits,
                add_prefix=told.add_prefix or "",
                called_rewrite=list(map(str, told.called_rewrite)),
                caller_rewrite=list(map(str, told.caller_rewrite)),
                answer_timeout_ms=told.answer_timeout_ms,
                ring_timeout_ms=told.ring_timeout_ms,
                failover_codes=sorted(
                    frozenset[int]().union(*told.failover_codes).difference(*told.stop_codes)
                ),
                dials_by_to=told.dials_by_to,
                takes_refer=told.takes_refer,
                sells_below_cost=told.sells_below_cost,
                probe_seconds=told.probe_seconds,
                probe_down_codes=sorted(frozenset[int]().union(*told.probe_down_codes)),
                fails_over_after_media=told.fails_over_after_media,
                redirects=told.redirects.value,
                trusted=told.trusted,
                hides_topology=told.hides_topology,
                hides_call_id=told.hides_call_id,
                caller_format=told.caller_format.value,
                asserts=told.asserts.value,
                country_code=told.country_code,
                national_prefix=told.national_prefix or "",
                international_prefix=told.international_prefix,
            )
            self._routing_gateways[told.id] = key
            self._clearing[told.id] = await ledger.insert(
                self._conn, LedgerKind.CLEARING, self._data.currency, routing_gateway_key=key
            )
            rows = [
                {
                    "gateway_key": key,
                    "prefix": row.prefix,
                    "mode": row.mode.value,
                    "priority": row.priority,
                    "weight": row.weight,
                }
                for row in told.routes
            ]
            await self._insert_all(gateway.route, rows)

    async def mapping_gateways(self) -> None:
        for told in self._data.mapping_gateways:
            allowed = told.routing_gateways
            key = await insert_row(
                self._conn,
                gateway.mapping_gateway,
                id=told.id,
                account_key=self._accounts[told.account].key,
                capacity=told.capacity,
                cps_limit=told.cps_limit,
                locked=told.locked,
                country_code=told.country_code,
                national_prefix=told.national_prefix,
                international_prefixes=list(map(str, told.international_prefixes)),
                all_routing_gateways=allowed is None,
                trusted=told.trusted,
                caller_number=told.caller_number,
                caller_prefixes=None
                if told.caller_prefixes is None
                else list(map(str, told.caller_prefixes)),
                called_rewrite=list(map(str, told.called_rewrite)),
                caller_rewrite=list(map(str, told.caller_rewrite)),
                tech_prefixes=list(dict.fromkeys(map(str, told.tech_prefixes))),
            )
            sources = [
                {"network": network, "gateway_key": key} for network in dict.fromkeys(told.sources or ())
            ]
            await self._insert_all(gateway.mapping_gateway_source, sources)
            names = [{"name": name, "gateway_key": key} for name in told.certificates]
            await self._insert_all(gateway.mapping_gateway_certificate, names)
            routes = [
                {"gateway_key": key, "routing_gateway_key": self._routing_gateways[id]}
                for id in dict.fromkeys(allowed or ())
            ]
            await self._insert_all(gateway.mapping_gateway_route, routes)

            if told.username is not None and told.password is not None:
                user = hashed(told.username, self._realm, told.password, mapping_gateway_key=key)
                await credential.put(self._conn, user)

    async def phones(self) -> None:
        for told in self._data.phones:
            key = await insert_row(
                self._conn,
                phone.phone,
                id=told.id,
                account_key=self._accounts[told.account].key,
                lock=told.lock.value,
                call_limit=told.call_limit,
                cps_limit=told.cps_limit,
                contact_limit=told.contact_limit,
                caller_check=told.caller_check.value,
                called_rewrite=list(map(str, told.called_rewrite)),
                country_code=told.country_code,
                national_prefix=told.national_prefix,
                international_prefixes=list(map(str, told.international_prefixes)),
            )
            numbers = [
                {"number": number, "phone_key": key, "position": position}
                for position, number in enumerate(told.numbers)
            ]
            await self._insert_all(phone.phone_number, numbers)
            sources = [{"phone_key": key, "network": network} for network in dict.fromkeys(told.sources)]
            await self._insert_all(phone.phone_source, sources)
            username = told.username or told.id
            await credential.put(self._conn, hashed(username, self._realm, told.password, phone_key=key))

    async def payments(self) -> None:
        for told in self._data.payments:
            of_account = told.account is not None
            to = self._accounts[told.account].balance_ledger if of_account else self._clearing[told.vendor]
            amount = int(told.amount)
            postings = (Posting(self._cash, -amount), Posting(to, amount))
            entry = Entry(f"payment:{told.key}", "payment", self._now_ms, postings, told.memo)
            await ledger.post(self._conn, entry, ORIGIN)

    async def _insert_all(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            await self._conn.execute(insert(table), rows)


def _port(told: form.RoutingGateway) -> int | None:
    """As told; else the default of an address (RFC 3261 section 19.1.2), while of a name the DNS says."""
    if told.port is not None or told.host.is_name:
        return told.port
    return 5061 if told.transport == "tls" else 5060


def _rate(table_key: int, told: form.Rate) -> Rate:
    return Rate(
        key=0,  # the database's to give
        table_key=table_key,
        prefix=told.prefix,
        destination=told.destination,
        connect_fee_micros=told.connect_fee,
        initial_seconds=told.initial,
        next_seconds=told.next,
        rate_micros=told.rate,
        grace_seconds=told.grace,
        minimum_seconds=told.minimum_seconds,
        minimum_micros=told.minimum_charge,
        tiers=told.tiers,
        window=Window(told.valid_from or 0, told.valid_till, told.days, *told.hours),
    )


def _agents_first(accounts: tuple[form.Account, ...]) -> Iterator[form.Account]:
    """Every account after its agent, whatever the order of the file."""
    below: dict[str | None, list[form.Account]] = {}
    for told in accounts:
        below.setdefault(told.agent, []).append(told)
    ready = below.get(None, [])
    while ready:
        yield from ready
        ready = [child for told in ready for child in below.get(told.id, [])]
