"""What a call needs of the money of every level and of the vendor: before it leaves, and while it lasts."""

from __future__ import annotations

from collections.abc import Iterator

from sipguard.model.money import Micros, format_micros
from sipguard.model.rate import Rate
from sipguard.model.verdict import Candidate, Level, Permit, Reason, Refusal
from sipguard.policy.funds import Funds, Want
from sipguard.policy.rating import cost_of, max_seconds
from sipguard.policy.refusal import account_rule


def refusal(levels: tuple[Level, ...], funds: Funds) -> Refusal | None:
    """Refuses where a level cannot pay for the first slice; the caller's account is asked first."""
    for level in levels:
        required = level.hold_micros
        if not required:
            continue
        account = level.account
        available = funds.available(account.balance_ledger, account.credit_limit_micros)
        if available < required:
            return Refusal(
                Reason.NOT_ENOUGH_MONEY,
                account.id,
                account_rule(account, "balance"),
                observed=f"{format_micros(available)} available",
                required=format_micros(required),
            )
    return None


def holds(permit: Permit, candidate: Candidate) -> list[Want]:
    """What `Funds.hold` has to get before the INVITE leaves: every level's slice, and the vendor's."""
    wanted = [
        Want(level.account.balance_ledger, level.hold_micros, level.account.credit_limit_micros)
        for level in permit.levels
        if level.hold_micros
    ]
    if candidate.hold_micros:
        wanted.append(vendor_hold(candidate))
    return wanted


def vendor_hold(candidate: Candidate) -> Want:
    """The vendor's part of `holds`, for `Funds.retarget` when the next gateway is tried."""
    gateway = candidate.gateway
    return Want(gateway.clearing_ledger, candidate.hold_micros, gateway.vendor_credit_micros)


def renewal(permit: Permit, candidate: Candidate, held_seconds: int, wanted_seconds: int) -> list[Want]:
    """What `Funds.extend` has to get so that a call that holds `held_seconds` may last `wanted_seconds`."""
    wanted = []
    for ledger, credit_limit, rate in _payers(permit, candidate):
        more = cost_of(rate, wanted_seconds) - cost_of(rate, held_seconds)
        if more > 0:
            wanted.append(Want(ledger, more, credit_limit))
    return wanted


def affordable_seconds(call: int, permit: Permit, candidate: Candidate, funds: Funds) -> int | None:
    """How long the call may last by all the money there is now, its own holds included; None: without end.

    The least over every level and the vendor, each floored on its own increments. What is granted here is
    granted by `Funds.extend` in the same step.
    """
    least: int | None = None
    for ledger, credit_limit, rate in _payers(permit, candidate):
        if credit_limit is None:
            continue
        # A credit limit that was lowered during the call takes nothing back that is held already.
        spare = max(0, funds.available(ledger, credit_limit))
        seconds = max_seconds(rate, funds.held_by(call, ledger) + spare)
        if seconds is not None and (least is None or seconds < least):
            least = seconds
    return least


def _payers(permit: Permit, candidate: Candidate) -> Iterator[tuple[int, Micros | None, Rate]]:
    """Ledger, credit limit and rate of whoever pays for the call and has a limit."""
    for level in permit.levels:
        if level.rate is not None:
            yield level.account.balance_ledger, level.account.credit_limit_micros, level.rate
    gateway = candidate.gateway
    if candidate.cost is not None and gateway.vendor_credit_micros is not None:
        yield gateway.clearing_ledger, gateway.vendor_credit_micros, candidate.cost
