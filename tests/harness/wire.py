"""Calls as one party saw them on the wire: the ledger that the call records are held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.harness.sipp import WireMessage


@dataclass(slots=True)
class WireCall:
    """One Call-ID. Times are Unix seconds of the first such message, None where there was none."""

    invited_at: float | None = None
    answered_at: float | None = None
    """200 to the first INVITE."""
    bye_at: float | None = None
    """The first BYE, whoever sent it."""
    bye_answered_at: float | None = None
    bye_statuses: list[int] = field(default_factory=list)

    @property
    def talk_ms(self) -> float:
        """From the answer to the BYE. Both must have come."""
        if self.answered_at is None or self.bye_at is None:
            raise ValueError("the call was not both answered and ended")
        return (self.bye_at - self.answered_at) * 1000


def calls(messages: Iterable[WireMessage]) -> dict[str, WireCall]:
    """Every call of a ledger, by Call-ID, in order of its first message."""
    found: defaultdict[str, WireCall] = defaultdict(WireCall)
    for message in messages:
        call = found[message.call_id]
        match message.method, message.status:
            case "INVITE", None:
                call.invited_at = call.invited_at or message.at
            case "INVITE", 200:
                call.answered_at = call.answered_at or message.at
            case "BYE", None:
                call.bye_at = call.bye_at or message.at
            case "BYE", int() as status:
                call.bye_answered_at = call.bye_answered_at or message.at
                call.bye_statuses.append(status)
    return dict(found)
