"""What refusals answer: reason -> SIP status, phrase, Q.850 cause. One table; design section 6 is its source.

A matter of policy never answers 503 or Retry-After: peers take the whole trunk out of service on it. The
phrase and the Reason header say what RFC 3261 and Q.850 call the status and the cause, and nothing of the
chain: level, rule and values stay in the CDR.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sipguard.model.verdict import Reason


class Answer(NamedTuple):
    """What the caller gets instead of a call."""

    status: int
    """SIP status (RFC 3261 section 21)."""
    phrase: str
    q850: int
    """Cause value (ITU-T Q.850)."""
    retry_after: int | None = None
    """Seconds, for a Retry-After header (RFC 3261 section 20.33)."""

    @property
    def reason(self) -> str:
        """Value of the Reason header (RFC 3326)."""
        return _REASON_VALUES[self.q850]


OVERLOADED_RETRY_SECONDS = 5
"""Long enough for a burst to pass, short enough that a peer does not take the trunk for dead."""

_ABSENT = 20
_CALL_REJECTED = 21
_NO_CIRCUIT = 34
_CONGESTION = 42
_OUT_OF_ORDER = 38
_NO_ROUTE = 3
_INVALID_NUMBER = 28
_TEMPORARY_FAILURE = 41

_CAUSE_TEXTS = {
    _NO_ROUTE: "No route to destination",
    _ABSENT: "Subscriber absent",
    _CALL_REJECTED: "Call rejected",
    _INVALID_NUMBER: "Invalid number format",
    _NO_CIRCUIT: "No circuit available",
    _OUT_OF_ORDER: "Network out of order",
    _TEMPORARY_FAILURE: "Temporary failure",
    _CONGESTION: "Switching equipment congestion",
}
_REASON_VALUES = {cause: f'Q.850;cause={cause};text="{text}"' for cause, text in _CAUSE_TEXTS.items()}

_FORBIDDEN = Answer(403, "Forbidden", _CALL_REJECTED)

ANSWERS: Mapping[Reason, Answer] = MappingProxyType(
    {
        Reason.STORE_DOWN: Answer(503, "Service Unavailable", _TEMPORARY_FAILURE),
        Reason.OVERLOADED: Answer(503, "Service Unavailable", _CONGESTION, OVERLOADED_RETRY_SECONDS),
        Reason.UNKNOWN_SOURCE: _FORBIDDEN,
        Reason.TECH_PREFIX_MISSING: _FORBIDDEN,
        Reason.CREDENTIALS_REFUSED: _FORBIDDEN,
        Reason.GATEWAY_LOCKED: _FORBIDDEN,
        Reason.ACCOUNT_LOCKED: _FORBIDDEN,
        Reason.ACCOUNT_EXPIRED: _FORBIDDEN,
        Reason.CALLER_REFUSED: _FORBIDDEN,
        Reason.BAD_NUMBER: Answer(484, "Address Incomplete", _INVALID_NUMBER),
        Reason.SECTION_BLOCKED: _FORBIDDEN,
        Reason.NO_RATE: Answer(404, "Not Found", _NO_ROUTE),
        Reason.RATE_CAP: _FORBIDDEN,
        Reason.CONCURRENT_LIMIT: Answer(480, "Temporarily Unavailable", _NO_CIRCUIT),
        Reason.CALLS_PER_SECOND: Answer(480, "Temporarily Unavailable", _CONGESTION),
        Reason.NOT_ENOUGH_MONEY: Answer(402, "Payment Required", _CALL_REJECTED),
        Reason.PHONE_LOCKED: Answer(480, "Temporarily Unavailable", _CALL_REJECTED),
        Reason.NO_ROUTE: Answer(404, "Not Found", _NO_ROUTE),
        Reason.MARGIN: _FORBIDDEN,
        Reason.GATEWAYS_DOWN: Answer(480, "Temporarily Unavailable", _OUT_OF_ORDER),
        Reason.GATEWAYS_FULL: Answer(480, "Temporarily Unavailable", _NO_CIRCUIT),
        Reason.NOT_REGISTERED: Answer(480, "Temporarily Unavailable", _ABSENT),
    }
)
"""Every reason has its answer; a reason added to the model without one fails the tests."""


def answer(reason: Reason) -> Answer:
    """What a call that is refused for this reason is answered with."""
    return ANSWERS[reason]
