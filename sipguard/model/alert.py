"""Alerts: what somebody has to look at. Raised and cleared by sipguard, acknowledged by people."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec


class Kind(StrEnum):
    """What is the matter. Names are stable: the store, webhooks and thresholds keep them."""

    CALL_SPIKE = "call_spike"
    """An account and those below it begin far more calls than usual."""
    BALANCE_FALLING = "balance_falling"
    """An account has spent much of what it had within minutes."""
    BALANCE_LOW = "balance_low"
    """An account has little left that calls could be paid from."""
    SUB_ACCOUNT_GROWTH = "sub_account_growth"
    """Far more accounts were made below an agent than usual."""
    GATEWAY_CHANGED = "gateway_changed"
    """A gateway was added, changed or removed. Nothing that passes: it stands until somebody has seen it."""
    CAPACITY = "capacity"
    """A gateway or an account is near its limit of concurrent calls."""
    GATEWAY_DOWN = "gateway_down"
    """A routing gateway is out of service."""
    ASR_COLLAPSE = "asr_collapse"
    """Far fewer calls are answered than usual."""
    AUDIT_DIFFERENCE = "audit_difference"
    """Counts, holds, calls and engine disagree: a mistake of sipguard's own."""
    DISK_FILLING = "disk_filling"
    """A disk that is written to has little room left."""


class Severity(StrEnum):
    """How soon somebody should look."""

    WARNING = "warning"
    CRITICAL = "critical"


SEVERITIES = {
    kind: Severity.CRITICAL
    if kind in (Kind.GATEWAY_DOWN, Kind.ASR_COLLAPSE, Kind.AUDIT_DIFFERENCE, Kind.DISK_FILLING)
    else Severity.WARNING
    for kind in Kind
}

OF_ACCOUNTS = (
    Kind.CALL_SPIKE,
    Kind.BALANCE_FALLING,
    Kind.BALANCE_LOW,
    Kind.SUB_ACCOUNT_GROWTH,
    Kind.CAPACITY,
    Kind.ASR_COLLAPSE,
)
"""Kinds whose threshold an account may have of its own."""


class Subject(NamedTuple):
    """What an alert is about."""

    scope: str
    """"system", "account" (with everything below it), "mapping_gateway", "routing_gateway" or "disk"."""
    id: str
    """Empty for the system."""


Place: TypeAlias = tuple[Kind, Subject]
"""One alert of a kind stands about a thing at a time."""


class Own(NamedTuple):
    """A threshold that an account has of its own."""

    account_key: int
    kind: Kind
    subtree: bool
    """Holds for everything below as well, where that has no nearer one."""
    value: int | None
    """In the unit of the kind; None: no such alerts."""


class Reading(msgspec.Struct, frozen=True):
    """One thing that was looked at, and where it would be alarming. Units are those of the kind."""

    kind: Kind
    subject: Subject
    value: float
    raise_at: float
    """Alarming from here on."""
    clear_at: float
    """Calm from here on; between the two nothing changes."""
    text: str
    """For people, with value and threshold."""
    falls: bool = False
    """Low values alarm, not high ones."""
    account_key: int | None = None
    """Under whose eyes it lies; None: the operator's alone."""


class Alert(msgspec.Struct, frozen=True):
    """One that was raised. Times are Unix milliseconds."""

    key: int
    """Number; a later one has a greater one."""
    kind: str
    severity: str
    scope: str
    subject: str
    text: str
    value: float
    threshold: float
    raised_ms: int
    cleared_ms: int | None
    """None: it stands."""
    acknowledged_ms: int | None
    acknowledged_by: str | None
    note: str
    """Of whoever acknowledged it."""
