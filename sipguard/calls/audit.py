"""Compares what must agree at every moment, a few calls at a time: counts, holds, calls and the engine.

Nothing is repaired: a difference is a mistake in the program, and a person has to see it. It is told once, as
a notice that names it, and counted for as long as it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange, log
from sipguard.policy.rating import cost_of

SLICE = 200
"""Calls that are compared in one go: a millisecond or two."""

PAUSE_SECONDS = 0.02
"""Between two slices: a round over 100,000 calls takes some ten seconds, and a tenth of a core at most."""

ROUND_SECONDS = 5.0
"""Between two rounds."""

TOLD_MOST = 20
"""Differences that are told by name in one round; all are counted."""


class Auditor:
    """One per proxy."""

    def __init__(self, exchange: Exchange, slice_calls: int = SLICE) -> None:
        """`slice_calls`: compared in one go."""
        self._exchange = exchange
        self._slice = slice_calls
        self.rounds = 0
        self.differences = 0
        """Found in the last whole round."""
        self.found = 0
        """Different ones since the start."""
        self._known: set[str] = set()
        self._strangers: set[int] = set()
        """Not up in the engine in the round before: the event that says why may have been on its way."""

    def state(self) -> dict[str, int]:
        """For `status`."""
        return {"rounds": self.rounds, "differences": self.differences, "found": self.found}

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round(PAUSE_SECONDS)
            except Exception:
                log.exception("audit.round_failed")

    async def round(self, pause_seconds: float = 0) -> list[str]:
        """Compare everything once; the differences, in words."""
        found = [difference async for difference in self._compare(pause_seconds)]
        self.rounds += 1
        self.differences = len(found)
        new = [difference for difference in found if difference not in self._known]
        self._known = set(found)
        self.found += len(new)
        now_ms = self._exchange.clock.now().unix_ms
        for difference in new[:TOLD_MOST]:
            self._exchange.notices.tell("audit.difference", now_ms, what=difference, found=len(found))
        return found

    async def _compare(self, pause_seconds: float) -> AsyncIterator[str]:
        exchange = self._exchange
        recount = exchange.funds.recount()
        try:
            strangers: set[int] = set()
            for at, call_id in enumerate(exchange.current.ids()):
                if at and at % self._slice == 0:
                    await asyncio.sleep(pause_seconds)
                call = exchange.current.find(call_id)
                if call is not None:
                    for difference in self._call(call, strangers):
                        yield difference
            self._strangers = strangers
            for kind, keys in exchange.current.keys().items():
                for at, key in enumerate(keys):
                    if at and at % self._slice == 0:
                        await asyncio.sleep(pause_seconds)
                    for difference in exchange.current.faults(kind, key):
                        yield difference
            while recount.count(self._slice):  # noqa: ASYNC110  (there is no event to wait for)
                await asyncio.sleep(pause_seconds)
        except BaseException:
            while recount.count(self._slice):
                pass
            recount.finish()
            raise
        for ledger, (held, by_calls) in recount.finish().items():
            yield f"ledger {ledger} holds {held} micro-units, its calls {by_calls}"
        totals = exchange.funds.sums()
        if totals.calls != len(exchange.current):
            yield f"{totals.calls} calls hold money, {len(exchange.current)} are there"

    def _call(self, call: Call, strangers: set[int]) -> Iterator[str]:
        exchange = self._exchange
        yield from exchange.current.missing(call)
        if call.ending:
            yield f"call {call.id} is over and counted"
        if call.answered_ms is None:
            return
        if not exchange.engine.is_up(call.id):
            strangers.add(call.id)
            if call.id in self._strangers:
                yield f"call {call.id} is charged and not up"
        if call.permit.emergency:
            return
        holds = exchange.funds.holds_of(call.id)
        for level in call.permit.levels:
            if level.rate is None:
                continue
            ledger = level.account.balance_ledger
            owed, held = cost_of(level.rate, call.granted_seconds), holds.get(ledger, 0)
            if held < owed:
                yield (
                    f"call {call.id} holds {held} micro-units on ledger {ledger}, "
                    f"its granted time costs {owed}"
                )
