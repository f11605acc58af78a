"""Whatever prefixes trunks of one address have: one owner for a number in every spelling."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sipguard.model.call import Attempt
from sipguard.model.verdict import Permit
from sipguard.policy.decide import decide
from tests.policy.world import ACME, NOW, RESELLER, World, mapping_gateway

HOST = "10.0.0.1"
PREFIX = st.text("0178#*", min_size=1, max_size=4)
NUMBER = st.from_regex(r"\A44[1-9][0-9]{6,9}\Z")


@st.composite
def shares(draw: st.DrawFn) -> dict[str, int]:
    """Each prefix with the key of its trunk; at times the empty prefix for the trunk that has none."""
    prefixes = draw(st.lists(PREFIX, unique=True, min_size=1, max_size=8))
    found = {prefix: draw(st.integers(1, 4)) for prefix in prefixes}
    return found | ({"": 5} if draw(st.booleans()) else {})


def owner(held: dict[str, int], text: str) -> tuple[int | None, str]:
    """By hand: the longest prefix, and what is behind it."""
    fitting = [prefix for prefix in held if text.startswith(prefix)]
    longest = max(fitting, key=len, default=None)
    return (None, "") if longest is None else (held[longest], text[len(longest) :])


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """One of many ways to write it in a SIP URI."""
    found = ""
    for at, character in enumerate(text):
        as_it_is = character != "#" and draw(st.booleans())
        found += character if as_it_is else f"%{ord(character):{draw(st.sampled_from(['02X', '02x']))}}"
        if at + 1 < len(text):
            found += draw(st.sampled_from(["", "", "-", ".", "()", "%2D"]))
    return found + draw(st.sampled_from(["", ";isub=77", ";ext=88%23"]))


@settings(max_examples=150, deadline=None)
@given(st.data(), shares(), NUMBER)
def test_one_owner_for_all_spellings(data: st.DataObject, held: dict[str, int], number: str) -> None:
    trunks = [
        mapping_gateway(
            key,
            account_key=ACME if key % 2 else RESELLER,
            sources=(f"{HOST}/32",),
            tech_prefixes=tuple(prefix for prefix, whose in held.items() if whose == key and prefix),
        )
        for key in sorted(set(held.values()))
    ]
    world = World(trunks=trunks)
    directory = world.directory()

    def judge(user: str) -> tuple[int | None, str]:
        attempt = Attempt(HOST, 5060, user, "", "call")
        verdict = decide(attempt, directory, world.funds, world.counts, world.pace, NOW)
        if isinstance(verdict, Permit):
            assert {candidate.number for candidate in verdict.candidates} == {verdict.called}
            return verdict.mapping_gateway.key, verdict.called
        return None if verdict.gateway_id is None else int(verdict.gateway_id.removeprefix("trunk-")), ""

    text = data.draw(st.sampled_from(sorted(held)) | PREFIX) + data.draw(st.sampled_from(["", "+"])) + number
    assume(not text.startswith("+"))
    whose, behind = owner(held, text)
    expected = judge(text)
    if whose is None:
        assert expected[1] == ""
        assert expected[0] is None or len(set(held.values())) == 1
    else:
        assert expected[0] == whose
        if behind.removeprefix("+") == number:
            assert expected[1] == number
    for _ in range(20):
        user = data.draw(spelled(text))
        assert judge(user) == expected, user
