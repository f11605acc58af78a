"""Number sections of accounts: which numbers an account and everything below it may call, and call from.

They are read and written as a whole per direction. What is judged by are rows of prefixes: a rule that names
a destination set has a row for each of its prefixes, made in the transaction that changes either.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import account as accounts
from sipguard.manage import destination_set as sets
from sipguard.manage import etag
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import InvalidError, Problem
from sipguard.manage.section_form import Rule, SectionChanges
from sipguard.model.authorization import Authorization
from sipguard.model.section import Direction
from sipguard.store import section as store
from sipguard.store.destination_set import destination_set
from sipguard.store.section import section, section_set


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """One rule: exactly one of prefix and set is there."""

    action: str
    prefix: str | None
    set_id: str | None


@dataclass(frozen=True, slots=True)
class SectionsInfo:
    """The rules of an account, by action, then prefixes, then sets."""

    called: tuple[RuleInfo, ...]
    calling: tuple[RuleInfo, ...]

    @property
    def etag(self) -> str:
        """Version of the rules."""
        return etag.etag(asdict(self))


async def get(view: View, account_id: str) -> SectionsInfo:
    """Raises NotFoundError."""
    return await _read(view.conn, await view.account_key(account_id))


async def modify(
    act: Act, account_id: str, form: SectionChanges, expected: str | None = None, *, whole: bool = False
) -> SectionsInfo:
    """Replace the rules of the directions that are given, or of both (authorization 1).

    Raises ForbiddenError, NotFoundError, StaleError, InvalidError for a set that there is not, and for a rule
    that stands there twice.
    """
    await act.require(Authorization.ACCOUNT)
    key = await accounts.managed(act, account_id)
    before = await _read(act.conn, key)
    etag.check("sections of account", account_id, expected, asdict(before))
    given = [one for one in Direction if whole or one.value in form.model_fields_set]
    for direction in given:
        rules: list[Rule] = getattr(form, direction.value)
        _check_twice(direction, rules)
        for table in (section, section_set):
            mine = (table.c.account_key == key) & (table.c.direction == direction.value)
            await act.conn.execute(delete(table).where(mine))
        await _write(act, key, direction, rules)
    await store.expand(act.conn, [key], given)
    after = await _read(act.conn, key)
    was, now = ({one.value: _words(getattr(info, one.value)) for one in given} for info in (before, after))
    await act.changed("account", account_id, key, before=was, after=now)
    return after


async def _write(act: Act, key: int, direction: Direction, rules: list[Rule]) -> None:
    place = {"account_key": key, "direction": direction.value}
    bare = [
        place | {"action": rule.action.value, "prefix": rule.prefix or ""}
        for rule in rules
        if rule.set_id is None
    ]
    if bare:
        await act.conn.execute(insert(section), bare)
    for position, rule in enumerate(rules):
        if rule.set_id is not None:
            set_key = await sets.usable(act, rule.set_id)
            if set_key is None:
                where = f"{direction.value}[{position}].set_id"
                raise InvalidError.of(where, f"there is no destination set {rule.set_id}")
            named = place | {"action": rule.action.value, "set_key": set_key}
            await act.conn.execute(insert_or(section_set).values(named).on_conflict_do_nothing())


async def _read(conn: AsyncConnection, key: int) -> SectionsInfo:
    bare = select(section.c.direction, section.c.action, section.c.prefix).where(
        section.c.account_key == key, section.c.set_key.is_(None)
    )
    named = (
        select(section_set.c.direction, section_set.c.action, destination_set.c.id)
        .join(destination_set, destination_set.c.key == section_set.c.set_key)
        .where(section_set.c.account_key == key)
    )
    found: dict[str, list[RuleInfo]] = {direction.value: [] for direction in Direction}
    for direction, action, prefix in (await conn.execute(bare)).all():
        found[direction].append(RuleInfo(action, prefix, None))
    for direction, action, set_id in (await conn.execute(named)).all():
        found[direction].append(RuleInfo(action, None, set_id))
    for rules in found.values():
        rules.sort(key=lambda rule: (rule.action, rule.prefix is None, rule.prefix or "", rule.set_id or ""))
    return SectionsInfo(tuple(found["called"]), tuple(found["calling"]))


def _check_twice(direction: Direction, rules: list[Rule]) -> None:
    seen: set[tuple[str, str | None, str | None]] = set()
    problems = []
    for position, rule in enumerate(rules):
        what = (rule.action.value, rule.prefix, rule.set_id)
        if what in seen:
            problems.append(Problem(f"{direction.value}[{position}]", "stands there twice"))
        seen.add(what)
    if problems:
        raise InvalidError(problems)


def _words(rules: tuple[RuleInfo, ...]) -> list[str]:
    return [f"{one.action} {'set ' + one.set_id if one.set_id else one.prefix or '(any)'}" for one in rules]
