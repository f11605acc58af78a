"""Who calls, as others are told: what a trunk may present, what a gateway is shown (RFC 3323, RFC 3325)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CallerFormat(StrEnum):
    """How the judged number of the caller stands in From."""

    AS_RECEIVED = "as_received"
    """From as it came."""
    E164 = "e164"
    """``+442079460000``."""
    DIGITS = "digits"
    """``442079460000``."""
    NATIONAL = "national"
    """``02079460000`` within the gateway's country, ``0033...`` beyond it."""


class Asserts(StrEnum):
    """Who tells a gateway by whom the call is made."""

    PASSED = "passed"
    """A trusted trunk's own assertions pass; there are no others."""
    PAI = "pai"
    """We do, by P-Asserted-Identity with the judged number (RFC 3325)."""
    RPID = "rpid"
    """We do, by Remote-Party-ID."""


@dataclass(frozen=True, slots=True)
class CallerRule:
    """Which numbers a mapping gateway may present as its own."""

    number: str | None
    """E.164 digits that stand in for a number that it may not present; None: the caller is anonymous then."""
    prefixes: tuple[str, ...] | None
    """Fronts of numbers that it may present; None: any, so that `number` is only for callers without one.
    Empty: none, so that `number` is always presented."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """What a routing gateway is shown."""

    caller_format: CallerFormat = CallerFormat.AS_RECEIVED
    asserts: Asserts = Asserts.PASSED
    country_code: str | None = None
    """For `CallerFormat.NATIONAL`."""
    national_prefix: str = ""
    """Put before numbers of that country in place of its code."""
    international_prefix: str = "00"
    """Put before all others."""
    trusted: bool = False
    """Within our trust domain: told who calls though the caller asks for privacy (RFC 3325 section 5)."""
    hides_topology: bool = False
    """Neither it nor its callers see the other in Via, Record-Route and Contact."""
    hides_call_id: bool = False
    """With that: it is given another Call-ID."""

    @property
    def passes(self) -> bool:
        """The caller's own words reach it."""
        return self.caller_format is CallerFormat.AS_RECEIVED and self.asserts is Asserts.PASSED


AS_IT_IS = Presentation()
"""A gateway that is shown what the caller's side says."""
