"""The decision: the order of the checks of design section 6, on one screen.

Each check lives in the module of its noun, and the first that fails is the answer. A decision changes
nothing: whoever acts on a permit takes, in the same step and with nothing awaited between,
`Funds.hold(call, credit.holds(permit, candidate))`, `Pace.take(permit, ...)` and `Pace.take_route(...)`.
"""

from __future__ import annotations

from typing import NamedTuple

from sipguard.model.call import Attempt
from sipguard.model.verdict import Candidate, Permit, Reason, Refusal, Verdict
from sipguard.policy import caller, capacity, chain, credit, emergency, identity, number, phone, rate, section
from sipguard.policy.capacity import Counts
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.health import NONE_OUT, Outages
from sipguard.policy.pace import Pace
from sipguard.policy.refusal import named, shown
from sipguard.policy.rewrite import Screen


class Moment(NamedTuple):
    """One instant, on both clocks."""

    unix_ms: int
    """For validity dates, and the hours and days of rates."""
    monotonic_ns: int
    """For calls per second."""


def decide(
    attempt: Attempt,
    directory: Directory,
    funds: Funds,
    counts: Counts,
    pace: Pace,
    now: Moment,
    out: Outages = NONE_OUT,
) -> Verdict:
    """Judge a call attempt. Never raises, whatever the attempt says, and takes nothing from anybody.

    `out`: the routing gateways that are out of service.
    """
    settings = directory.settings
    ingress = identity.ingress(attempt, directory)
    if isinstance(ingress, Refusal):
        return ingress
    gateway, dialled, is_emergency = ingress
    agents = directory.chain(gateway.account_key)
    account = agents.accounts[0]

    zeros = settings.leading_zero_countries
    calling = caller.judged(attempt, gateway, zeros)
    own = directory.phones.calling_through(gateway) if gateway.key < 0 else None
    claims_another = None
    if own is not None:
        calling, claims_another = phone.caller(own, attempt.user, attempt.from_user, calling)
    if dialled is not None and is_emergency:
        verdict = emergency.permit(dialled.digits, calling, agents, gateway, directory, out)
        if isinstance(verdict, Refusal):
            return named(verdict, gateway, account, dialled.digits, calling)
        return verdict

    no = identity.refusal(gateway) or chain.refusal(agents, now.unix_ms) or claims_another
    if no is not None:
        return named(no, gateway, account, None, calling)
    called = None
    if dialled is not None:
        rules = () if attempt.redirected_to else gateway.called_rewrite
        called = number.normalise(dialled, gateway.number_plan, zeros, rules)
    if called is None:
        return named(_bad_number(attempt), gateway, account, None, calling)
    no = section.refusal(agents.rulings, called, calling)
    if no is not None:
        return named(no, gateway, account, called, calling)
    levels = rate.levels(agents, directory.rates, called, now.unix_ms, settings.free_levels)
    if isinstance(levels, Refusal):
        return named(levels, gateway, account, called, calling)
    no = (
        capacity.refusal(agents, gateway, counts, pace, now.monotonic_ns)
        or (phone.full(own, counts) if own is not None else None)
        or credit.refusal(levels, funds)
    )
    if no is not None:
        return named(no, gateway, account, called, calling)
    candidates: tuple[Candidate, ...] | Refusal
    line = directory.phones.at(called)
    if line is not None:
        candidates = phone.candidates(line, called, counts)
    else:
        candidates = directory.routes.candidates(
            called,
            attempt.sip_call_id,
            gateway,
            account.currency,
            levels[-1].rate,
            directory.rates,
            funds,
            counts,
            pace,
            now.unix_ms,
            now.monotonic_ns,
            out,
            Screen(agents.rulings, calling, zeros),
        )
    if isinstance(candidates, Refusal):
        return named(candidates, gateway, account, called, calling)
    return Permit(
        gateway,
        levels,
        called,
        calling,
        candidates,
        settings.slice_seconds,
        agents.max_call_seconds,
        directory.revision,
        caller_replaced=(gateway.caller is not None or own is not None or gateway.caller_rewrite != ())
        and caller.is_replaced(attempt, gateway, calling, zeros),
    )


def _bad_number(attempt: Attempt) -> Refusal:
    return Refusal(
        Reason.BAD_NUMBER,
        level=None,
        rule=None,
        observed=shown(attempt.redirected_to or attempt.request_user),
        required=f"a number in the trunk's number plan, at most {number.DIGITS_MAX} digits",
    )
