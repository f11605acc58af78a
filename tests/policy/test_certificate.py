"""A trunk that is known by what its peer has proved over TLS."""

from __future__ import annotations

import pytest

from sipguard.model.call import Attempt
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import identity
from sipguard.policy.certificate import Certificates
from tests.policy.world import World, mapping_gateway

NAME, OTHER, FINGERPRINT = "pbx.example", "other.example", "sha256:" + "ab" * 32
FAR, NEAR = "203.0.113.9", "192.0.2.7"


def world() -> World:
    made = World()
    made.trunks = [
        mapping_gateway(1, sources=("203.0.113.0/24",)),
        mapping_gateway(2, sources=(), certificates=(NAME,)),
        mapping_gateway(3, sources=("192.0.2.0/24",), certificates=(OTHER, FINGERPRINT)),
    ]
    return made


@pytest.mark.item("T-09")
@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        pytest.param((NAME,), "198.51.100.1", 2, id="from anywhere"),
        pytest.param((NAME,), FAR, 2, id="before the address"),
        pytest.param(("unknown", NAME), FAR, 2, id="one name of several"),
        pytest.param((FINGERPRINT,), NEAR, 3, id="a fingerprint, from its network"),
        pytest.param((OTHER,), FAR, 1, id="not from elsewhere: the address counts"),
        pytest.param((OTHER,), "198.51.100.1", None, id="not from elsewhere"),
        pytest.param((), NEAR, None, id="its address alone is no proof"),
        pytest.param(("unknown",), NEAR, None, id="another certificate"),
        pytest.param((), FAR, 1, id="an address that needs none"),
    ],
)
def test_who_it_is(names: tuple[str, ...], host: str, expected: int | None) -> None:
    directory = world().directory()
    attempt = Attempt(host, 5061, "442071234567", "442079460000", "id", certificate=names)
    found = identity.ingress(attempt, directory)
    if expected is None:
        assert isinstance(found, Refusal)
        assert found.reason is Reason.UNKNOWN_SOURCE
    else:
        assert not isinstance(found, Refusal)
        assert found.gateway.key == expected


def test_one_name_cannot_belong_to_two() -> None:
    trunks = [mapping_gateway(key, certificates=(NAME,)) for key in (1, 2)]
    with pytest.raises(ValueError, match=r"pbx\.example belongs to 'trunk-1' and to 'trunk-2'"):
        Certificates(trunks)


def test_none_at_all_is_told_at_a_glance() -> None:
    assert not Certificates([mapping_gateway(1)])
    assert Certificates([mapping_gateway(1, certificates=(NAME,))])
