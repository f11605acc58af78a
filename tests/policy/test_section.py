"""Number sections (manual 2.4.6): the longest prefix wins, block at equal length; every level must allow."""

from __future__ import annotations

import pytest

from sipguard.model.section import Direction, Section
from sipguard.model.verdict import Permit, Reason
from tests.policy.world import ACME, LONDON, RESELLER, ROOT, World, allow, block

CALLING = Direction.CALLING


def judge(sections: list[Section], called: str = LONDON, calling: str = "442079461111") -> str | None:
    """Level and rule of the refusal; None where the call is permitted."""
    verdict = World(sections=sections).judge("+" + called, calling=calling)
    if isinstance(verdict, Permit):
        return None
    assert verdict.reason is Reason.SECTION_BLOCKED
    return f"{verdict.level} {verdict.rule}"


WITHIN_A_LEVEL = [
    ("no section allows all", [], LONDON, None),
    ("a block blocks its prefix", [block(1, ACME, "44")], LONDON, "acme section:1"),
    ("and nothing else", [block(1, ACME, "45")], LONDON, None),
    ("an allow lets its prefix", [allow(1, ACME, "44")], LONDON, None),
    ("and blocks the rest", [allow(1, ACME, "45")], LONDON, "acme account:acme.sections.called"),
    ("A28 the longer block wins", [allow(1, ACME, "44"), block(2, ACME, "4420")], LONDON, "acme section:2"),
    ("the longer allow wins", [block(1, ACME, "44"), allow(2, ACME, "4420")], LONDON, None),
    ("block wins at equal length", [allow(1, ACME, "44"), block(2, ACME, "44")], LONDON, "acme section:2"),
    ("in either order", [block(1, ACME, "44"), allow(2, ACME, "44")], LONDON, "acme section:1"),
    ("twice the same is once", [allow(1, ACME, "44"), allow(2, ACME, "44")], LONDON, None),
    ("A31 the empty prefix blocks all", [block(1, ACME, "")], LONDON, "acme section:1"),
    ("A31 the empty prefix allows all", [allow(1, ACME, ""), block(2, ACME, "45")], LONDON, None),
    ("a prefix longer than the number", [block(1, ACME, LONDON + "1")], LONDON, None),
    ("the whole number", [block(1, ACME, LONDON)], LONDON, "acme section:1"),
]


@pytest.mark.parametrize(
    ("sections", "called", "expected"),
    [case[1:] for case in WITHIN_A_LEVEL],
    ids=[case[0] for case in WITHIN_A_LEVEL],
)
def test_within_one_level(sections: list[Section], called: str, expected: str | None) -> None:
    assert judge(sections, called) == expected


ACROSS_LEVELS = [
    ("a block above binds below", [block(1, ROOT, "44")], "root section:1"),
    ("an allow below lifts no block above", [block(1, ROOT, "44"), allow(2, ACME, "4420")], "root section:1"),
    ("the highest block is named", [block(1, ACME, "44"), block(2, RESELLER, "4420")], "reseller section:2"),
    (
        "an allow list above binds below",
        [allow(1, RESELLER, "880")],
        "reseller account:reseller.sections.called",
    ),
    ("every level allows", [allow(1, ROOT, "44"), allow(2, RESELLER, "4420"), allow(3, ACME, "")], None),
    (
        "the highest over both directions",
        [block(1, ACME, "44"), block(2, ROOT, "44", CALLING)],
        "root section:2",
    ),
]


@pytest.mark.parametrize(
    ("sections", "expected"), [case[1:] for case in ACROSS_LEVELS], ids=[case[0] for case in ACROSS_LEVELS]
)
def test_across_levels(sections: list[Section], expected: str | None) -> None:
    assert judge(sections) == expected


CALLERS = [
    ("a blocked caller", [block(1, ACME, "4420", CALLING)], "442079461111", "acme section:1"),
    ("another caller", [block(1, ACME, "4430", CALLING)], "442079461111", None),
    ("called sections leave callers alone", [block(1, ACME, "53")], "5355550100", None),
    ("an anonymous caller passes a block", [block(1, ACME, "44", CALLING)], "anonymous", None),
    (
        "and is none that an allow covers",
        [allow(1, ACME, "44", CALLING)],
        "anonymous",
        "acme account:acme.sections.calling",
    ),
    ("unless the allow covers all", [allow(1, ACME, "", CALLING)], "anonymous", None),
    ("and is blocked where all are", [block(1, ACME, "", CALLING)], "anonymous", "acme section:1"),
]


@pytest.mark.parametrize(
    ("sections", "calling", "expected"), [case[1:] for case in CALLERS], ids=[case[0] for case in CALLERS]
)
def test_calling_numbers(sections: list[Section], calling: str, expected: str | None) -> None:
    assert judge(sections, calling=calling) == expected


MISSION = [
    ("local reseller: +880 only", [allow(1, RESELLER, "880")], {"8801711000001": True, LONDON: False}),
    (
        "regional, without the premium range below",
        [
            allow(1, RESELLER, "880"),
            allow(2, RESELLER, "91"),
            allow(3, RESELLER, "94"),
            block(4, RESELLER, "8809"),
        ],
        {
            "8801711000001": True,
            "919810000001": True,
            "94112000001": True,
            "8809000001": False,
            LONDON: False,
        },
    ),
    (
        "wholesale: everything but satellite",
        [block(1, ROOT, "870"), block(2, ROOT, "881"), block(3, ROOT, "882"), block(4, ROOT, "883")],
        {
            LONDON: True,
            "870773100001": False,
            "8816100001": False,
            "882130000001": False,
            "88351000001": False,
        },
    ),
    (
        "calling card: +1 and +44",
        [allow(1, ACME, "1"), allow(2, ACME, "44")],
        {"12125550100": True, LONDON: True, "5355550100": False},
    ),
]


@pytest.mark.parametrize(
    ("sections", "numbers"), [case[1:] for case in MISSION], ids=[case[0] for case in MISSION]
)
def test_examples_of_the_mission(sections: list[Section], numbers: dict[str, bool]) -> None:
    assert {called: judge(sections, called) is None for called in numbers} == numbers


def test_a_refusal_shows_the_number_and_what_was_required() -> None:
    refusal = World(sections=[block(7, RESELLER, "447")]).refusal("07911123456")
    assert (refusal.level, refusal.rule) == ("reseller", "section:7")
    assert refusal.observed == "447911123456"
    assert "447" in refusal.required


def test_a_section_of_nobody_is_named() -> None:
    with pytest.raises(ValueError, match=r"section 5: no account with key 77"):
        World(sections=[allow(5, 77, "44")]).directory()


def test_a_prefix_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="sections"):
        World(sections=[allow(5, ACME, "+44")]).directory()
