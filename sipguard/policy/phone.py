"""Phones as parties of a call: a trunk of its own when one calls, a gateway of its own when it is called.

So every rule for trunks and gateways holds for them unchanged. Their keys as such are negative, and so
never those of a gateway of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.model.phone import CallerCheck, Phone
from sipguard.model.verdict import Candidate, Reason, Refusal
from sipguard.policy.capacity import Counts
from sipguard.policy.refusal import shown

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

ANSWER_TIMEOUT_MS = 6_000
"""A phone that says nothing at all for so long is gone, and the next contact is tried. Longer than for
gateways: radio links of sleeping phones take seconds to wake."""

RING_TIMEOUT_MS = 181_000
"""Timer C (RFC 3261 section 16.6), as for gateways."""


def ingress_key(phone_key: int) -> int:
    """Key of the mapping gateway, and of the routing gateway, that a phone is."""
    return -phone_key


def phone_id(phone: Phone) -> str:
    """How records name it where they name gateways."""
    return f"phone:{phone.id}"


def ingress(phone: Phone) -> MappingGateway:
    """The phone as what calls come in through. Its call limit is counted apart: both directions share it."""
    return MappingGateway(
        key=ingress_key(phone.key),
        id=phone_id(phone),
        account_key=phone.account_key,
        sources=(),
        capacity=None,
        cps_limit=phone.cps_limit,
        locked=phone.lock.bars_outgoing,
        number_plan=phone.number_plan,
        routing_gateway_keys=None,
        trusted=False,
        called_rewrite=phone.called_rewrite,
    )


def egress(phone: Phone) -> RoutingGateway:
    """The phone as what calls go out through. It costs nothing; where it is, its registration tells."""
    return RoutingGateway(
        key=ingress_key(phone.key),
        id=phone_id(phone),
        host="",
        port=0,
        transport="udp",
        capacity=None,
        cps_limit=None,
        locked=phone.lock.bars_incoming,
        clearing_ledger=0,
        cost_table_key=None,
        vendor_credit_micros=None,
        strip_digits=0,
        add_prefix="",
        answer_timeout_ms=ANSWER_TIMEOUT_MS,
        ring_timeout_ms=RING_TIMEOUT_MS,
        failover_codes=frozenset(),
        dials_by_to=False,
        takes_refer=False,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A phone, prepared."""

    phone: Phone
    gateway: RoutingGateway
    """What `egress` makes of it."""


class Phones:
    """All phones, by key and by number. Immutable; `changed` makes the next."""

    __slots__ = ("_by_number", "_lines", "by_ingress", "by_key")

    by_key: Mapping[int, Phone]
    by_ingress: Mapping[int, MappingGateway]
    """The phones as what calls come in through, by the keys of those."""

    def __init__(self, phones: Iterable[Phone]) -> None:
        """Raises ValueError that names two phones with one number."""
        self.by_key = {phone.key: phone for phone in phones}
        self.by_ingress = {ingress_key(phone.key): ingress(phone) for phone in self.by_key.values()}
        self._by_number = self._enter({}, self.by_key.values())
        self._lines: dict[int, Line] = {}

    def changed(self, changes: Mapping[int, Phone | None]) -> Phones:
        """With other phones, by key (None: gone). Raises ValueError that names two with one number."""
        following = Phones(())
        now = [phone for phone in changes.values() if phone is not None]
        following.by_key = _without(self.by_key, changes) | {phone.key: phone for phone in now}
        following.by_ingress = _without(self.by_ingress, map(ingress_key, changes)) | {
            ingress_key(phone.key): ingress(phone) for phone in now
        }
        before = (self.by_key[key] for key in changes if key in self.by_key)
        numbers = _without(self._by_number, (number for phone in before for number in phone.numbers))
        following._by_number = following._enter(numbers, now)
        return following

    def calling_through(self, gateway: MappingGateway) -> Phone | None:
        """The phone that this mapping gateway is; None for a trunk."""
        return self.by_key.get(-gateway.key)

    def at(self, number: str) -> Line | None:
        """The phone that is called at this number (E.164 digits)."""
        key = self._by_number.get(number)
        if key is None:
            return None
        line = self._lines.get(key)
        if line is None:
            phone = self.by_key[key]
            line = self._lines[key] = Line(phone, egress(phone))
        return line

    def _enter(self, numbers: dict[str, int], phones: Iterable[Phone]) -> dict[str, int]:
        for phone in phones:
            for number in phone.numbers:
                other = numbers.setdefault(number, phone.key)
                if other != phone.key:
                    raise ValueError(
                        f"number {number} belongs to {self.by_key[other].id!r} and to {phone.id!r}"
                    )
        return numbers


def _without(items: Mapping[_Key, _Value], keys: Iterable[_Key]) -> dict[_Key, _Value]:
    left = dict(items)
    for key in keys:
        left.pop(key, None)
    return left


def caller(phone: Phone, username: str, from_user: str, calling: str) -> tuple[str, Refusal | None]:
    """The calling number by which a call of this phone is judged: its own, whatever From says. And the
    refusal, where From names another and the phone is set to be refused then.

    `calling`: what From says as E.164 digits, empty where that is no number. A From without a number, or with
    the user's name, claims nothing and passes.
    """
    if calling in phone.numbers:
        return calling, None
    own = phone.numbers[0] if phone.numbers else ""
    if not calling or from_user == username or phone.caller_check is CallerCheck.FORCE:
        return own, None
    return own, Refusal(
        Reason.CALLER_REFUSED,
        phone_id(phone),
        f"{phone_id(phone)}.caller_check",
        observed=shown(from_user),
        required=f"one of its own numbers: {', '.join(phone.numbers) or 'it has none'}",
    )


def full(phone: Phone, counts: Counts) -> Refusal | None:
    """Refuses where the phone has all the calls, in both directions, that it may have."""
    if phone.call_limit is None:
        return None
    key = ingress_key(phone.key)
    calls = counts.mapping_gateway(key) + counts.routing_gateway(key)
    if calls < phone.call_limit:
        return None
    return Refusal(
        Reason.CONCURRENT_LIMIT,
        phone_id(phone),
        f"{phone_id(phone)}.call_limit",
        observed=f"{calls} calls",
        required=f"fewer than {phone.call_limit} calls",
    )


def candidates(line: Line, called: str, counts: Counts) -> tuple[Candidate, ...] | Refusal:
    """The phone that has the called number, as the only gateway for the call."""
    phone = line.phone
    if phone.lock.bars_incoming:
        return Refusal(
            Reason.PHONE_LOCKED,
            phone_id(phone),
            f"{phone_id(phone)}.lock",
            observed=f"lock {phone.lock}",
            required="a phone that may be called",
        )
    no = full(phone, counts)
    if no is not None:
        return no
    # Route 0: no row of the routes leads here.
    return (Candidate(line.gateway, 0, None, 0, called),)
