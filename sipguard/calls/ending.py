"""How sipguard itself ends an answered call: recorded first, then BYE to both sides with a Reason."""

from __future__ import annotations

from typing import NamedTuple

from sipguard.calls.call import Call
from sipguard.calls.closing import close, record
from sipguard.calls.exchange import Exchange


class Ending(NamedTuple):
    """One way to end a call."""

    name: str
    """Stable: what the CDR gives as its reason."""
    status: int
    """SIP status that says the same (RFC 3326 section 2)."""
    text: str
    q850: int
    """Cause value (ITU-T Q.850)."""

    @property
    def reason(self) -> str:
        """Value of the Reason header of the BYEs (RFC 3326)."""
        return f'SIP;cause={self.status};text="{self.text}", Q.850;cause={self.q850}'


_NORMAL, _REJECTED, _UNSPECIFIED, _TIMER = 16, 21, 31, 102

NOT_ENOUGH_MONEY = Ending("not_enough_money", 402, "Payment Required", _REJECTED)
MAX_CALL_SECONDS = Ending("max_call_seconds", 480, "Maximum call length", _NORMAL)
ACCOUNT_LOCKED = Ending("account_locked", 403, "Forbidden", _REJECTED)
ACCOUNT_EXPIRED = Ending("account_expired", 403, "Forbidden", _REJECTED)
PHONE_LOCKED = Ending("phone_locked", 403, "Forbidden", _REJECTED)
OPERATOR = Ending("operator", 480, "Ended by operator", _UNSPECIFIED)
CALLER_GONE = Ending("caller_gone", 408, "Caller does not answer", _TIMER)
CALLEE_GONE = Ending("callee_gone", 408, "Callee does not answer", _TIMER)
CALLER_OVER = Ending("caller_over", 481, "Call does not exist at caller", _UNSPECIFIED)
CALLEE_OVER = Ending("callee_over", 481, "Call does not exist at callee", _UNSPECIFIED)
NO_ACK = Ending("no_ack", 408, "No ACK", _TIMER)
SESSION_EXPIRED = Ending("session_expired", 408, "Session expired", _TIMER)


def end(exchange: Exchange, call: Call, ending: Ending, ended_ns: int | None = None) -> None:
    """Charge and record an answered call, then say BYE in both directions.

    `ended_ns`: when it was over, on the monotonic clock; None: now.
    """
    if ended_ns is None:
        ended_ns = exchange.clock.now().monotonic_ns
    closed = close(exchange, call, ended_ns, "sipguard", ending.name, ending.q850)
    record(exchange, closed, call.id, lambda: exchange.hangup(call.id, ending.reason))
