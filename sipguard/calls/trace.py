"""Traces: SIP messages of one account, gateway or number, for who looks for a fault; of all for Homer.

The engine copies messages only while a session is open. Which calls a session wants is known once they are
judged; until then the engine keeps what came, so that a trace begins with the INVITE.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import msgspec

from sipguard.control import ControlError
from sipguard.model.call import Attempt
from sipguard.model.gateway import RoutingGateway
from sipguard.model.verdict import Permit, Refusal, Verdict
from sipguard.sip.events import Engine
from sipguard.sip.traced import Address, Traced

if TYPE_CHECKING:
    from sipguard.calls.call import Call
    from sipguard.calls.exchange import Exchange

DRAIN_SECONDS = 0.05
TAP_BYTES = 16 * 1024 * 1024
"""What the engine may hold between two looks: several times a full load's."""
SESSION_BYTES = 4 * 1024 * 1024
"""What a session may hold for a slow reader; beyond it the newest messages are counted and left out."""
SESSION_CALLS = 65_536
"""Calls that a session remembers as its own; beyond it the oldest are forgotten."""
SESSIONS_MAX = 8
READ_SECONDS = 1.0
"""How long a reader waits for something to come."""
IDLE_SECONDS = 30.0
"""A session that nobody has read for so long is closed: whoever opened it has gone."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a session wants: messages to which every one of these applies that is given; none given: all."""

    account: str | None = None
    """Calls of this account, and of those below it."""
    gateway: str | None = None
    """Calls through this mapping or routing gateway, and what else goes to or comes from it."""
    number: str | None = None
    """Calls from or to numbers that begin with these digits (E.164, or as dialled)."""

    @property
    def is_everything(self) -> bool:
        """Nothing is left out."""
        return self.account is None and self.gateway is None and self.number is None


@dataclass(slots=True, eq=False)
class Session:
    """An open trace."""

    id: int
    filter: Filter
    sink: Callable[[Traced], None] | None = None
    """Gets every message at once; None: they are kept to be read."""
    peers: frozenset[str] = frozenset()
    """Addresses of the gateway, where it has such: what they exchange with us beside calls is wanted too."""
    calls: dict[str, None] = field(default_factory=dict)
    """Call-IDs that it wants, the oldest first."""
    messages: deque[Traced] = field(default_factory=deque)
    held_bytes: int = 0
    dropped: int = 0
    """Messages that found no room, here or in the engine, since the last reading."""
    read_at: float = 0.0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[list[Traced], int]:
        """What has come, and how many messages were lost meanwhile."""
        messages, dropped = list(self.messages), self.dropped
        self.messages.clear()
        self.held_bytes, self.dropped = 0, 0
        self.came.clear()
        return messages, dropped

    def add(self, message: Traced) -> None:
        """One message that it wants."""
        if self.sink is not None:
            self.sink(message)
            return
        if self.held_bytes + len(message.data) > SESSION_BYTES:
            self.dropped += 1
        else:
            self.held_bytes += len(message.data)
            self.messages.append(message)
        self.came.set()


class Tracer:
    """All sessions over one engine."""

    def __init__(
        self,
        exchange: Exchange,
        loop: asyncio.AbstractEventLoop,
        listeners: Iterable[Address],
        clocks: Callable[[], tuple[int, int]],
    ) -> None:
        """`listeners`: by the engine's index. `clocks`: Unix time and monotonic time, in nanoseconds."""
        self._exchange, self._loop = exchange, loop
        self._engine: Engine = exchange.engine
        self._listeners = list(listeners)
        self._clocks = clocks
        self._ids = itertools.count(1)
        self._sessions: dict[int, Session] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def time(self) -> float:
        """Of the loop, in seconds."""
        return self._loop.time()

    def find(self, session: int) -> Session | None:
        """An open session."""
        return self._sessions.get(session)

    def open(self, wanted: Filter, sink: Callable[[Traced], None] | None = None) -> Session:
        """Begin a trace. Raises ValueError where the account or gateway is unknown, or too many are open."""
        if len(self._sessions) >= SESSIONS_MAX:
            raise ValueError(f"{SESSIONS_MAX} traces are open already")
        directory = self._exchange.directory
        if wanted.account is not None and directory.account(wanted.account) is None:
            raise ValueError(f"there is no account {wanted.account!r}")
        peers = self._peers(wanted.gateway) if wanted.gateway is not None else frozenset()
        session = Session(next(self._ids), wanted, sink, peers, read_at=self._loop.time())
        if not self._sessions:
            self._engine.trace(TAP_BYTES)
            self._exchange.tracer = self
            self._timer = self._loop.call_later(DRAIN_SECONDS, self._drain)
        self._sessions[session.id] = session
        self._aim()
        for call in self._exchange.current:
            self._offer(session, call.attempt, call.permit, call.candidate.gateway)
        return session

    def close(self, session: Session) -> None:
        """End a trace; with the last one the engine copies no more."""
        if self._sessions.pop(session.id, None) is None:
            return
        session.came.set()
        if self._sessions:
            self._aim()
            return
        self._exchange.tracer = None
        self._engine.trace(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def judged(self, attempt: Attempt, verdict: Verdict) -> None:
        """An attempt was judged."""
        for session in self._sessions.values():
            self._offer(session, attempt, verdict, None)

    def sent(self, call: Call) -> None:
        """A call goes to a gateway, the first or the next."""
        for session in self._sessions.values():
            if session.filter.gateway is not None:
                self._offer(session, call.attempt, call.permit, call.candidate.gateway)

    def _offer(
        self, session: Session, attempt: Attempt, verdict: Verdict, target: RoutingGateway | None
    ) -> None:
        if session.filter.is_everything or attempt.sip_call_id in session.calls:
            return
        if not _wants(session.filter, attempt, verdict, target):
            return
        session.calls[attempt.sip_call_id] = None
        if len(session.calls) > SESSION_CALLS:
            del session.calls[next(iter(session.calls))]
        self._engine.trace_call(attempt.sip_call_id)

    def _peers(self, gateway: str) -> frozenset[str]:
        """Networks of a gateway, by its id."""
        directory = self._exchange.directory
        for routing in directory.routing_gateways.values():
            if routing.id == gateway:
                return frozenset({routing.host} if _is_network(routing.host) else ())
        for mapping in directory.mapping_gateways.values():
            if mapping.id == gateway:
                return frozenset(mapping.sources)
        raise ValueError(f"there is no gateway {gateway!r}")

    def _aim(self) -> None:
        """Tell the engine what is wanted beside the calls that it is told of."""
        sessions = self._sessions.values()
        alone = [one for one in sessions if one.filter.account is None and one.filter.number is None]
        networks = sorted({peer for one in alone for peer in one.peers})
        self._engine.trace_peers(networks, any(one.filter.is_everything for one in sessions))

    def _drain(self) -> None:
        """Hand out what the engine has, and close what nobody reads."""
        self._timer = self._loop.call_later(DRAIN_SECONDS, self._drain)
        unix_ns, monotonic_ns = self._clocks()
        offset = unix_ns - monotonic_ns
        records, dropped = self._engine.traced()
        sessions = list(self._sessions.values())
        for session in sessions:
            session.dropped += dropped
        for record in records:
            here, there = self._listeners[record.listener], (record.host, record.port)
            message = Traced(
                (record.at_ns + offset) // 1000,
                record.transport,
                there if record.incoming else here,
                here if record.incoming else there,
                record.data,
                record.sip_call_id,
            )
            for session in sessions:
                if (
                    session.filter.is_everything
                    or record.sip_call_id in session.calls
                    or _comes_from(session, record.host)
                ):
                    session.add(message)
        now = self._loop.time()
        for session in sessions:
            if session.sink is None and now - session.read_at > IDLE_SECONDS:
                self.close(session)


def _wants(wanted: Filter, attempt: Attempt, verdict: Verdict, target: RoutingGateway | None) -> bool:
    if wanted.account is not None and wanted.account not in _accounts(verdict):
        return False
    if wanted.gateway is not None and wanted.gateway not in (
        _mapping_gateway(verdict),
        None if target is None else target.id,
    ):
        return False
    if wanted.number is None:
        return True
    numbers = (verdict.called, verdict.calling, attempt.request_user, attempt.from_user)
    return any(one is not None and one.removeprefix("+").startswith(wanted.number) for one in numbers)


def _accounts(verdict: Verdict) -> Iterable[str | None]:
    if isinstance(verdict, Permit):
        return [level.account.id for level in verdict.levels]
    return [verdict.account_id, verdict.level]


def _mapping_gateway(verdict: Permit | Refusal) -> str | None:
    return verdict.mapping_gateway.id if isinstance(verdict, Permit) else verdict.gateway_id


def _comes_from(session: Session, host: str) -> bool:
    if not session.peers or session.filter.account is not None or session.filter.number is not None:
        return False
    address = ip_address(host)
    return any(address in ip_network(peer) for peer in session.peers)


def _is_network(text: str) -> bool:
    """A routing gateway may have a name; what its address is, only its calls tell."""
    return text[:1].isdigit() or ":" in text


def commands(tracer: Tracer) -> dict[str, Callable[[dict[str, object]], object]]:
    """What the control socket can ask for: ``trace.open``, ``trace.read``, ``trace.close``."""

    def opened(args: dict[str, object]) -> object:
        try:
            wanted = msgspec.convert(args, Filter)
            return {"session": tracer.open(wanted).id}
        except (msgspec.ValidationError, ValueError) as error:
            raise ControlError(str(error)) from None

    async def read(args: dict[str, object]) -> object:
        """Wait a second at most for messages, and return them: bytes as base64."""
        session = _session(tracer, args)
        session.read_at = tracer.time()
        if not session.messages and not session.dropped:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.came.wait(), READ_SECONDS)
        messages, dropped = session.take()
        session.read_at = tracer.time()
        return {"messages": messages, "dropped": dropped}

    def closed(args: dict[str, object]) -> object:
        tracer.close(_session(tracer, args))
        return None

    return {"trace.open": opened, "trace.read": read, "trace.close": closed}


def _session(tracer: Tracer, args: dict[str, object]) -> Session:
    number = args.get("session")
    session = tracer.find(number) if isinstance(number, int) else None
    if session is None:
        raise ControlError(f"there is no trace {number!r}: it was not read for {IDLE_SECONDS:g} s, or closed")
    return session
