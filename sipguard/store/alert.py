"""Alerts that were raised, with who has seen them; thresholds that accounts have of their own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    REAL,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.alert import SEVERITIES, Alert, Kind, Own, Place, Reading, Subject
from sipguard.store.metadata import metadata

KEPT = 20_000
"""Alerts that are over; the oldest go first. Those that stand are kept."""

alert = Table(
    "alert",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("account_key", ForeignKey("account.key")),
    Column("text", Text, nullable=False),
    Column("value", REAL, nullable=False),
    Column("threshold", REAL, nullable=False),
    Column("raised_ms", Integer, nullable=False),
    Column("cleared_ms", Integer),
    Column("acknowledged_ms", Integer),
    Column("acknowledged_by", Text),
    Column("note", Text, nullable=False),
)

alert_threshold = Table(
    "alert_threshold",
    metadata,
    Column("account_key", ForeignKey("account.key"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subtree", Boolean, primary_key=True),
    Column("value", Integer),
)

COLUMNS = tuple(alert.c[name] for name in Alert.__struct_fields__)


async def raise_(conn: AsyncConnection, reading: Reading, at_ms: int) -> Alert:
    """Write an alert; where one stands already, it says now what this says, and has been seen by nobody."""
    values = {
        "kind": reading.kind.value,
        "severity": SEVERITIES[reading.kind].value,
        "scope": reading.subject.scope,
        "subject": reading.subject.id,
        "account_key": reading.account_key,
        "text": reading.text,
        "value": reading.value,
        "threshold": reading.raise_at,
        "raised_ms": at_ms,
        "note": "",
    }
    again = {"text": reading.text, "value": reading.value, "threshold": reading.raise_at, "raised_ms": at_ms}
    query = insert(alert).values(values)
    query = query.on_conflict_do_update(
        index_elements=["kind", "scope", "subject"],
        index_where=alert.c.cleared_ms.is_(None),
        set_={**again, "acknowledged_ms": None, "acknowledged_by": None, "note": ""},
    )
    return Alert(*(await conn.execute(query.returning(*COLUMNS))).one())


async def clear(conn: AsyncConnection, place: Place, at_ms: int) -> Alert | None:
    """The alert is over; None where none stands."""
    query = update(alert).where(*_standing(place)).values(cleared_ms=at_ms).returning(*COLUMNS)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Alert(*row)


async def forget(conn: AsyncConnection, kept: int = KEPT) -> None:
    """Keep no more than `kept` that are over."""
    over = alert.c.cleared_ms.is_not(None)
    beyond = select(alert.c.key).where(over).order_by(alert.c.key.desc()).offset(kept).limit(1)
    await conn.execute(delete(alert).where(over, alert.c.key <= beyond.scalar_subquery()))


async def standing(conn: AsyncConnection) -> list[Alert]:
    """Those that are not over, the oldest first."""
    query = select(*COLUMNS).where(alert.c.cleared_ms.is_(None)).order_by(alert.c.key)
    return [Alert(*row) for row in await conn.execute(query)]


async def counts(conn: AsyncConnection) -> dict[str, int]:
    """How many stand, by kind."""
    query = select(alert.c.kind, func.count()).where(alert.c.cleared_ms.is_(None)).group_by(alert.c.kind)
    found: Sequence[tuple[str, int]] = [(kind, count) for kind, count in await conn.execute(query)]
    return dict(found)


async def thresholds(conn: AsyncConnection, account_key: int | None = None) -> list[Own]:
    """Those of one account, or all."""
    query = select(alert_threshold)
    if account_key is not None:
        query = query.where(alert_threshold.c.account_key == account_key)
    known = {kind.value for kind in Kind}
    rows = (await conn.execute(query.order_by(alert_threshold.c.kind, alert_threshold.c.subtree))).all()
    return [Own(key, Kind(kind), subtree, value) for key, kind, subtree, value in rows if kind in known]


async def set_threshold(conn: AsyncConnection, own: Own) -> None:
    """From now on this holds."""
    query = insert(alert_threshold).values(own._asdict() | {"kind": own.kind.value})
    await conn.execute(
        query.on_conflict_do_update(
            index_elements=["account_key", "kind", "subtree"], set_={"value": own.value}
        )
    )


async def unset_threshold(conn: AsyncConnection, account_key: int, kind: Kind, subtree: bool) -> bool:
    """What holds above counts again; False where there was none."""
    own = alert_threshold.c
    where = (own.account_key == account_key, own.kind == kind.value, own.subtree == subtree)
    return (await conn.execute(delete(alert_threshold).where(*where))).rowcount > 0


def place_of(one: Alert) -> Place:
    """What an alert is of. Raises ValueError for a kind of another version of the program."""
    return Kind(one.kind), Subject(one.scope, one.subject)


def _standing(place: Place) -> tuple[ColumnElement[bool], ...]:
    kind, subject = place
    return (
        alert.c.kind == kind.value,
        alert.c.scope == subject.scope,
        alert.c.subject == subject.id,
        alert.c.cleared_ms.is_(None),
    )
