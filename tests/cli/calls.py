"""Three calls of the demo's customers: one answered and charged, one refused, one with a hostile caller."""

from __future__ import annotations

import sqlite3
from typing import Any

from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.model.ledger import Entry, Posting
from sipguard.store.batch import CallClosed

ANSWERED, REFUSED, HOSTILE = (1 << 40) + 1, (1 << 40) + 2, (1 << 40) + 3

# What each level pays for 61 seconds to a mobile in Bangladesh (config/demo.toml): 120 s at 1.30 and 0.10,
# 66 s at 1.00 and 0.05, 61 s at 0.80; Vendor-B takes 61 s at 0.65.
CHARGES = {"Customer-001": 2_700_000, "Dhaka-Retail-Sub": 1_150_000, "BD-Wholesale-Agent": 813_333}
COST = 660_833

_FIELDS: dict[str, Any] = {
    "sip_call_id": "a84b4c76e66710@192.0.2.1",
    "outcome": Outcome.ANSWERED,
    "source": "127.0.0.2:5060",
    "account_id": "Customer-001",
    "mapping_gateway_id": "Customer-001-trunk",
    "routing_gateway_id": "Vendor-B",
    "called_received": "01711000001",
    "called": "8801711000001",
    "called_sent": "8801711000001",
    "calling_received": "8801700000001",
    "calling": "8801700000001",
    "invited_ms": 1_700_000_000_000,
    "ringing_ms": 1_700_000_000_500,
    "answered_ms": 1_700_000_002_000,
    "ended_ms": 1_700_000_063_000,
    "duration_ms": 61_000,
    "status": 200,
    "reason": None,
    "q850": 16,
    "ended_by": "caller",
    "refusal_level": None,
    "refusal_rule": None,
    "refusal_observed": None,
    "refusal_required": None,
    "cost_micros": COST,
    "revision": 9,
    "user_agent": "Asterisk",
    "callee_user_agent": "Vendor-B SBC",
    "codecs_offered": "PCMA,PCMU",
    "codecs_answered": "PCMA",
    "currency": "BDT",
    "tries": (
        GatewayTry("Vendor-A", "8801711000001", 503, "response"),
        GatewayTry("Vendor-B", "8801711000001", 200, "response"),
    ),
}
_NOT_ANSWERED = {
    "outcome": Outcome.REFUSED,
    "routing_gateway_id": None,
    "called_sent": None,
    "ringing_ms": None,
    "answered_ms": None,
    "ended_ms": 1_700_000_100_000,
    "invited_ms": 1_700_000_100_000,
    "duration_ms": 0,
    "status": 403,
    "q850": 21,
    "ended_by": "sipguard",
    "cost_micros": 0,
    "tries": (),
    "levels": (),
}


def records(connection: sqlite3.Connection) -> list[CallClosed]:
    """The calls, as the daemon writes them; `connection` tells the keys of the ledger accounts."""
    owned = "SELECT id, l.key FROM account a JOIN ledger_account l ON l.account_key = a.key WHERE kind = ?"
    balance = dict(connection.execute(owned, ("balance",)))
    revenue = dict(connection.execute(owned, ("revenue",)))
    house = dict(
        connection.execute(
            "SELECT kind, key FROM ledger_account WHERE account_key IS NULL AND routing_gateway_key IS NULL"
        )
    )
    (vendor,) = connection.execute(
        "SELECT l.key FROM routing_gateway g JOIN ledger_account l ON l.routing_gateway_key = g.key"
        " WHERE g.id = 'Vendor-B'"
    ).fetchone()

    chain = list(CHARGES)
    income = [*(revenue[agent] for agent in chain[1:]), house["revenue"]]
    levels = tuple(
        LevelCharge(
            position, id, balance[id], income[position], None, rate, billed, CHARGES[id], left, prefix="880"
        )
        for position, (id, rate, billed, left) in enumerate(
            zip(
                chain,
                (1_300_000, 1_000_000, 800_000),
                (120, 66, 61),
                (497_300_000, 4_998_850_000, 49_999_186_667),
                strict=True,
            )
        )
    )
    postings = [Posting(vendor, -COST), Posting(house["cost"], COST)]
    for level in levels:
        postings += (
            Posting(level.ledger, -level.charge_micros),
            Posting(level.income_ledger, level.charge_micros),
        )
    refusal = {
        "called_received": "14155550100",
        "called": "14155550100",
        "reason": "section_blocked",
        "refusal_level": "Dhaka-Retail-Sub",
        "refusal_rule": "account:Dhaka-Retail-Sub.sections",
        "refusal_observed": "14155550100",
        "refusal_required": "one of 880",
    }
    unknown = {
        "source": "127.0.0.99:5060",
        "account_id": None,
        "mapping_gateway_id": None,
        "called": None,
        "calling": None,
        "called_received": "[red]1[/red]\x1b[2J",
        "reason": "unknown_source",
        "refusal_observed": "127.0.0.99",
        "refusal_required": "a source of some mapping gateway",
        "user_agent": "friendly\x1b]0;pwned\x07 [bold]scanner",
        "sip_call_id": "7",
    }
    return [
        CallClosed(
            Cdr(**_FIELDS, call=ANSWERED, levels=levels),
            Entry(f"call:{ANSWERED}", "call", _FIELDS["ended_ms"], tuple(postings)),
        ),
        CallClosed(Cdr(**{**_FIELDS, **_NOT_ANSWERED, **refusal, "call": REFUSED}), None),
        CallClosed(Cdr(**{**_FIELDS, **_NOT_ANSWERED, **unknown, "call": HOSTILE}), None),
    ]
