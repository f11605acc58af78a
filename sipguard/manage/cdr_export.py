"""Call records as a file: CSV for people and billing systems, JSON lines for programs. Text in, text out.

Every line stands for itself and begins with the number of its record, by which an export goes on where it
stopped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from sipguard.model.cdr import Cdr
from sipguard.model.money import Micros, format_micros
from sipguard.store.cdr_find import Stored

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What a spreadsheet would take for a formula at the beginning of a cell.
_FORMULA = ("=", "+", "-", "@")

Cells = Callable[[Cdr], object]


def json_lines(records: Iterable[Stored]) -> str:
    """A JSON object a line: the fields of a record as `cdr show --json` has them, its number before them."""
    return "".join(
        _encode({"sequence": sequence, **msgspec.structs.asdict(told)}).decode() + "\n"
        for sequence, told in records
    )


def csv_lines(records: Iterable[Stored], zone: tzinfo) -> str:
    """A CSV line for each record (RFC 4180, but for line ends of one character), times in `zone`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for sequence, told in records:
        cells = (_cell(read(told), zone) for read in _COLUMNS.values())
        writer.writerow((sequence, *cells))
    return out.getvalue()


def csv_header() -> str:
    """The first line of a CSV file."""
    return ",".join(("sequence", *_COLUMNS)) + "\n"


def last_sequence(line: str, kind: str) -> int | None:
    """The number at the beginning of a line of "csv" or "jsonl"; None for any other line."""
    front = '{"sequence":' if kind == "jsonl" else ""
    digits = line.removeprefix(front).split(",", 1)[0]
    number = line.startswith(front) and digits.isascii() and digits.isdecimal() and len(digits) <= 18
    return int(digits) if number else None


class _Time(int):
    """Unix milliseconds."""


class _Amount(int):
    """Micro-units."""


class _Seconds(int):
    """Milliseconds that are told as seconds."""


def _cell(value: object, zone: tzinfo) -> str:
    match value:
        case None:
            return ""
        case _Time():
            return (
                (_EPOCH + timedelta(milliseconds=value)).astimezone(zone).isoformat(timespec="milliseconds")
            )
        case _Amount():
            return format_micros(value)
        case _Seconds():
            return f"{value / 1000:.3f}"
        case str():
            return _safe(value)
        case _:
            return str(value)


def _safe(text: str) -> str:
    """What a peer wrote, made so that no spreadsheet reckons with it and no line is broken by it."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"'{plain}" if plain.lstrip(" \N{REPLACEMENT CHARACTER}").startswith(_FORMULA) else plain


def _optional(kind: type[int], value: int | None) -> int | None:
    return None if value is None else kind(value)


def _charge(told: Cdr) -> Micros | None:
    """What the calling account paid."""
    return _optional(_Amount, told.levels[0].charge_micros if told.levels else None)


def _income(told: Cdr) -> Micros | None:
    """What the operator got: from the top of the chain, without tax."""
    if not told.levels:
        return None
    return _Amount(told.levels[-1].charge_micros - told.levels[-1].tax_micros)


def _levels(told: Cdr) -> str:
    return "; ".join(
        f"{level.account_id} {format_micros(level.charge_micros)}"
        f" ({level.billed_seconds} s at {format_micros(level.rate_micros)},"
        f" balance {format_micros(level.balance_micros)})"
        for level in told.levels
    )


def _first(name: str, kind: type[int] | None = None) -> Cells:
    """A field of the calling account's charge."""

    def read(told: Cdr) -> object:
        if not told.levels:
            return None
        value: Any = getattr(told.levels[0], name)
        return value if kind is None else kind(value)

    return read


_COLUMNS: dict[str, Cells] = {
    "call": lambda told: told.call,
    "sip_call_id": lambda told: told.sip_call_id,
    "outcome": lambda told: told.outcome.value,
    "status": lambda told: told.status,
    "reason": lambda told: told.reason,
    "q850": lambda told: told.q850,
    "ended_by": lambda told: told.ended_by,
    "account": lambda told: told.account_id,
    "phone": lambda told: told.phone_id,
    "mapping_gateway": lambda told: told.mapping_gateway_id,
    "routing_gateway": lambda told: told.routing_gateway_id,
    "source": lambda told: told.source,
    "called_received": lambda told: told.called_received,
    "called": lambda told: told.called,
    "called_sent": lambda told: told.called_sent,
    "calling_received": lambda told: told.calling_received,
    "calling": lambda told: told.calling,
    "invited": lambda told: _Time(told.invited_ms),
    "ringing": lambda told: _optional(_Time, told.ringing_ms),
    "answered": lambda told: _optional(_Time, told.answered_ms),
    "ended": lambda told: _Time(told.ended_ms),
    "pdd_seconds": lambda told: _optional(_Seconds, told.pdd_ms),
    "duration_seconds": lambda told: _Seconds(told.duration_ms),
    "billed_seconds": _first("billed_seconds"),
    "prefix": _first("prefix"),
    "rate": _first("rate_micros", _Amount),
    "charge": _charge,
    "tax": _first("tax_micros", _Amount),
    "balance": _first("balance_micros", _Amount),
    "income": _income,
    "cost": lambda told: _Amount(told.cost_micros),
    "currency": lambda told: told.currency,
    "levels": _levels,
    "tries": lambda told: "; ".join(
        f"{tried.gateway_id} {tried.number} {tried.status} {tried.cause}" for tried in told.tries
    ),
    "refusal_level": lambda told: told.refusal_level,
    "refusal_rule": lambda told: told.refusal_rule,
    "refusal_observed": lambda told: told.refusal_observed,
    "refusal_required": lambda told: told.refusal_required,
    "codecs_offered": lambda told: told.codecs_offered,
    "codecs_answered": lambda told: told.codecs_answered,
    "user_agent": lambda told: told.user_agent,
    "callee_user_agent": lambda told: told.callee_user_agent,
    "revision": lambda told: told.revision,
    "calling_sent": lambda told: told.calling_sent,
}

_encode = msgspec.json.Encoder().encode
