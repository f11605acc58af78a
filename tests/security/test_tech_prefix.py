"""Two customers behind one address: no spelling of a tech prefix leads to the other, or past the policy."""

from __future__ import annotations

import random

import pytest

from tests.security.stage import LONDON, REFUSED, SHARED, Stage
from tests.security.test_spellings import spellings

OTHERS = "12125550100"
"""A number that the two customers may call."""
MOBILE = "447911123456"
"""One that both have blocked."""


def spelled(prefix: str, number: str, chance: random.Random) -> str:
    """A URI that means a number with a prefix in front, some characters escaped, separators between."""
    (plain,) = spellings(number, chance, 1)
    user = plain.removeprefix("sip:").partition("@")[0]
    front = "".join(
        f"%{ord(one):02x}" if one == "#" or chance.random() < 0.4 else one + chance.choice(("", "-", "."))
        for one in prefix
    )
    user = front + chance.choice((user, user.removeprefix("+"), "00" + user.removeprefix("+")))
    return f"sip:{user}{chance.choice(('', ';isub=53', ';ext=9'))}@sg{chance.choice(('', ';user=phone'))}"


@pytest.mark.parametrize(("prefix", "account"), [("77#", "acme"), ("771", "acme"), ("88", "open")])
def test_whoever_it_belongs_to_pays_and_what_leaves_has_no_prefix(
    stage: Stage, prefix: str, account: str
) -> None:
    chance = random.Random(prefix)
    for number in (LONDON, OTHERS):
        for _ in range(20):
            uri = spelled(prefix, number, chance)
            outcome = stage.invite(uri, SHARED)
            assert (outcome.status, *(one.request_user for one in outcome.forwarded)) == (486, number), uri
            record = stage.cdr(outcome.forwarded[0].get("Call-ID"))
            assert record["account_id"] == account, uri


@pytest.mark.parametrize("prefix", ["77#", "771", "88"])
def test_no_prefix_opens_what_is_blocked(stage: Stage, prefix: str) -> None:
    chance = random.Random(prefix)
    for _ in range(20):
        uri = spelled(prefix, MOBILE, chance)
        outcome = stage.invite(uri, SHARED)
        assert (outcome.status, outcome.forwarded) == (403, ()), uri


@pytest.mark.parametrize(
    "user",
    [
        LONDON,  # nobody's without a prefix
        f"+{LONDON}",
        f"77{LONDON}",
        f"7%37{LONDON}",
        f"+77%23{LONDON}",
        f"+88{LONDON}",
        f"%2B88{LONDON}",
        f"%2523{LONDON}",
        f"77%2523{LONDON}",
        f"99%23{LONDON}",
        f"0077%23{LONDON}",
        f"%EF%BC%98%EF%BC%98{LONDON}",  # full-width digits
        f"sales%2C88{LONDON}",
        "88",
        "77%23",
        f"88+%2B{LONDON}",
        f"8888{LONDON}",  # behind the prefix stands another number
        f"88;88={LONDON}",
        f"88:{LONDON}",
    ],
)
def test_what_has_no_prefix_or_no_number_behind_it_goes_nowhere(stage: Stage, user: str) -> None:
    outcome = stage.invite(f"sip:{user}@sg", SHARED)
    if outcome.forwarded:
        # Judged as what stands behind the prefix, which is then a number that leaves as it was judged.
        assert user.startswith("8888")
        assert [one.request_user for one in outcome.forwarded] == [f"88{LONDON}"]
        return
    assert outcome.status in REFUSED


@pytest.mark.parametrize("user", ["112", "77%23112", "88112", "771112", "999", "8%38999"])
def test_an_emergency_call_needs_no_prefix_and_may_have_one(stage: Stage, user: str) -> None:
    outcome = stage.invite(f"sip:{user}@sg", SHARED)
    (sent,) = outcome.forwarded
    assert sent.request_user == ("999" if user.endswith("999") else "112")


def test_who_is_refused_is_told_nothing_of_the_prefixes(stage: Stage) -> None:
    outcome = stage.invite(f"sip:{LONDON}@sg", SHARED)
    assert outcome.response is not None
    assert outcome.status == 403
    assert b"77#" not in outcome.response.data
    assert b"prefix" not in outcome.response.data.lower()
