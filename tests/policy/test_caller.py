"""The calling number that is judged, and what gateways are told of it (I-04)."""

from __future__ import annotations

import pytest

from sipguard.model.call import Attempt
from sipguard.model.presentation import Asserts, CallerFormat, CallerRule, Presentation
from sipguard.model.section import Direction
from sipguard.model.verdict import Permit, Reason, Refusal
from sipguard.policy.caller import Presented, check, judged, presented
from sipguard.policy.decide import decide
from tests.policy.world import ACME, NOW, TRUNK, World, block, mapping_gateway, routing_gateway

LONDON, BLOCKED = "442079460000", "442079469999"
NO_ZEROS: frozenset[str] = frozenset()


def attempt(from_user: str, asserted: str = "") -> Attempt:
    return Attempt(TRUNK, 5060, f"+{LONDON}", from_user, "call", asserted_user=asserted)


@pytest.mark.parametrize(
    ("trusted", "rule", "from_user", "asserted", "expected"),
    [
        (False, None, "02079461111", "+33123456789", "442079461111"),
        (True, None, "02079461111", "+33123456789", "33123456789"),
        (True, None, "02079461111", "anonymous", "442079461111"),
        (True, None, "anonymous", "", ""),
        # A trunk that may present any number has one of its own for callers without.
        (False, CallerRule("442070000000", None), "02079461111", "", "442079461111"),
        (False, CallerRule("442070000000", None), "anonymous", "", "442070000000"),
        # One that may present its own block only.
        (False, CallerRule("442070000000", ("44207946",)), "+442079461111", "", "442079461111"),
        (False, CallerRule("442070000000", ("44207946",)), "+5355550100", "", "442070000000"),
        (False, CallerRule(None, ("44207946",)), "+5355550100", "", ""),
        # One that has one number.
        (False, CallerRule("442070000000", ()), "+442079461111", "", "442070000000"),
    ],
)
def test_the_number_that_is_judged(
    trusted: bool, rule: CallerRule | None, from_user: str, asserted: str, expected: str
) -> None:
    gateway = mapping_gateway(trusted=trusted, caller=rule)
    assert judged(attempt(from_user, asserted), gateway, NO_ZEROS) == expected


def permitted(
    from_user: str, *, asserted: str = "", trusted: bool = False, rule: CallerRule | None = None
) -> Permit:
    world = World(trunks=[mapping_gateway(trusted=trusted, caller=rule)])
    verdict = decide(
        attempt(from_user, asserted), world.directory(), world.funds, world.counts, world.pace, NOW
    )
    assert isinstance(verdict, Permit), verdict
    return verdict


BRITISH = Presentation(CallerFormat.NATIONAL, country_code="44", national_prefix="0")
OWN = CallerRule("442070000000", ("44207946",))


@pytest.mark.parametrize(
    ("shown", "rule", "from_user", "expected"),
    [
        (Presentation(), None, "02079461111", None),
        (Presentation(trusted=True, hides_topology=True), None, "02079461111", None),
        (Presentation(CallerFormat.E164), None, "02079461111", Presented("+442079461111", True, None, False)),
        (
            Presentation(CallerFormat.DIGITS),
            None,
            "0207946-1111",
            Presented("442079461111", True, None, False),
        ),
        (BRITISH, None, "+44(0)2079461111", Presented("02079461111", True, None, False)),
        (BRITISH, None, "+33123456789", Presented("0033123456789", True, None, False)),
        # Nobody, or a name: as it came. There is no number to write otherwise.
        (Presentation(CallerFormat.E164), None, "anonymous", Presented(None, True, None, False)),
        (Presentation(asserts=Asserts.PAI), None, "alice", Presented(None, True, "", False)),
        (
            Presentation(asserts=Asserts.PAI),
            None,
            "02079461111",
            Presented(None, True, "+442079461111", False),
        ),
        (
            Presentation(CallerFormat.DIGITS, Asserts.RPID),
            None,
            "02079461111",
            Presented("442079461111", True, "442079461111", True),
        ),
        # What may not be presented is nowhere, its display name neither.
        (Presentation(), OWN, "+5355550100", Presented("+442070000000", False, None, False)),
        (Presentation(), OWN, "02079461111", Presented(None, True, None, False)),
        (
            Presentation(asserts=Asserts.PAI),
            OWN,
            "x",
            Presented("+442070000000", False, "+442070000000", False),
        ),
        (Presentation(), CallerRule(None, ()), "+5355550100", Presented("", False, None, False)),
    ],
)
def test_what_a_gateway_is_told(
    shown: Presentation, rule: CallerRule | None, from_user: str, expected: Presented | None
) -> None:
    gateway = routing_gateway(presentation=shown)
    assert presented(permitted(from_user, rule=rule), gateway) == expected


def test_what_a_trusted_trunk_asserts_is_held_to_its_numbers() -> None:
    permit = permitted("+442079461111", asserted="+5355550100", trusted=True, rule=OWN)
    told = presented(permit, routing_gateway())
    assert told == Presented("+442070000000", False, "+442070000000", False)


def test_sections_judge_the_number_that_leaves() -> None:
    """A trusted trunk is judged by what it asserts; From is then what the callee is shown (RFC 3325)."""
    world = World(
        trunks=[mapping_gateway(trusted=True)],
        sections=[block(1, ACME, BLOCKED, Direction.CALLING)],
    )
    directory = world.directory()

    def judge(from_user: str, asserted: str) -> Permit | Refusal:
        tried = attempt(from_user, asserted)
        return decide(tried, directory, world.funds, world.counts, world.pace, NOW)

    refused = judge("02079461111", f"+{BLOCKED}")
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.calling) == (Reason.SECTION_BLOCKED, BLOCKED)
    permit = judge(f"+{BLOCKED}", "02079461111")
    assert isinstance(permit, Permit)
    assert permit.calling == "442079461111"


@pytest.mark.parametrize(
    "rule", [CallerRule("+44", None), CallerRule(None, ("44", "x")), CallerRule("4" * 19, ())]
)
def test_a_rule_that_holds_no_numbers_is_refused(rule: CallerRule) -> None:
    with pytest.raises(ValueError, match="is not digits"):
        check(rule)
