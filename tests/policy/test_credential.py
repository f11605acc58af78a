"""Users: which trunk or phone each is, where from it may call, and what a password does not open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipguard.model.call import Attempt
from sipguard.model.configuration import REALM
from sipguard.model.credential import ALGORITHMS, Credential, ha1, hashed
from sipguard.model.phone import CallerCheck, Phone, PhoneLock
from sipguard.model.verdict import Permit, Reason, Refusal, Verdict
from sipguard.policy import identity
from sipguard.policy.decide import decide
from tests.policy.world import ACME, BRITAIN, LONDON, NOW, ROOT, TRUNK, Calls, World, mapping_gateway

AWAY = "198.51.100.9"
PHONE_KEY = 5


def phone(**changes: Any) -> Phone:
    plain = Phone(
        key=PHONE_KEY,
        id="desk",
        account_key=ACME,
        numbers=("442079460001", "442079460002"),
        sources=(),
        number_plan=BRITAIN,
        lock=PhoneLock.NONE,
        call_limit=None,
        cps_limit=None,
        contact_limit=1,
    )
    return replace(plain, **changes)


def user(name: str = "desk", realm: str = REALM, **owner: int) -> Credential:
    return hashed(name, realm, "secret", **(owner or {"phone_key": PHONE_KEY}))


def world(*users: Credential, phones: tuple[Phone, ...] = (), **more: Any) -> World:
    return World(credentials=list(users or (user(),)), phones=list(phones or (phone(),)), **more)


def judged(
    world: World, name: str = "", *, host: str = AWAY, called: str = LONDON, calling: str = ""
) -> Verdict:
    attempt = Attempt(host, 5060, called, calling, "c", name)
    return decide(attempt, world.directory(), world.funds, world.counts, world.pace, NOW)


def permitted(*args: Any, **more: Any) -> Permit:
    verdict = judged(*args, **more)
    assert isinstance(verdict, Permit), verdict
    return verdict


def reason(*args: Any, **more: Any) -> Reason:
    verdict = judged(*args, **more)
    assert isinstance(verdict, Refusal), verdict
    return verdict.reason


def test_the_hashes_are_those_of_rfc_7616() -> None:
    """Section 3.9.1, whose responses are built on these."""
    assert (
        ha1("MD5", "Mufasa", "http-auth@example.org", "Circle of Life") == "3d78807defe7de2157e2b0b6573a855f"
    )
    assert {len(ha1(algorithm, "u", "r", "p")) for algorithm in ALGORITHMS} == {32, 64}


def test_a_user_is_its_phone_wherever_it_is() -> None:
    permit = permitted(world(), "desk", called="02079460000")
    assert (permit.mapping_gateway.id, permit.levels[0].account.key) == ("phone:desk", ACME)
    assert (permit.called, permit.calling) == (LONDON, "442079460001")


def test_a_user_is_its_trunk() -> None:
    permit = permitted(world(user("trunk", mapping_gateway_key=1)), "trunk", host=TRUNK)
    assert permit.mapping_gateway.key == 1


def asks(world: World) -> bool:
    directory = world.directory()
    return identity.asks(identity.by_source(TRUNK, LONDON, directory), directory)


def test_a_trunk_with_a_user_is_not_opened_by_its_address() -> None:
    guarded = world(user("trunk", mapping_gateway_key=1))
    assert asks(guarded)
    assert reason(guarded, host=TRUNK) is Reason.CREDENTIALS_REFUSED
    assert not asks(world()), "other users change nothing for it"


def test_nor_where_its_user_is_of_another_realm() -> None:
    moved = world(user("trunk", "old", mapping_gateway_key=1))
    assert moved.directory().logins.unusable == ("trunk",)
    assert reason(moved, host=TRUNK) is Reason.CREDENTIALS_REFUSED
    assert reason(moved, "trunk", host=TRUNK) is Reason.CREDENTIALS_REFUSED


def test_emergencies_need_the_trunk_and_no_password() -> None:
    guarded = world(user("trunk", mapping_gateway_key=1))
    assert permitted(guarded, host=TRUNK, called="112").emergency
    assert reason(guarded, called="112") is Reason.UNKNOWN_SOURCE
    assert permitted(world(phones=(phone(lock=PhoneLock.ALL),)), "desk", called="112").emergency


def test_b24_a_password_opens_nothing_at_the_address_of_another_account() -> None:
    other = world(trunks=[mapping_gateway(account_key=ROOT)])
    assert reason(other, "desk", host=TRUNK) is Reason.CREDENTIALS_REFUSED
    assert permitted(world(), "desk", host=TRUNK).mapping_gateway.id == "phone:desk"


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("198.51.100.9", True),
        ("::ffff:198.51.100.9", True),
        ("198.51.101.9", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
    ],
)
def test_a_phone_has_its_networks(host: str, inside: bool) -> None:
    at_home = world(phones=(phone(sources=("198.51.100.0/24", "2001:db8::/32")),))
    verdict = judged(at_home, "desk", host=host)
    assert isinstance(verdict, Permit) is inside, verdict


@pytest.mark.parametrize(
    ("from_user", "calling", "claims_another"),
    [
        ("desk", "442079460001", False),
        ("", "442079460001", False),
        ("anonymous", "442079460001", False),
        ("02079460002", "442079460002", False),
        ("+44(0)2079460002", "442079460002", False),
        ("+442079460003", "442079460001", True),
        ("999", "442079460001", True),
    ],
)
def test_a_phone_calls_from_its_own_numbers(from_user: str, calling: str, claims_another: bool) -> None:
    assert permitted(world(), "desk", calling=from_user).calling == calling
    strict = world(phones=(phone(caller_check=CallerCheck.REFUSE),))
    verdict = judged(strict, "desk", calling=from_user)
    refused = isinstance(verdict, Refusal) and verdict.reason is Reason.CALLER_REFUSED
    assert refused is claims_another, verdict


def test_calls_of_a_phone_count_in_both_directions() -> None:
    limited = world(phones=(phone(call_limit=2),))
    for counts, full in (
        (Calls(), False),
        (Calls(mapping_gateways={-PHONE_KEY: 1}), False),
        (Calls(mapping_gateways={-PHONE_KEY: 1}, routing_gateways={-PHONE_KEY: 1}), True),
        (Calls(routing_gateways={-PHONE_KEY: 2}), True),
        (Calls(mapping_gateways={PHONE_KEY: 9}, routing_gateways={PHONE_KEY: 9}), False),
    ):
        limited.counts = counts
        verdict = judged(limited, "desk")
        assert (isinstance(verdict, Refusal) and verdict.reason is Reason.CONCURRENT_LIMIT) is full


def test_what_cannot_be_indexed_is_named() -> None:
    with pytest.raises(ValueError, match="'ghost'"):
        world(user("ghost", phone_key=77)).directory()
    with pytest.raises(ValueError, match="'desk' and to 'other'"):
        world(phones=(phone(), phone(key=6, id="other"))).directory()
