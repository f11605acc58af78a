"""What applying a directory would change: object by object, and field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sipguard.manage import rate as price_lists
from sipguard.manage.desk import View
from sipguard.manage.errors import InvalidError, Problem
from sipguard.manage.network import ACCOUNT, NOUNS, RATE_TABLE, Key, Noun
from sipguard.manage.network_export import currency
from sipguard.manage.network_file import Files, Line, label
from sipguard.manage.network_read import SECRETS, Fields
from sipguard.manage.price_list import PriceListError
from sipguard.model.rate import RateTable, Rounding
from sipguard.store import rate
from sipguard.store.account import account
from sipguard.store.rate_import import Kind

NO_TABLE = -1
"""The key of a rate table that is not there yet: every row of its price list is new."""


class Verb(StrEnum):
    """What happens to an object."""

    ADDED = "added"
    CHANGED = "changed"
    GONE = "gone"
    """No file has it, though there is a file of its noun: it is removed where that is asked for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that the files and the database do not say alike."""

    noun: Noun
    key: Key
    verb: Verb
    fields: dict[str, tuple[Any, Any]]
    """By name, as the database has it and as the files have it; of a new object the latter alone."""
    was: Fields | None
    told: Line | None

    @property
    def name(self) -> str:
        """For people: noun and key."""
        return f"{self.noun.name.replace('_', ' ')} {label(self.key)}"

    @property
    def place(self) -> str:
        return self.name if self.told is None else f"{self.told.place} ({self.name})"

    @property
    def stuck(self) -> list[str]:
        """Fields that differ and that nothing can change any more."""
        return sorted(self.noun.fixed & self.fields.keys()) if self.verb is Verb.CHANGED else []


@dataclass(frozen=True, slots=True)
class Rates:
    """A rate table whose rows the files and the database do not say alike."""

    table_id: str
    path: Path
    counts: dict[Kind, int]

    @property
    def name(self) -> str:
        told = [
            f"{count} {kind}" for kind, count in self.counts.items() if kind is not Kind.UNCHANGED and count
        ]
        return f"rates of {self.table_id}: {', '.join(told)}"


@dataclass(slots=True)
class Differences:
    objects: list[Difference] = field(default_factory=list)
    rates: list[Rates] = field(default_factory=list)
    agents: dict[str, str | None] = field(default_factory=dict)
    """Of every account the agent that it is to have."""

    def __bool__(self) -> bool:
        return bool(self.objects or self.rates)

    def of(self, noun: Noun, *verbs: Verb) -> Iterator[Difference]:
        return (one for one in self.objects if one.noun is noun and one.verb in verbs)


async def compare(view: View, files: Files, progress: Callable[[str, int], None]) -> Differences:
    """Everything that differs. Raises InvalidError for files of a house in another currency, and for price
    lists that cannot be read."""
    house = await currency(view)
    if files.currency != house:
        raise InvalidError.of("sipguard.json: currency", f"found {files.currency}, the house keeps {house}")
    found = Differences(agents=await _agents(view, files))
    for noun in NOUNS:
        told = files.objects.get(noun.name)
        if told is not None:
            found.objects += await _compare(view, noun, told, _accounts_told(files), progress)
    found.rates = await _rates(view, files, progress)
    return found


async def _agents(view: View, files: Files) -> dict[str, str | None]:
    above = account.alias("above")
    query = select(account.c.id, above.c.id).outerjoin(above, above.c.key == account.c.agent_key)
    agents: dict[str, str | None] = dict((await view.conn.execute(query)).all())
    for line in (_accounts_told(files) or {}).values():
        agents[line.fields["id"]] = line.fields["agent_id"]
    return agents


def _accounts_told(files: Files) -> dict[Key, Line] | None:
    return files.objects.get(ACCOUNT.name)


async def _compare(
    view: View,
    noun: Noun,
    told: dict[Key, Line],
    accounts: dict[Key, Line] | None,
    progress: Callable[[str, int], None],
) -> list[Difference]:
    left, found, done = dict(told), [], 0
    async for was in noun.read(view):
        done += 1
        if done % 1_000 == 0:
            progress(noun.name, done)
        noun.canonical(was)
        key = noun.key_of(was)
        line = left.pop(key, None)
        if line is None and noun.of_account and (accounts is None or key in accounts):
            line = _empty(noun, was)
        if line is None:
            found.append(Difference(noun, key, Verb.GONE, {}, was, None))
            continue
        fields = {
            name: (value, line.fields[name])
            for name, value in was.items()
            if value != line.fields[name] and not (name in noun.inherited and line.fields[name] is None)
        }
        if fields:
            found.append(Difference(noun, key, Verb.CHANGED, fields, was, line))
    progress(noun.name, done)
    for key, line in left.items():
        defaults = noun.defaults(line.fields)
        new = {
            name: (None, value)
            for name, value in line.fields.items()
            if name not in noun.key
            and name not in SECRETS
            and (name not in defaults or value != defaults[name])
        }
        if new or not noun.of_account:
            found.append(Difference(noun, key, Verb.ADDED, new, None, line))
    found.sort(key=lambda one: [str(part or "") for part in one.key])
    return found


def _empty(noun: Noun, was: Fields) -> Line:
    """What a file says of an object by saying nothing of it."""
    name = f"{noun.file}.csv" if noun.only_spread else f"{noun.file}.jsonl"
    return Line(noun.defaults(was) | {part: was[part] for part in noun.key}, name, 0)


async def _rates(view: View, files: Files, progress: Callable[[str, int], None]) -> list[Rates]:
    """By a dry run of each price list, on connections of their own."""
    found: list[Rates] = []
    problems: list[Problem] = []
    told = files.objects.get(RATE_TABLE.name, {})
    for table_id, path in sorted(files.rates.items()):
        table = await rate.table_by_id(view.conn, table_id)
        zone = told[(table_id,)].fields["time_zone"] if (table_id,) in told else None
        if table is None:
            table = RateTable(NO_TABLE, table_id, files.currency, Rounding.UP, Rounding.HALF_UP, 1, zone)
        try:
            report = await asyncio.to_thread(
                price_lists.import_,
                view.desk.store.path,
                table,
                path,
                dry_run=True,
                keep=False,
                shown=0,
                progress=lambda done, _: progress("rate", done),
            )
        except PriceListError as error:
            problems.append(Problem(f"{path.parent.name}/{path.name}", str(error).removeprefix(f"{path}: ")))
            continue
        problems += [Problem(f"{path.parent.name}/{path.name}", str(one)) for one in report.problems]
        if any(count for kind, count in report.counts.items() if kind is not Kind.UNCHANGED):
            found.append(Rates(table_id, path, report.counts))
    if problems:
        raise InvalidError(problems)
    return found
