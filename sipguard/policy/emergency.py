"""Emergency calls pass before everything: no lock, limit, section or balance stops them, and they are free.

They need a source that is known, for an unknown one has no trunk to answer on and would make sipguard an
open relay to the emergency services. The number is matched exactly, as received (112 is one, 1125 is not),
and leaves as it was matched: no number plan and no vendor's rewrite touches it.
"""

from __future__ import annotations

from sipguard.model.gateway import MappingGateway
from sipguard.model.verdict import Candidate, Level, Permit, Reason, Refusal
from sipguard.policy.chain import Chain
from sipguard.policy.directory import Directory
from sipguard.policy.health import Outages


def permit(
    called: str, calling: str, chain: Chain, gateway: MappingGateway, directory: Directory, out: Outages
) -> Permit | Refusal:
    """Permit the call to every emergency gateway in turn; refused only where the operator has named none.

    Those in `out` come last: better tried than refused.
    """
    if not directory.emergency_gateways:
        return Refusal(
            Reason.NO_ROUTE,
            level=None,
            rule="settings.emergency_gateway_ids",
            observed=f"no gateway for the emergency number {called}",
            required="a routing gateway for emergency calls",
        )
    return Permit(
        mapping_gateway=gateway,
        levels=tuple(Level(buyer.account, None, 0, buyer.income_ledger) for buyer in chain.buyers),
        called=called,
        calling=calling,
        # Route 0: no row of the routes leads here.
        candidates=tuple(
            Candidate(target, 0, None, 0, called)
            for target in sorted(directory.emergency_gateways, key=lambda target: target.key in out)
        ),
        slice_seconds=directory.settings.slice_seconds,
        max_seconds=None,
        revision=directory.revision,
        emergency=True,
    )
