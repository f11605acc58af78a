"""Names that are kept resolved, so that nobody who needs one waits: asked again before their time runs out.

Where the DNS fails, what was known is used on for a while (RFC 8767): a gateway is not gone because a name
server is. Where it says that there is nothing any more, that is believed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sipguard.sip.locate import Found, Lookup, LookupFailedError, Place, locate

_NS = 1_000_000_000

FRESH_SECONDS_MIN = 5
"""A record with a TTL of 0 is asked for this often all the same, and a wrong answer not more often."""
FRESH_SECONDS_MAX = 3600
"""However long a TTL is, a change is seen within the hour."""
LEAD_SECONDS = 30
"""Asked again this long before the TTL ends, or a fifth of it, if that is less."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 2, 60
"""After a failure; twice as long after each further one."""
ASKED_AT_ONCE = 32
"""Places that are looked up at the same time; the rest wait their turn."""
REMEMBERED_MAX = 1024
"""Places of URIs inside calls that are remembered; those that were not needed for longest go first."""


@dataclass(slots=True)
class Known:
    """What is known of one place, and when it has to be asked for again. Times are monotonic nanoseconds."""

    due_ns: int = 0
    """Ask again."""
    found: Found | None = None
    """None: nothing is known (yet, or any more)."""
    fresh_ns: int = 0
    """Until then by its TTL."""
    error: str = "not resolved yet"
    """What came of the last question; empty: an answer."""
    failures: int = 0
    """In a row."""
    asking: bool = False

    @property
    def why(self) -> str:
        """Why there is no location; empty where there is one."""
        if self.found is None:
            return self.error
        return self.found.why

    def took(self, found: Found, now_ns: int) -> None:
        """The DNS has answered."""
        seconds = min(max(found.ttl, FRESH_SECONDS_MIN), FRESH_SECONDS_MAX)
        self.found, self.error, self.failures = found, "", 0
        self.fresh_ns = now_ns + seconds * _NS
        self.due_ns = self.fresh_ns - min(LEAD_SECONDS * _NS, seconds * _NS // 5)

    def failed(self, error: str, now_ns: int, stale_seconds: int) -> None:
        """It has not."""
        wait = min(RETRY_SECONDS_MIN << min(self.failures, 8), RETRY_SECONDS_MAX)
        self.error, self.failures = error, self.failures + 1
        self.due_ns = now_ns + wait * _NS
        if now_ns > self.fresh_ns + stale_seconds * _NS:
            self.found = None


@dataclass(slots=True)
class Resolution:
    """How places are located."""

    lookup: Lookup
    transports: Sequence[str] = ("udp", "tcp", "tls")
    """Those that can be used, the preferred first."""
    families: Sequence[str] = ("AAAA", "A")
    """Address records that can be used, the preferred first (RFC 6724, RFC 7984)."""
    stale_seconds: int = 86_400
    """How long what was known is used where the DNS fails."""
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ASKED_AT_ONCE))

    async def locate(self, place: Place) -> Found:
        """Raises LookupFailedError."""
        async with self.at_once:
            return await locate(place, self.lookup, self.transports, self.families)


class Names:
    """The places of all gateways that are configured by name."""

    def __init__(
        self, resolution: Resolution, clock: Callable[[], int], changed: Callable[[Place], None]
    ) -> None:
        """`clock`: monotonic nanoseconds. `changed`: what is known of a place is not what it was."""
        self._resolution, self._clock, self._changed = resolution, clock, changed
        self._known: dict[Place, Known] = {}
        self._woken = asyncio.Event()
        self._asked: set[asyncio.Task[None]] = set()

    def watch(self, places: Iterable[Place]) -> None:
        """Keep these ready, and no others. What is known of one stays known."""
        wanted = dict.fromkeys(places)
        self._known = {place: self._known.get(place) or Known() for place in wanted}
        self._woken.set()

    def known(self, place: Place) -> Known:
        """Of a place that is watched; KeyError else."""
        return self._known[place]

    async def run(self) -> None:
        """Ask whenever it is time, until cancelled."""
        while True:
            self._woken.clear()
            self.ask_due()
            times = [known.due_ns for known in self._known.values() if not known.asking]
            wait = (min(times) - self._clock()) / _NS if times else None
            try:
                await asyncio.wait_for(self._woken.wait(), wait)
            except TimeoutError:
                continue

    def ask_due(self) -> None:
        """Begin to ask for everything that is due."""
        now = self._clock()
        for place, known in self._known.items():
            if known.due_ns <= now and not known.asking:
                known.asking = True
                task = asyncio.get_running_loop().create_task(self._ask(place, known))
                self._asked.add(task)
                task.add_done_callback(self._asked.discard)

    async def settled(self, seconds: float) -> None:
        """Wait until everything that is being asked for is known or failed, at most so long."""
        if self._asked:
            await asyncio.wait(tuple(self._asked), timeout=seconds)

    def stop(self) -> None:
        """Give up what is being asked for."""
        for task in self._asked:
            task.cancel()

    async def _ask(self, place: Place, known: Known) -> None:
        before = (known.found and known.found.priorities, known.why)
        try:
            found = await self._resolution.locate(place)
        except LookupFailedError as error:
            known.failed(str(error), self._clock(), self._resolution.stale_seconds)
        except Exception as error:  # whatever the library did not foresee in an answer is a failure, too
            known.failed(f"{type(error).__name__}: {error}", self._clock(), self._resolution.stale_seconds)
        else:
            known.took(found, self._clock())
        finally:
            known.asking = False
            self._woken.set()
        if (known.found and known.found.priorities, known.why) != before and self._known.get(place) is known:
            self._changed(place)


class Remembered:
    """Places that URIs inside calls name: looked up when they are needed, and remembered while they hold."""

    def __init__(self, resolution: Resolution, clock: Callable[[], int]) -> None:
        """`clock`: monotonic nanoseconds."""
        self._resolution, self._clock = resolution, clock
        self._known: OrderedDict[Place, tuple[int, Found]] = OrderedDict()
        self._asking: dict[Place, asyncio.Task[Found]] = {}

    def find(self, place: Place) -> Found | None:
        """What is remembered; None: it has to be asked for."""
        held = self._known.get(place)
        if held is None or held[0] <= self._clock():
            return None
        self._known.move_to_end(place)
        return held[1]

    async def ask(self, place: Place) -> Found:
        """What the DNS says. One question for all who ask at the same time.

        Raises LookupFailedError, at once where too many others are being asked for.
        """
        task = self._asking.get(place)
        if task is None:
            if len(self._asking) >= REMEMBERED_MAX:
                raise LookupFailedError("too many names at the same time")
            task = asyncio.get_running_loop().create_task(self._resolution.locate(place))
            self._asking[place] = task
            task.add_done_callback(lambda done: self._done(place, done))
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Give up what is being asked for."""
        for task in self._asking.values():
            task.cancel()

    def _done(self, place: Place, done: asyncio.Task[Found]) -> None:
        del self._asking[place]
        if done.cancelled() or done.exception() is not None:
            return
        found = done.result()
        seconds = min(max(found.ttl, FRESH_SECONDS_MIN), FRESH_SECONDS_MAX)
        self._known[place] = (self._clock() + seconds * _NS, found)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
