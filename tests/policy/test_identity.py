"""Whose call it is: the true source address alone, the most specific network first (B01, B18)."""

from __future__ import annotations

import pytest

from sipguard.policy.identity import Sources
from tests.policy.world import mapping_gateway

SOURCES = Sources(
    [
        mapping_gateway(1, sources=("10.0.0.0/8", "2001:db8::/32")),
        mapping_gateway(2, sources=("10.1.0.0/16", "2001:db8:1::/48")),
        mapping_gateway(3, sources=("10.1.2.3/32", "2001:db8:1::7/128")),
        mapping_gateway(4, sources=("192.0.2.1", "::ffff:198.51.100.0/120")),
    ]
)


def owner(sources: Sources, host: str) -> str | None:
    """Whose address it is, where no tech prefixes tell several apart."""
    sharers = sources.find(host)
    if sharers is None:
        return None
    assert sharers.bare is not None
    assert sharers.gateways == (sharers.bare,)
    return sharers.bare.id


@pytest.mark.parametrize(
    ("host", "gateway_id"),
    [
        ("10.9.9.9", "trunk-1"),
        ("10.1.9.9", "trunk-2"),
        ("10.1.2.3", "trunk-3"),
        ("10.1.2.4", "trunk-2"),
        ("::ffff:10.1.2.3", "trunk-3"),
        ("::ffff:10.1.9.9", "trunk-2"),
        ("::FFFF:0a01:0203", "trunk-3"),
        ("192.0.2.1", "trunk-4"),
        ("198.51.100.77", "trunk-4"),
        ("2001:db8:ffff::1", "trunk-1"),
        ("2001:db8:1::1", "trunk-2"),
        ("2001:db8:1::7", "trunk-3"),
        ("2001:0DB8:0001:0:0:0:0:0007", "trunk-3"),
    ],
)
def test_the_most_specific_network_owns_an_address(host: str, gateway_id: str) -> None:
    assert owner(SOURCES, host) == gateway_id


@pytest.mark.parametrize(
    "host", ["11.0.0.1", "192.0.2.2", "2001:db9::1", "::1", "", "acme", "10.1.2.3:5060", "\0"]
)
def test_strangers_and_nonsense_have_no_gateway(host: str) -> None:
    assert SOURCES.find(host) is None


def test_everywhere_is_a_network_too() -> None:
    sources = Sources(
        [mapping_gateway(1, sources=("0.0.0.0/0",)), mapping_gateway(2, sources=("127.0.0.2/32",))]
    )
    assert owner(sources, "203.0.113.9") == "trunk-1"
    assert owner(sources, "127.0.0.2") == "trunk-2"
    assert owner(sources, "2001:db8::1") is None


def test_one_network_cannot_belong_to_two() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8 belongs to 'trunk-1' and to 'trunk-2'"):
        Sources(
            [
                mapping_gateway(1, sources=("10.0.0.0/8",)),
                mapping_gateway(2, sources=("::ffff:10.0.0.0/104",)),
            ]
        )


@pytest.mark.parametrize("source", ["10.0.0.1/8", "10.0.0.0/33", "acme.example", ""])
def test_what_is_no_network_is_named_with_its_gateway(source: str) -> None:
    with pytest.raises(ValueError, match="trunk-1"):
        Sources([mapping_gateway(1, sources=(source,))])
