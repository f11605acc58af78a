"""What the steps of a call share: the engine, the books, the present calls. One exchange per proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from sipguard.calls.alarm import Alarms
from sipguard.calls.call import Call
from sipguard.calls.clock import Clock
from sipguard.calls.current import Current
from sipguard.calls.gateways import Gateways
from sipguard.calls.location import Locations
from sipguard.calls.naming import Naming
from sipguard.calls.notice import Notices
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.pace import Pace
from sipguard.sip.events import Engine
from sipguard.store.attempt import AttemptFile
from sipguard.store.writer import Counts, Record

if TYPE_CHECKING:
    from sipguard.calls.trace import Tracer

log = structlog.get_logger()


class Records(Protocol):
    """Where records go to be made durable (store.writer.Writer)."""

    healthy: bool
    """Records become durable."""
    counts: Counts

    @property
    def backlog(self) -> int:
        """Records that are not in the database yet."""

    def refusal(self) -> str | None:
        """Why the records of a new call could not be kept; None: they can."""

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        """Have a record written; `done` is called when it is durable."""


@dataclass(slots=True)
class Tally:
    """Counters since the start."""

    attempts: int = 0
    refused: int = 0
    answered: int = 0
    failed: int = 0
    failovers: int = 0
    cut: int = 0
    lost: int = 0
    """Calls whose ends had gone without a BYE."""


@dataclass(slots=True)
class Logged:
    """What came of credentials, since the start."""

    challenged: int = 0
    """Asked for a password; one without credentials yet, as a phone begins every time."""
    accepted: int = 0
    wrong: int = 0
    """A wrong password, or a user that there is not. What a brute-force guard is to watch."""
    stale: int = 0
    """Nonces that were too old or not ours."""
    replayed: int = 0
    """Nonce counts that had been used."""


@dataclass(slots=True)
class Exchange:
    """Everything that a step needs; replaced never, but for the directory, which is swapped whole."""

    engine: Engine
    writer: Records
    clock: Clock
    funds: Funds
    directory: Directory
    gateways: Gateways
    """Routing gateways of the directory as they are now: where they are, and whether in service."""
    kick: Callable[[], None]
    """Flush the engine soon: something was ordered outside its turn."""
    current: Current = field(default_factory=Current)
    pace: Pace = field(default_factory=Pace)
    locations: Locations = field(default_factory=Locations)
    alarms: Alarms = field(default_factory=Alarms)
    tally: Tally = field(default_factory=Tally)
    logged: Logged = field(default_factory=Logged)
    attempts: AttemptFile | None = None
    """Where attempts are kept while they are being set up; None: nowhere."""
    notices: Notices = field(default_factory=Notices)
    warning_seconds: int = 0
    """How long before its money ends a call is told of; 0: not at all."""
    charge_lost_calls: bool = False
    """A call whose end has gone costs until that was found, and not until it was last there."""
    tracer: Tracer | None = None
    """Wants to know whose calls are whose; None while nobody traces."""
    naming: Naming | None = None
    """Looks up the names of ends; None: they are reached where they were heard from."""
    draining: bool = False
    """No new calls; those that are up go on."""
    held_byes: set[int] = field(default_factory=set)
    """Calls whose BYE waits for its record."""

    def release(self, call: int) -> None:
        """Let what is held of a call go, now that it is recorded."""
        self.engine.release(call, self.clock.now().monotonic_ns)
        self.kick()

    def hangup(self, call: int, reason: str) -> None:
        """BYE in both directions; `reason`: value of the Reason header."""
        self.engine.hangup(call, reason, self.clock.now().monotonic_ns)
        self.kick()

    def over(self, call: Call) -> None:
        """A call that owes nothing is over: its holds and channels are free."""
        self.funds.release(call.id)
        self.current.drop(call)
