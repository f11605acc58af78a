"""What many screens ask of the proxy alike is asked once: the calls pay for one, however many look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

FRESH_SECONDS = 1.0
"""What is no older is told again."""


class Screens:
    """Answers of the proxy that are shared by who asks the same; nobody may change them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that only go forward."""
        self._clock = clock
        self._kept: dict[tuple[object, ...], tuple[float, asyncio.Future[object]]] = {}

    async def share(self, ask: Callable[..., Awaitable[object]], command: str, **args: object) -> object:
        """The answer, up to a second old. `ask` is called where there is none; raises what it raises."""
        key, now = (command, *sorted(args.items())), self._clock()
        at, answer = self._kept.get(key, (0.0, None))
        if answer is None or now - at >= FRESH_SECONDS:
            self._kept = {other: one for other, one in self._kept.items() if now - one[0] < FRESH_SECONDS}
            answer = asyncio.ensure_future(ask(command, **args))
            self._kept[key] = now, answer
        return await asyncio.shield(answer)  # who goes away does not take it from the others

    def forget(self) -> None:
        """Something was changed: who asks next sees it."""
        self._kept.clear()
