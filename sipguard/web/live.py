"""What goes on at this moment, told to every open page: the proxy is asked once a second for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

import msgspec
import structlog

from sipguard.control import ControlError

log = structlog.get_logger()

SECONDS = 1.0
"""Between two questions to the proxy."""

PROMPT_SECONDS = 0.2
"""The same while pages are being opened: who is the first to look at something does not wait for long."""

Ask = Callable[[Collection[str | None]], Awaitable[Mapping[str | None, object]]]
"""Asks for the figures of some accounts, each with all below it; None is everything. Raises ControlError."""


class Live:
    """One per process. While somebody listens, the proxy is asked, for all who listen at once; what is told
    of one subject is written once, however many listen to it."""

    def __init__(self, ask: Ask, seconds: float = SECONDS, prompt_seconds: float = PROMPT_SECONDS) -> None:
        self._ask = ask
        self._seconds, self._prompt_seconds = seconds, min(seconds, prompt_seconds)
        self._channels: dict[str | None, _Channel] = {}
        self._asking: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()

    async def listen(self, account_id: str | None) -> AsyncIterator[bytes]:
        """Server-sent events with a JSON document each, the newest first of all; one that is missed is not
        told again."""
        channel = self._channels.get(account_id)
        if channel is None:
            channel = self._channels[account_id] = _Channel()
            self._joined.set()
        channel.listeners += 1
        if self._asking is None:
            self._asking = asyncio.create_task(self._follow())
        try:
            seen = 0
            while True:
                if channel.number == seen:
                    await channel.news.wait()
                seen = channel.number
                yield channel.newest
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                del self._channels[account_id]
            if not self._channels and self._asking is not None:
                self._asking.cancel()
                self._asking = None

    async def _follow(self) -> None:
        while True:
            self._joined.clear()
            wanted = dict(self._channels)
            told: Mapping[str | None, object]
            try:
                told = await self._ask(wanted.keys())
            except ControlError as error:
                told = _unavailable(wanted, str(error))
            except Exception as error:  # a bug of ours, or the database: who looks is told, and looks on
                log.error("live.failed", error=repr(error))
                told = _unavailable(wanted, "something went wrong, the log has more")
            for subject, channel in wanted.items():
                channel.tell(told[subject])
            await asyncio.sleep(self._prompt_seconds)
            try:
                async with asyncio.timeout(self._seconds - self._prompt_seconds):
                    await self._joined.wait()
            except TimeoutError:
                pass


def _unavailable(subjects: Collection[str | None], why: str) -> dict[str | None, object]:
    return {subject: {"unavailable": why} for subject in subjects}


class _Channel:
    """What is told of one subject, and who waits for it."""

    def __init__(self) -> None:
        self.listeners = 0
        self.number = 0
        """Of the newest event; 0: there is none yet."""
        self.newest = b""
        self.news = asyncio.Event()
        """Of the next one."""

    def tell(self, told: object) -> None:
        """Have all who listen hear this."""
        self.newest = b"data: " + msgspec.json.encode(told) + b"\n\n"
        self.number += 1
        self.news.set()
        self.news = asyncio.Event()
