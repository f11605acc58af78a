"""The record of one call from its permit to its end. Counts, holds and the CDR are derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sipguard.model.call import Attempt
from sipguard.model.cdr import GatewayTry
from sipguard.model.verdict import Candidate, Permit
from sipguard.policy.decide import Moment
from sipguard.sip.targets import Way

_NS_PER_MS = 1_000_000


@dataclass(slots=True, eq=False)
class Call:
    """A call that was permitted. Times are kept on one clock, so that a wall clock that jumps during the
    call changes neither its length nor the order of its moments."""

    id: int
    permit: Permit
    attempt: Attempt
    user_agent: str
    invited: Moment
    candidate: Candidate
    """The gateway that has the call, or is being asked."""
    position: int = 0
    """Index of `candidate` in the permit."""
    ways: tuple[Way, ...] = ()
    """To that gateway: the first is being tried, the others have not been (RFC 3263 section 4.3)."""
    contacts: list[str] = field(default_factory=list)
    """Where gateways have redirected it, as far as nobody has judged it yet."""
    redirected: set[str] = field(default_factory=set)
    """Numbers that it was redirected to and that were judged."""
    tries: list[GatewayTry] = field(default_factory=list)
    """Gateways that did not take it."""
    ringing_ms: int | None = None
    answered_ms: int | None = None
    """Unix milliseconds of the 2xx."""
    granted_seconds: int = 0
    """How long it may last by what is held for it."""
    proved_ms: int | None = None
    """Unix milliseconds until which both ends are known to have been there, since the 2xx; None: no more."""
    codecs_offered: str = ""
    codecs_answered: str = ""
    callee_user_agent: str = ""
    calling_sent: str | None = None
    """User part of From as its present gateway is told it; None: as it came."""
    slot: int = -1
    """Where it is kept while it is being set up (calls.unfinished); -1: nowhere."""
    ending: bool = False
    """Its end is recorded, or being recorded: no second one may be."""

    def unix_ms(self, now_ns: int) -> int:
        """A moment of this call as Unix milliseconds."""
        return self.invited.unix_ms + (now_ns - self.invited.monotonic_ns) // _NS_PER_MS

    @property
    def answered_ns(self) -> int:
        """The 2xx on the monotonic clock; of this run, also for a call of an earlier one."""
        assert self.answered_ms is not None
        return self._ns(self.answered_ms)

    @property
    def proved_ns(self) -> int:
        """Until when both ends are known to have been there, on the monotonic clock of this run."""
        return self.answered_ns if self.proved_ms is None else self._ns(self.proved_ms)

    def _ns(self, unix_ms: int) -> int:
        return self.invited.monotonic_ns + (unix_ms - self.invited.unix_ms) * _NS_PER_MS
