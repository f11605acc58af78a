"""What the engine refused by itself, taken from it every minute and kept."""

from __future__ import annotations

import asyncio

import structlog

from sipguard.calls.clock import Clock
from sipguard.sip.events import Engine
from sipguard.store import refusal
from sipguard.store.database import Database
from sipguard.store.refusal import OTHERS, Refusals

log = structlog.get_logger()

EVERY_SECONDS = 60.0


async def keep(engine: Engine, store: Database, clock: Clock) -> None:
    """Keep them until cancelled, and then what there is still."""
    try:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await look(engine, store, clock)
    finally:
        await look(engine, store, clock)


async def look(engine: Engine, store: Database, clock: Clock) -> None:
    """Keep what was refused since the last look."""
    kinds, rest = engine.take_refusals()
    now_ms = clock.now().unix_ms
    told = [
        Refusals(now_ms, one.source_host, one.method, one.status, one.count, one.sip_call_id) for one in kinds
    ]
    if rest:
        told.append(Refusals(now_ms, OTHERS, "", 0, rest, ""))
    if not told:
        return
    try:
        async with store.writing() as conn:
            await refusal.add(conn, sorted(told, key=lambda one: one.count))
    except Exception as error:  # a busy or failing store is the writer's to report; these are counted anyhow
        log.warning("refusals.not_kept", kinds=len(told), error=str(error))
