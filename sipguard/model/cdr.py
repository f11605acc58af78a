"""Call detail records: one for every attempt, refused ones too."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from sipguard.model.money import Micros


class Outcome(StrEnum):
    """How an attempt went."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """By sipguard itself."""
    FAILED = "failed"
    """By the gateways: busy, no answer, error."""
    CANCELLED = "cancelled"
    """By the caller before an answer."""


class LevelCharge(msgspec.Struct, frozen=True, gc=False):
    """What one level of the chain paid for the call."""

    position: int
    """0 is the calling account."""
    account_id: str
    ledger: int
    income_ledger: int
    rate_key: int | None
    rate_micros: Micros
    """Price per minute."""
    billed_seconds: int
    charge_micros: Micros
    """All that the level paid, tax included."""
    balance_micros: Micros
    """Balance right after the charge."""
    tax_ppm: int = 0
    """By which rate the tax of this call was reckoned."""
    tax_micros: Micros = 0
    """The part of the charge that is tax."""
    prefix: str = ""
    """Of the row that priced the call, the one that `rate_key` names; empty where the level has no price."""


class GatewayTry(msgspec.Struct, frozen=True, gc=False):
    """One routing gateway that was asked, and what it said."""

    gateway_id: str
    number: str
    status: int
    """Final SIP status; 408 for no answer, 503 for a transport error, 200 for the one that answered."""
    cause: str
    """"response", "timeout", "transport" or "cancelled"."""


class Cdr(msgspec.Struct, frozen=True):
    """One attempt. Times are Unix milliseconds; None where the moment never came."""

    call: int
    """Our own call id: instance epoch and sequence; the idempotency key of its charge."""
    sip_call_id: str
    outcome: Outcome
    source: str
    """Address and port that the INVITE came from."""
    account_id: str | None
    mapping_gateway_id: str | None
    routing_gateway_id: str | None
    """The one that answered, or the last one tried."""
    called_received: str
    called: str | None
    called_sent: str | None
    calling_received: str
    calling: str | None
    invited_ms: int
    ringing_ms: int | None
    answered_ms: int | None
    ended_ms: int
    duration_ms: int
    """From the 2xx to the end; 0 for calls that were not answered."""
    status: int
    """SIP status that the caller got."""
    reason: str | None
    """Stable name of the refusal (verdict.Reason) or of the cut; None for an ordinary end."""
    q850: int | None
    ended_by: str
    """"caller", "callee", "sipguard" or "gateway"."""
    refusal_level: str | None
    refusal_rule: str | None
    refusal_observed: str | None
    refusal_required: str | None
    cost_micros: Micros
    """What the vendor charges."""
    revision: int
    """Directory revision that was judged by."""
    user_agent: str
    """Of the caller: User-Agent of the INVITE."""
    tries: tuple[GatewayTry, ...]
    levels: tuple[LevelCharge, ...]
    callee_user_agent: str = ""
    """Of the side that answered: Server or User-Agent of the 2xx."""
    codecs_offered: str = ""
    """Of the SDP in the INVITE, by name, in the order of preference: "PCMA,PCMU,telephone-event"."""
    codecs_answered: str = ""
    """Of the SDP in the 2xx."""
    currency: str = ""
    """Of every amount here; empty where no account was found that would pay."""
    phone_id: str | None = None
    """The phone that called, where the call came from one."""
    calling_sent: str | None = None
    """User part of From as the gateway was told it; None: as it came, or the call went nowhere."""

    @property
    def pdd_ms(self) -> int | None:
        """Post-dial delay: from the INVITE to the first 18x, or to the answer where none came before it."""
        heard_ms = self.answered_ms if self.ringing_ms is None else self.ringing_ms
        return None if heard_ms is None else heard_ms - self.invited_ms
