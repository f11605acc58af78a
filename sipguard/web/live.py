"""What goes on at this moment, told to every open page: the proxy is asked once a second, not by each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from sipguard.control import ControlError

SECONDS = 1.0
"""Between two questions to the proxy."""

Ask = Callable[[str | None], Awaitable[object]]
"""Asks for the figures of everything, or of an account with all below it. Raises ControlError."""


class Live:
    """One per process. A channel (everything, or one account) is asked about while somebody listens to it."""

    def __init__(self, ask: Ask, seconds: float = SECONDS) -> None:
        self._ask = ask
        self._seconds = seconds
        self._channels: dict[str | None, _Channel] = {}

    async def listen(self, account_id: str | None) -> AsyncIterator[bytes]:
        """JSON documents, the newest first of all; one that is missed is not told again."""
        channel = self._channels.get(account_id)
        if channel is None:
            channel = self._channels[account_id] = _Channel()
            channel.asking = asyncio.create_task(self._follow(account_id, channel))
        channel.listeners += 1
        try:
            seen = -1
            while True:
                async with channel.news:
                    while channel.number == seen:
                        await channel.news.wait()
                    seen, newest = channel.number, channel.newest
                if newest:
                    yield newest
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                del self._channels[account_id]
                channel.asking.cancel()

    async def _follow(self, account_id: str | None, channel: _Channel) -> None:
        while True:
            try:
                told = await self._ask(account_id)
            except ControlError as error:
                told = {"unavailable": str(error)}
            async with channel.news:
                channel.newest = msgspec.json.encode(told)
                channel.number += 1
                channel.news.notify_all()
            await asyncio.sleep(self._seconds)


class _Channel:
    """What is told of one subject, and who waits for it."""

    def __init__(self) -> None:
        self.listeners = 0
        self.number = -1
        """Of the newest document; -1: there is none yet."""
        self.newest = b""
        self.news = asyncio.Condition()
        self.asking: asyncio.Task[None]
