"""Rates and sections as texts: what the store makes of a row in SQL and the index of policy takes in, without
a value of Python for each of ten million in between.

    key TAB space TAB prefix TAB plain TAB value TAB shape TAB label

A rate: the space is its table, the value its price per minute, the label its destination; the shape is all
else, which many rows have in common; plain is 1 where the row has no window. A section: the space is its
account and direction, the value 1 where it allows and 0 where it blocks.
"""

from __future__ import annotations

from typing import NamedTuple

from sipguard.model.money import Micros
from sipguard.model.rate import ALWAYS, Rate, Tier, Window
from sipguard.model.section import Action, Direction, Section


class RateShape(NamedTuple):
    """What rates have in common, see `Rate`."""

    connect_fee_micros: Micros
    initial_seconds: int
    next_seconds: int
    grace_seconds: int
    minimum_seconds: int
    minimum_micros: Micros
    tiers: tuple[Tier, ...]
    window: Window


def rate(row: Rate) -> str:
    """A rate as a text."""
    window = row.window
    till = "" if window.valid_till is None else window.valid_till
    tiers = " ".join(f"{after}:{micros}" for after, micros in row.tiers)
    shape = (
        f"{row.connect_fee_micros}/{row.initial_seconds}/{row.next_seconds}/{row.grace_seconds}/"
        f"{row.minimum_seconds}/{row.minimum_micros}/{window.valid_from}/{till}/{window.days}/"
        f"{window.from_minute}/{window.till_minute}/{tiers}"
    )
    plain = int(window == ALWAYS)
    return f"{row.key}\t{row.table_key}\t{row.prefix}\t{plain}\t{row.rate_micros}\t{shape}\t{row.destination}"


def rate_shape(text: str) -> RateShape:
    """The shape of a rate."""
    fee, initial, following, grace, least_seconds, least, since, till, days, start, end, tiers = text.split(
        "/"
    )
    return RateShape(
        int(fee),
        int(initial),
        int(following),
        int(grace),
        int(least_seconds),
        int(least),
        tuple(Tier(*map(int, tier.split(":"))) for tier in tiers.split()),
        Window(int(since), int(till) if till else None, int(days), int(start), int(end)),
    )


def section(row: Section) -> str:
    """A section as a text."""
    space = section_space(row.account_key, row.direction)
    return f"{row.key}\t{space}\t{row.prefix}\t1\t{int(row.action is Action.ALLOW)}\t\t"


def section_space(account_key: int, direction: Direction) -> int:
    """Where the sections of an account for one direction are."""
    return account_key << 1 | (direction is Direction.CALLING)
