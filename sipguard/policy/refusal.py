"""How refusals are worded, in one place. Formatting is for refusals only: a permit formats nothing."""

from __future__ import annotations

from msgspec.structs import replace

from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway
from sipguard.model.verdict import Refusal

_SHOWN_MAX = 64


def shown(text: str) -> str:
    """Text from the network as printable ASCII of bounded length, for CDRs and logs."""
    return ascii(text[:_SHOWN_MAX])[1:-1]


def account_rule(account: Account, field: str) -> str:
    """Rule id of a field of an account: "account:acme.call_limit"."""
    return f"account:{account.id}.{field}"


def gateway_rule(gateway: MappingGateway, field: str) -> str:
    """Rule id of a field of a mapping gateway: "gateway:acme-trunk.capacity"."""
    return f"gateway:{gateway.id}.{field}"


def named(
    refusal: Refusal, gateway: MappingGateway, account: Account, called: str | None, calling: str | None
) -> Refusal:
    """The refusal with what was known of the call by then."""
    return replace(refusal, account_id=account.id, gateway_id=gateway.id, called=called, calling=calling)
