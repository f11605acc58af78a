"""Which routing gateways are out of service, why, and until when: an in-memory state machine, told the time.

Four things take a gateway out, each by itself, and it is back when none holds: its name does not resolve, its
probes fail, its calls fail one after the other, or it has said itself when it wants to be asked again.
What is known is kept by the gateway's key, so a change of the configuration changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

_NS = 1_000_000_000


class Cause(StrEnum):
    """What has taken a gateway out."""

    UNRESOLVED = "unresolved"
    """Its name leads nowhere."""
    PROBES = "probes"
    """It does not answer OPTIONS."""
    CALLS = "calls"
    """Call after call could not be delivered to it."""
    RETRY_AFTER = "retry_after"
    """It has said so (RFC 3261 section 21.5.4)."""


class Outage(NamedTuple):
    """Why a gateway is out of service. Times are monotonic nanoseconds."""

    cause: Cause
    why: str
    """For people."""
    since_ns: int
    until_ns: int | None
    """None: until something tells otherwise."""

    def holds(self, now_ns: int) -> bool:
        """Whether it is not over yet."""
        return self.until_ns is None or now_ns < self.until_ns


class Rules(NamedTuple):
    """When a gateway is out, and when it is back."""

    down_after: int = 3
    """Probes that fail in a row."""
    up_after: int = 2
    """Probes that are answered in a row."""
    call_failures: int = 5
    """Calls that fail in a row; 0: calls tell nothing."""
    rest_seconds: int = 30
    """How long a gateway without probes then gets no calls. One more failure is enough for another rest."""
    retry_after_max_seconds: int = 300
    """The longest Retry-After that is obeyed; 0: none is."""


Outages = Mapping[int, Outage]
"""By key of the gateway. One that is over by its `until_ns` may still be there."""

NONE_OUT: Outages = {}


class Health:
    """The state of all routing gateways."""

    __slots__ = ("_calls", "_causes", "_changed", "_failed", "_passed", "out", "rules")

    def __init__(self, rules: Rules, changed: Callable[[int, Outage | None], None]) -> None:
        """`changed`: a gateway (by key) went out, or is back (None)."""
        self.rules = rules
        self.out: dict[int, Outage] = {}
        """What `decide` looks at: of each gateway the outage that lasts longest."""
        self._changed = changed
        self._causes: dict[int, dict[Cause, Outage]] = {}
        self._failed: dict[int, int] = {}
        self._passed: dict[int, int] = {}
        self._calls: dict[int, int] = {}

    def keep(self, keys: Collection[int]) -> None:
        """There are no other gateways any more."""
        for state in (self.out, self._causes, self._failed, self._passed, self._calls):
            for gone in state.keys() - set(keys):
                del state[gone]

    def resolved(self, key: int, why: str, now_ns: int) -> None:
        """`why` its name leads nowhere; empty: it leads somewhere."""
        if why:
            self._take_out(key, Cause.UNRESOLVED, why, now_ns, None)
        else:
            self._bring_back(key, Cause.UNRESOLVED, now_ns)

    def probed(self, key: int, failure: str, now_ns: int) -> None:
        """A probe had its answer; `failure`: what was wrong with it, empty: nothing."""
        if failure:
            self._passed.pop(key, None)
            self._failed[key] = failed = self._failed.get(key, 0) + 1
            if failed >= self.rules.down_after:
                self._take_out(key, Cause.PROBES, failure, now_ns, None)
            return
        self._failed.pop(key, None)
        self._calls.pop(key, None)
        if Cause.PROBES not in self._causes.get(key, ()):
            return
        self._passed[key] = passed = self._passed.get(key, 0) + 1
        if passed >= self.rules.up_after:
            del self._passed[key]
            self._bring_back(key, Cause.PROBES, now_ns)

    def not_probed(self, key: int, now_ns: int) -> None:
        """It gets no probes (any more), so that none will bring it back."""
        self._failed.pop(key, None)
        self._passed.pop(key, None)
        self._bring_back(key, Cause.PROBES, now_ns)

    def call_heard(self, key: int) -> None:
        """A gateway has answered an INVITE, whatever it said."""
        if key in self._calls:
            del self._calls[key]

    def call_failed(self, key: int, why: str, now_ns: int, probed: bool) -> None:
        """An INVITE could not be delivered, had no answer at all, or was refused by one that is overloaded.

        `probed`: probes will tell when it is back, so it is not tried with a call before.
        """
        if not self.rules.call_failures:
            return
        self._calls[key] = failed = self._calls.get(key, 0) + 1
        if failed < self.rules.call_failures:
            return
        # After the rest one more failure is enough.
        self._calls[key] = self.rules.call_failures - 1
        why = f"{failed} calls in a row failed, the last one by {why}"
        if probed:
            self._take_out(key, Cause.PROBES, why, now_ns, None)
        else:
            self._take_out(key, Cause.CALLS, why, now_ns, now_ns + self.rules.rest_seconds * _NS)

    def retry_after(self, key: int, seconds: int, now_ns: int) -> int:
        """A gateway has said when it wants to be asked again; returns how long that is obeyed, in seconds."""
        seconds = min(seconds, self.rules.retry_after_max_seconds)
        if seconds > 0:
            until_ns = now_ns + seconds * _NS
            self._take_out(key, Cause.RETRY_AFTER, f"it asked for {seconds} s of rest", now_ns, until_ns)
        return seconds

    def expire(self, key: int, now_ns: int) -> None:
        """Look whether the time of an outage is over."""
        causes = self._causes.get(key, {})
        for cause in [cause for cause, outage in causes.items() if not outage.holds(now_ns)]:
            self._bring_back(key, cause, now_ns)

    def _take_out(self, key: int, cause: Cause, why: str, now_ns: int, until_ns: int | None) -> None:
        causes = self._causes.setdefault(key, {})
        since = causes[cause].since_ns if cause in causes and causes[cause].holds(now_ns) else now_ns
        causes[cause] = Outage(cause, why, since, until_ns)
        self._settle(key, now_ns)

    def _bring_back(self, key: int, cause: Cause, now_ns: int) -> None:
        if self._causes.get(key, {}).pop(cause, None) is not None:
            self._settle(key, now_ns)

    def _settle(self, key: int, now_ns: int) -> None:
        was = self.out.get(key)
        holding = [outage for outage in self._causes[key].values() if outage.holds(now_ns)]
        if not holding:
            del self._causes[key]
            if was is not None:
                del self.out[key]
                self._changed(key, None)
            return
        # What has no end counts before what has one.
        longest = max(holding, key=lambda outage: (outage.until_ns is None, outage.until_ns or 0))
        self.out[key] = longest
        if was is None or was.cause is not longest.cause:
            self._changed(key, longest)
