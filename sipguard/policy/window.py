"""When a row of a rate table counts: dates, days of the week and hours, on the clock of a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from sipguard.model.rate import ALL_DAYS, DAY_MINUTES, Rate, Window

_MINUTE_MS = 60_000
# What the calendar of Python knows, less a day for the offset of any zone: 1970 to 9999.
_LAST_MINUTE = 253_402_300_800 // 60 - 2 * DAY_MINUTES


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises ValueError where this machine does not know it."""
    if name == "UTC":  # known without a zone database, too
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r} in the zone database of this machine") from None


def is_open(window: Window, unix_ms: int, zone: tzinfo) -> bool:
    """Whether the window is open at a moment, its hours and days read on the clock of `zone`."""
    valid_from, valid_till, days, start, end = window
    if valid_from and unix_ms < valid_from * 1000:
        return False
    if valid_till is not None and unix_ms >= valid_till * 1000:
        return False
    if days == ALL_DAYS and (start, end) == (0, DAY_MINUTES):
        return True
    day, minute = _local(zone, unix_ms // _MINUTE_MS)
    if start < end:
        return bool(days >> day & 1) and start <= minute < end
    # Over midnight: the evening of its day, and the morning after it.
    return bool(days >> day & 1 and minute >= start) or bool(days >> (day - 1) % 7 & 1 and minute < end)


def precedence(rate: Rate) -> tuple[bool, int, int]:
    """Orders rows of one prefix, the first that is open counts: hours and days before the whole week, then
    the newest `valid_from`, then the newest row."""
    _, _, days, start, end = rate.window
    whole_week = days == ALL_DAYS and (start, end) == (0, DAY_MINUTES)
    return whole_week, -rate.window.valid_from, -rate.key


def first_open(rates: list[Rate], unix_ms: int, zone: tzinfo) -> Rate | None:
    """The row that prices a call at a moment, of all the rows whose prefix its number has."""
    ordered = sorted(rates, key=lambda rate: (-len(rate.prefix), *precedence(rate)))
    return next((rate for rate in ordered if is_open(rate.window, unix_ms, zone)), None)


@lru_cache(maxsize=1 << 10)
def _local(zone: tzinfo, unix_minute: int) -> tuple[int, int]:
    """Day of the week (Monday is 0) and minute of the day. Calls of one minute ask for the same again."""
    local = datetime.fromtimestamp(min(max(unix_minute, DAY_MINUTES), _LAST_MINUTE) * 60, zone)
    return local.weekday(), local.hour * 60 + local.minute
