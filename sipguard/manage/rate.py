"""What an administrator does to rate tables: import a price list, export one, ask what a number costs."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import IO

from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.price_list import NAMES, PriceList, Problem, cells
from sipguard.model.rate import Rate, RateTable
from sipguard.policy.window import first_open, zone_of
from sipguard.store import rate as store
from sipguard.store.rate_import import Change, Kind, RateImport

PROBLEMS_MAX = 1_000
"""Problems that are told one by one; of a file that is not a price list, every line is one."""

_CHUNK = 5_000
_KINDS_SHOWN = (Kind.NEW, Kind.UP, Kind.DOWN, Kind.CHANGED, Kind.GONE)


@dataclass(slots=True)
class Report:
    """What an import did, or would do."""

    imported: bool = False
    """It was taken over; False: a dry run, or a file with problems, and nothing was changed."""
    lines: int = 0
    """Lines with a row in them, right or wrong."""
    invalid: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first PROBLEMS_MAX."""
    counts: dict[Kind, int] = field(default_factory=dict)
    """Rows by what becomes of them; empty where the file has problems."""
    changes: list[Change] = field(default_factory=list)
    """The first of each kind."""
    locked_seconds: float = 0.0
    """For how long no other process could write to the database."""


def import_(
    database: Path,
    table: RateTable,
    file: Path,
    *,
    dry_run: bool,
    keep: bool,
    shown: int,
    progress: Callable[[int, int], None],
) -> Report:
    """Make a rate table what a price list says, all of it or nothing; the running daemon follows.

    `keep`: rows that are not in the list stay. `shown`: how many changes of each kind are told.
    `progress(done, of)` is called with bytes. Raises PriceListError where the file is no price list,
    sqlite3.Error as the store does, RuntimeError where somebody else changed the tables meanwhile.
    """
    report = Report()
    zone = UTC if table.time_zone is None else zone_of(table.time_zone)
    with PriceList(file, zone) as prices, RateImport(database, table.key) as staged:
        _stage(prices, staged, report, progress)
        for line, first, prefix in [] if report.invalid else staged.twice(PROBLEMS_MAX):
            expected = f"days, hours or a valid_from of its own (line {first} is the same)"
            _complain(report, Problem(line, "prefix", prefix, expected))
        if report.invalid:
            return report
        report.counts = staged.compare(keep=keep)
        for kind in _KINDS_SHOWN:
            report.changes += staged.changes(kind, shown)
        if not dry_run:
            report.locked_seconds = staged.take_over(table.id)
            report.imported = True
    return report


async def export(
    conn: AsyncConnection, table: RateTable, out: IO[str], progress: Callable[[int], None]
) -> int:
    """Write a table as a price list by prefix; how many rows. `progress(rows)` is called now and then."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(NAMES)
    written = 0
    async for some in store.rates_of(conn, table.key):
        writer.writerows(map(cells, some))
        written += len(some)
        progress(written)
    out.flush()
    return written


async def find(
    conn: AsyncConnection, table: RateTable, digits: str, unix_ms: int, zone: str
) -> tuple[Rate | None, list[Rate]]:
    """The row that prices a call to `digits` at a moment, and all whose prefix it has, the longest first.

    `zone`: of the account that buys. Raises ValueError where there is no such time zone.
    """
    rows = await store.matching(conn, table.key, digits)
    found = first_open(rows, unix_ms, zone_of(table.time_zone or zone))
    return found, sorted(rows, key=lambda row: (-len(row.prefix), row.key))


def _stage(
    prices: PriceList, staged: RateImport, report: Report, progress: Callable[[int, int], None]
) -> None:
    rows: list[tuple[int, Rate]] = []
    for told in prices:
        report.lines += 1
        if isinstance(told, Problem):
            _complain(report, told)
        elif not report.invalid:
            rows.append(told)
        if report.lines % _CHUNK == 0:
            progress(prices.bytes_read(), prices.size)
            staged.stage(rows)
            rows.clear()
    staged.stage(rows)
    progress(prices.size, prices.size)


def _complain(report: Report, problem: Problem) -> None:
    report.invalid += 1
    if len(report.problems) < PROBLEMS_MAX:
        report.problems.append(problem)
