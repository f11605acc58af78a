"""Twenty spellings of one number under one policy are one decision and one number that is sent (bypass A)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sipguard.model.call import Attempt
from sipguard.model.section import Action, Direction, Section
from sipguard.model.verdict import Permit
from sipguard.policy.decide import decide
from tests.policy.world import ACME, NOW, RESELLER, ROOT, TRUNK, World

NATIONAL = st.from_regex(r"\A[1-9][0-9]{5,11}\Z")
FOREIGN = st.from_regex(r"\A(1[2-9]|33[1-9]|53[1-9]|880[1-9]|881[1-9]|39[0-9])[0-9]{5,10}\Z")


@st.composite
def policies(draw: st.DrawFn, number: str) -> list[Section]:
    """Sections at three levels, most of them for prefixes of the number itself."""
    prefix = st.one_of(
        st.integers(0, min(6, len(number))).map(lambda length: number[:length]),
        st.sampled_from(["", "44", "447", "1", "1900", "53", "881"]),
    )
    told = draw(
        st.lists(
            st.tuples(st.sampled_from([ROOT, RESELLER, ACME]), st.sampled_from(Action), prefix), max_size=6
        )
    )
    return [
        Section(key, account, Direction.CALLED, action, front)
        for key, (account, action, front) in enumerate(told)
    ]


def fronts(number: str) -> list[str]:
    """Every way to begin the number on a British trunk."""
    found = [number, f"+{number}", f"00{number}"]
    if number.startswith("44"):
        found += ["0" + number[2:], "+440" + number[2:], "+44(0)" + number[2:], "00440" + number[2:]]
    return found


@st.composite
def spelled(draw: st.DrawFn, number: str) -> str:
    text = draw(st.sampled_from(fronts(number)))
    separated = "".join(
        character + draw(st.sampled_from(["", "", "", "-", "."])) if at else character
        for at, character in enumerate(text)
    )
    escape = draw(st.integers(0, len(separated) - 1))
    if draw(st.booleans()):
        separated = f"{separated[:escape]}%{ord(separated[escape]):02X}{separated[escape + 1 :]}"
    return separated + draw(st.sampled_from(["", ";isub=5355", ";postd=pp53", ";npdi;rn=+5355"]))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.one_of(NATIONAL.map(lambda national: f"44{national}"), FOREIGN))
def test_spellings_are_judged_alike(data: st.DataObject, number: str) -> None:
    world = World(sections=data.draw(policies(number)))
    directory = world.directory()

    def judge(user: str) -> object:
        attempt = Attempt(TRUNK, 5060, user, "", "call")
        verdict = decide(attempt, directory, world.funds, world.counts, world.pace, NOW)
        if isinstance(verdict, Permit):
            return verdict.called, [candidate.number for candidate in verdict.candidates]
        return verdict.reason, verdict.level, verdict.rule, verdict.called

    expected = judge(f"+{number}")
    for _ in range(20):
        user = data.draw(spelled(number))
        assert judge(user) == expected, user
    if isinstance(expected, tuple) and expected[0] == number:
        assert expected[1] == [number]
