"""What the engine refuses by itself gets into the store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sipguard.calls import refusals
from sipguard.policy.decide import Moment
from sipguard.sip.events import Engine
from sipguard.store import database, refusal
from sipguard.store.refusal import Refusals


class FixedClock:
    boot = b""

    def now(self) -> Moment:
        return Moment(1_700_000_000_000, 0)


def request(call_id: str, method: str = "INVITE") -> bytes:
    return (
        f"{method} sip:1@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\n"
        f"From: <sip:a@h>;tag=1\r\nTo: <sip:1@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n"
        "Max-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def test_what_was_refused_is_kept_once(tmp_path: Path) -> None:
    engine = Engine(epoch=1, seed=bytes(32))
    listener = engine.add_listener("192.0.2.9", 5060)

    async def run() -> list[Refusals]:
        store = database.create(tmp_path / "sipguard.db")
        try:
            await refusals.look(engine, store, FixedClock())  # nothing yet, and no row for it
            for number in range(3):
                engine.receive(0, listener, "192.0.2.1", 5060, request(f"c{number}"))
            for number in range(300):
                engine.receive(0, listener, f"10.0.{number // 200}.{number % 200}", 5060, request("x"))
            await refusals.look(engine, store, FixedClock())
            await refusals.look(engine, store, FixedClock())
            async with store.reading() as conn:
                return await refusal.newest(conn, limit=1_000)
        finally:
            await store.close()

    others, *kinds = sorted(asyncio.run(run()), key=lambda row: -row.count)
    assert others == Refusals(1_700_000_000_000, "others", "", 0, 300 - 255, "")
    assert kinds[0] == Refusals(1_700_000_000_000, "192.0.2.1", "INVITE", 483, 3, "c0")
    assert len(kinds) == 256
