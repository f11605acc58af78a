"""Sections of a chain against a reading of the rule that knows no index."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.section import Action, Direction, Section
from sipguard.model.verdict import Refusal
from sipguard.policy import section
from tests.policy.world import ACME, RESELLER, ROOT, World

FEW_DIGITS = "12"
NUMBERS = st.text(alphabet=FEW_DIGITS, min_size=1, max_size=5)
IDS = {account.key: account.id for account in World().accounts}

RULES = st.lists(
    st.tuples(
        st.sampled_from([ROOT, RESELLER, ACME]),
        st.sampled_from(Direction),
        st.sampled_from(Action),
        st.text(alphabet=FEW_DIGITS, max_size=4),
    ),
    max_size=12,
)


def blocks(sections: Iterable[Section], account_key: int, direction: Direction, number: str) -> bool:
    """The rule of the mission, word by word."""
    mine = [s for s in sections if s.account_key == account_key and s.direction is direction]
    matching = [s for s in mine if number.startswith(s.prefix)]
    if not matching:
        return any(s.action is Action.ALLOW for s in mine)
    longest = max(len(s.prefix) for s in matching)
    return any(s.action is Action.BLOCK for s in matching if len(s.prefix) == longest)


@given(RULES, NUMBERS, st.one_of(st.just(""), NUMBERS))
def test_every_level_must_allow_and_the_highest_that_blocks_is_named(
    rules: list[tuple[int, Direction, Action, str]], called: str, calling: str
) -> None:
    sections = [Section(key, *rule) for key, rule in _keyed(rules)]
    rulings = World(sections=sections).directory().chain(ACME).rulings
    refusal = section.refusal(rulings, called, calling)

    blocking = [
        IDS[key]
        for key in (ROOT, RESELLER, ACME)
        if blocks(sections, key, Direction.CALLED, called)
        or blocks(sections, key, Direction.CALLING, calling)
    ]
    assert (refusal.level if refusal else None) == (blocking[0] if blocking else None)
    if refusal is not None:
        _names_its_rule(refusal, {f"section:{one.key}": one for one in sections})


def _names_its_rule(refusal: Refusal, sections: dict[str, Section]) -> None:
    assert refusal.rule is not None
    if refusal.rule in sections:
        told = sections[refusal.rule]
        assert told.action is Action.BLOCK
        assert IDS[told.account_key] == refusal.level
    else:
        assert refusal.rule.startswith(f"account:{refusal.level}.sections.")


def _keyed(
    rules: list[tuple[int, Direction, Action, str]],
) -> Iterable[tuple[int, tuple[int, Direction, Action, str]]]:
    return enumerate(rules, start=1)
