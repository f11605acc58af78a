"""The property of tests/properties/test_spellings.py on the wire: decision and number that left are one."""

from __future__ import annotations

import random

import pytest

from tests.security.policies import SEED, Policy, number, policies
from tests.security.stage import OPEN, Stage

NUMBERS = [
    "442079460000",
    "447911123456",
    "449012345678",
    "12125550100",
    "19005550100",
    "5355550100",
    "33123456789",
]


def spellings(number: str, chance: random.Random, count: int) -> list[str]:
    """URIs that all mean the number to a British trunk, the first of them the plainest."""
    fronts = [number, f"+{number}", f"00{number}"]
    if number.startswith("44"):
        fronts += [f"0{number[2:]}", f"+44(0){number[2:]}"]
    found = [f"sip:+{number}@sg"]
    while len(found) < count:
        user = list(chance.choice(fronts))
        place = chance.randrange(len(user))
        user[place] = chance.choice([user[place], f"%{ord(user[place]):02x}"])
        user.insert(chance.randrange(1, len(user) + 1), chance.choice(["", "-", ".", "()"]))
        extra = chance.choice(["", ";isub=53", ";ext=9", ":53"])
        end = chance.choice(["", ";user=phone", ";lr", ";transport=udp"])
        found.append(f"sip:{''.join(user)}{extra}@sg{end}")
    return found


@pytest.mark.parametrize("number", NUMBERS)
def test_one_decision_and_one_number(stage: Stage, number: str) -> None:
    outcomes = set()
    for uri in spellings(number, random.Random(number), 20):
        outcome = stage.invite(uri, OPEN)
        outcomes.add((outcome.status, *(message.request_user for message in outcome.forwarded)))
    assert len(outcomes) == 1, outcomes
    assert outcomes in ({(403,)}, {(486, number)})


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: f"seed{SEED}-{policy.host}")
def test_random_numbers_under_random_policies(stage: Stage, policy: Policy) -> None:
    """20 spellings: one decision, that of an oracle which knows the true number alone, and one number."""
    chance = random.Random(f"{SEED}-{policy.host}")
    for called in (number(chance) for _ in range(3)):
        expected = {(486, called)} if policy.allows(called) else {(403,)}
        for uri in spellings(called, chance, 20):
            outcome = stage.invite(uri, policy.host)
            found = {(outcome.status, *(message.request_user for message in outcome.forwarded))}
            assert found == expected, (uri, policy)
