"""What is served at which path: /metrics, /stats, /calls, /healthz, /readyz."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from sipguard.calls import hangup, report
from sipguard.calls.exchange import Exchange
from sipguard.control import ControlError
from sipguard.watch.http import Request, Response, problem
from sipguard.watch.metrics import CONTENT_TYPE, Exposition
from sipguard.watch.summary import Summary

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Those for which nobody has to prove anything: they tell whether, and nothing else."""

FRESH_SECONDS = 1.0
"""Figures that are no older are told again: a scrape costs once, however many ask."""

PATIENCE_SECONDS = 0.5
"""How long an answer waits for newer figures where the database is slow."""

CALLS = 100
CALLS_MAX = 1_000


class Endpoints:
    """The handler of the listener."""

    def __init__(
        self,
        exchange: Exchange,
        summary: Summary,
        exposition: Exposition,
        count: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count`: have new records counted. `clock`: seconds that only go forward."""
        self._exchange, self._summary, self._exposition = exchange, summary, exposition
        self._count, self._clock = count, clock
        self._counted_at = self._rendered_at = -FRESH_SECONDS
        self._rendered = b""
        self._busy = asyncio.Lock()
        self._counting: asyncio.Future[None] | None = None
        self._paths: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/metrics": self._metrics,
            "/stats": self._stats,
            "/calls": self._calls,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        served = self._paths.get(request.path)
        if served is None:
            return problem(404, f"served are {', '.join(self._paths)}")
        return await served(request)

    async def _healthz(self, _: Request) -> Response:
        """The loop turns, and the engine answers: a process that is not restarted."""
        self._exchange.engine.stats()
        return _json({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        reasons = self._summary.now.not_ready()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _metrics(self, _: Request) -> Response:
        async with self._busy:
            if self._clock() - self._rendered_at >= FRESH_SECONDS:
                await self._fresh()
                snapshot = await self._summary.snapshot()
                self._rendered = await asyncio.to_thread(self._exposition.render, snapshot)
                self._rendered_at = self._clock()
        return Response(200, self._rendered, CONTENT_TYPE)

    async def _stats(self, request: Request) -> Response:
        async with self._busy:
            await self._fresh()
        told = await self._summary.stats(request.query.get("account"))
        if told is None:
            return problem(404, f"there is no account {request.query['account']}")
        return _json(await report.in_steps(told, "gateways"))

    async def _calls(self, request: Request) -> Response:
        """Present calls, the oldest first, a page at a time: `after` is the last one of the page before."""
        limit, after = _whole(request, "limit", CALLS), _whole(request, "after", 0)
        if limit is None or after is None or not 1 <= limit <= CALLS_MAX:
            return problem(400, f"limit is a number from 1 to {CALLS_MAX}, after is the number of a call")
        named = [name for name in ("account", "gateway") if name in request.query]
        if len(named) > 1:
            return problem(400, "account and gateway exclude each other")
        try:
            ids = (
                hangup.selected(self._exchange, named[0], request.query[named[0]])
                if named
                else self._exchange.current.ids()
            )
        except ControlError as error:
            return problem(404, str(error))
        found = await report.page(self._exchange, ids, after, limit + 1)
        more = found[limit - 1]["call"] if len(found) > limit else None
        told = {"calls": found[:limit], "total": len(ids), "next": more}
        return _json(await report.in_steps(told, "calls"))

    async def _fresh(self) -> None:
        """Have what was recorded until now be counted, as far as that takes no time."""
        if self._clock() - self._counted_at < FRESH_SECONDS:
            return
        self._counted_at = self._clock()
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._count())
        await asyncio.wait({self._counting}, timeout=PATIENCE_SECONDS)


def _whole(request: Request, name: str, default: int) -> int | None:
    """A parameter that is a number; None where it is none."""
    text = request.query.get(name)
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _json(value: object, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value))
