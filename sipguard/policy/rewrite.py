"""Rewriting by rules: the customer's before anything is judged, the vendor's on what was judged.

Of a list the first rule that is about a number changes it, once; the others are not asked. What a vendor's
rules make is judged by the sections again, read as the vendor reads it, so that a rule opens no number that a
section closes (docs/decisions/0021-rewriting.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

from sipguard.model.gateway import NumberPlan, RoutingGateway
from sipguard.model.rewrite import RewriteRule, rewritten
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import number, section
from sipguard.policy.section import Ruling


class Screen(NamedTuple):
    """What a call's numbers have to pass once more where a vendor's rules have changed them."""

    rulings: tuple[Ruling, ...]
    """Of the caller's chain."""
    calling: str
    """As it was judged."""
    leading_zero: Container[str]
    """Settings.leading_zero_countries"""


def sent(gateway: RoutingGateway, called: str) -> str | None:
    """The number that leaves for a gateway: by its rules, then without its strip_digits, behind its prefix.

    None where nothing would be left of it.
    """
    if gateway.called_rewrite:
        called, _ = rewritten(gateway.called_rewrite, called)
    strip = gateway.strip_digits
    if strip >= len(called):
        return None
    return gateway.add_prefix + (called[strip:] if strip else called)


def refusal(gateway: RoutingGateway, called: str, screen: Screen) -> Refusal | None:
    """Why a gateway whose rules change the numbers of a call may not have it; None: it may.

    What can be read as no number is refused too: who knows what the vendor would make of it.
    """
    reads = plan(gateway)
    numbers = []
    for rules, judged in ((gateway.called_rewrite, called), (gateway.caller_rewrite, screen.calling)):
        made, rule = rewritten(rules, judged) if judged else (judged, None)
        if rule is not None:
            read = number.normalise(number.Dialled(made, None), reads, screen.leading_zero)
            if read is None:
                return Refusal(Reason.BAD_NUMBER, None, None, made, "a number in the gateway's plan")
            made = read
        numbers.append(made)
    if numbers == [called, screen.calling]:
        return None
    return section.refusal(screen.rulings, *numbers)


def plan(gateway: RoutingGateway) -> NumberPlan:
    """How a gateway reads the numbers that it is sent."""
    shown = gateway.presentation
    national = shown.national_prefix if shown.country_code is not None else None
    international = (shown.international_prefix,) if shown.international_prefix else ()
    return NumberPlan(shown.country_code, national or None, international)


def check(rules: Iterable[RewriteRule], strip_digits: int, add_prefix: str) -> None:
    """Raise ValueError where rules of called numbers and fixed prefixes of a gateway cannot go together."""
    for rule in rules:
        if rule.makes_plus and (strip_digits or add_prefix):
            raise ValueError(f"{rule.text!r} makes a +, which strip_digits and add_prefix would hide")
