"""Writing the configuration of the network into a directory, sorted, so that it is kept in git."""

from __future__ import annotations

import csv
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO

from sqlalchemy import select

from sipguard.manage import price_list
from sipguard.manage.desk import View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.network import NOUNS, RATE_TABLE, Noun
from sipguard.manage.network_file import (
    HOUSE,
    RATES,
    csv_header,
    csv_rows,
    house_line,
    json_line,
    rates_file,
)
from sipguard.model.ledger import LedgerKind
from sipguard.model.rate import Rate, Window
from sipguard.store import ledger, rate

PART = ".part"


async def export(view: View, directory: Path, progress: Callable[[str, int], None]) -> dict[str, int]:
    """Write every file; how many objects of each noun, and "rate" rows. All of it is of one moment.

    A file takes its place when it is whole. Price lists of tables that are no more go. `progress(noun, done)`
    is called now and then. Raises InvalidError where the directory holds something else, OSError.
    """
    _check(directory)
    (directory / RATES).mkdir(parents=True, exist_ok=True)
    counts = {}
    for noun in NOUNS:
        counts[noun.name] = await _noun(view, directory, noun, progress)
    counts["rate"] = await _rates(view, directory, progress)
    with _whole(directory / HOUSE) as out:
        out.write(house_line(await currency(view)))
    return counts


async def currency(view: View) -> str:
    """Of the house. Raises ConflictError where the database has none yet."""
    book = ledger.ledger_account
    house = book.c.account_key.is_(None) & book.c.routing_gateway_key.is_(None)
    query = select(book.c.currency).where(house, book.c.kind == LedgerKind.CASH.value)
    found: str | None = await view.conn.scalar(query.order_by(book.c.key).limit(1))
    if found is None:
        raise ConflictError("the database has no currency yet: make one with sipguard init --data FILE")
    return found


async def rates_in_order(view: View, table_key: int) -> AsyncIterator[list[Rate]]:
    """Rows of a table by what tells them apart, not by when they were written."""
    held: list[Rate] = []
    async for some in rate.rates_of(view.conn, table_key):
        held += some
        last = held[-1].prefix
        yield _in_order([one for one in held if one.prefix != last])
        held = [one for one in held if one.prefix == last]
    yield _in_order(held)


async def _noun(view: View, directory: Path, noun: Noun, progress: Callable[[str, int], None]) -> int:
    done = 0
    spread = None if noun.spread is None else f"{noun.file}.{noun.spread.field}.csv"
    name = f"{noun.file}.csv" if noun.only_spread else f"{noun.file}.jsonl"
    with (
        _whole(directory / name) as first,
        _whole(directory / (spread or "")) if spread and not noun.only_spread else _same(first) as second,
    ):
        rows = csv.writer(second, lineterminator="\n")
        if noun.spread is not None:
            rows.writerow(csv_header(noun))
        async for fields in noun.read(view):
            noun.canonical(fields)
            if not noun.only_spread:
                first.write(json_line(noun, fields))
            if noun.spread is not None:
                rows.writerows(csv_rows(noun, fields))
            done += 1
            if done % 1_000 == 0:
                progress(noun.name, done)
    progress(noun.name, done)
    return done


async def _rates(view: View, directory: Path, progress: Callable[[str, int], None]) -> int:
    done, names = 0, set()
    async for fields in RATE_TABLE.read(view):
        table = await rate.table_by_id(view.conn, fields["id"])
        assert table is not None, "it was listed in the same transaction"
        path = directory / rates_file(table.id)
        names.add(path.name)
        with _whole(path) as out:
            rows = csv.writer(out, lineterminator="\n")
            rows.writerow(price_list.NAMES)
            async for some in rates_in_order(view, table.key):
                rows.writerows(map(price_list.cells, some))
                done += len(some)
                progress("rate", done)
    for path in (directory / RATES).glob("*.csv"):
        if path.name not in names:
            path.unlink()
    return done


def _in_order(rates: list[Rate]) -> list[Rate]:
    found: list[Rate] = []
    for _, group in groupby(rates, key=attrgetter("prefix")):
        same = list(group)
        same.sort(key=lambda one: _window(one.window))
        found += same
    return found


def _window(window: Window) -> tuple[int, ...]:
    """What tells rows of one prefix apart."""
    return (window.valid_from, window.days, window.from_minute, window.till_minute)


def _check(directory: Path) -> None:
    if (
        directory.exists()
        and not (directory / HOUSE).exists()
        and any(not one.name.startswith(".") for one in directory.iterdir())
    ):
        raise InvalidError.of(str(directory), f"holds something else: there is no {HOUSE} in it")


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A file that takes its place when all of it is written."""
    part = path.with_name(path.name + PART)
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _same(out: IO[str]) -> Iterator[IO[str]]:
    yield out
