"""The calling number: which one is judged, and how it is told to a gateway. Judged is sent, here too.

A trusted trunk's P-Asserted-Identity goes before From (RFC 3325 section 5); what a trunk may not present is
replaced before anything is judged by it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from sipguard.model.call import Attempt
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.model.presentation import Asserts, CallerFormat, CallerRule, Presentation
from sipguard.model.rewrite import rewritten
from sipguard.model.verdict import Permit
from sipguard.policy import number


class Presented(NamedTuple):
    """What a gateway is told of the caller in place of what the caller's headers say."""

    user: str | None
    """User part of From; empty: anonymous; None: as it came."""
    keeps_name: bool
    """The display name may stay: it belongs to the number."""
    asserted: str | None
    """User part that we assert; empty: nobody; None: what the trunk asserts."""
    by_remote_party: bool
    """By Remote-Party-ID instead of P-Asserted-Identity."""


def judged(attempt: Attempt, gateway: MappingGateway, leading_zero: Container[str]) -> str:
    """The calling number in E.164 digits; empty for anonymous callers, and for names."""
    calling, rules = "", gateway.caller_rewrite
    if gateway.trusted and attempt.asserted_user:
        calling = number.calling(attempt.asserted_user, gateway.number_plan, leading_zero, rules)
    if not calling:
        calling = number.calling(attempt.from_user, gateway.number_plan, leading_zero, rules)
    rule = gateway.caller
    if rule is None:
        return calling
    if calling and (rule.prefixes is None or calling.startswith(rule.prefixes)):
        return calling
    return rule.number or ""


def is_replaced(
    attempt: Attempt, gateway: MappingGateway, calling: str, leading_zero: Container[str]
) -> bool:
    """Whether `calling`, which was judged, is not what From says."""
    return calling != number.calling(attempt.from_user, gateway.number_plan, leading_zero)


def presented(permit: Permit, gateway: RoutingGateway) -> Presented | None:
    """What the gateway is told of the caller of a permitted call; None: the caller's own words."""
    return told(permit.mapping_gateway, permit.calling, permit.caller_replaced, gateway)


def told(trunk: MappingGateway, calling: str, replaced: bool, gateway: RoutingGateway) -> Presented | None:
    """What a gateway is told of `calling`, which was judged; `replaced`: From says something else."""
    shown, rule = gateway.presentation, trunk.caller
    text, by_rule = rewritten(gateway.caller_rewrite, calling) if calling else ("", None)
    replaced = replaced or by_rule is not None
    if shown.passes and rule is None and not trunk.caller_rewrite and not replaced:
        return None
    if calling and by_rule is None:
        text = written(calling, shown)
    user = None
    if calling and (replaced or shown.caller_format is not CallerFormat.AS_RECEIVED):
        user = text
    elif not calling and (replaced or rule is not None):
        user = ""
    asserted = None
    if shown.asserts is not Asserts.PASSED:
        asserted = text
    elif trunk.trusted and (rule is not None or trunk.caller_rewrite or by_rule is not None):
        asserted = text  # what it asserts itself may be a number that it may not present
    return Presented(user, not replaced, asserted, shown.asserts is Asserts.RPID)


def written(calling: str, shown: Presentation) -> str:
    """E.164 digits as the gateway wants them. Where it wants them as received and they were not: with "+"."""
    match shown.caller_format:
        case CallerFormat.DIGITS:
            return calling
        case CallerFormat.NATIONAL:
            if shown.country_code is not None and calling.startswith(shown.country_code):
                return shown.national_prefix + calling[len(shown.country_code) :]
            return shown.international_prefix + calling
        case _:
            return f"+{calling}"


def check(rule: CallerRule | None) -> None:
    """Raise ValueError that names the number where one that a trunk may present is none."""
    if rule is None:
        return
    for digits in rule.prefixes or ():
        if not _is_number(digits):
            raise ValueError(f"caller prefix is not digits: {digits!r}")
    if rule.number is not None and not _is_number(rule.number):
        raise ValueError(f"caller number is not digits: {rule.number!r}")


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) <= number.DIGITS_MAX
