"""Rewriting: the customer's before the judgement, the vendor's after it, and nothing through a section."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sipguard.model.call import Attempt
from sipguard.model.gateway import NumberPlan
from sipguard.model.presentation import Presentation
from sipguard.model.rewrite import parsed
from sipguard.model.section import Direction
from sipguard.model.verdict import Permit, Reason, Verdict
from sipguard.policy.caller import Presented, presented
from sipguard.policy.decide import decide
from tests.policy.world import (
    ACME,
    LONDON,
    NOW,
    RESELLER,
    TRUNK,
    World,
    allow,
    block,
    gateway_ids,
    mapping_gateway,
    route,
    routing_gateway,
)

BRITISH = Presentation(country_code="44", national_prefix="0")


def trunk(called: list[str] | None = None, calling: list[str] | None = None, **more: Any) -> World:
    rules = {"called_rewrite": parsed(called or []), "caller_rewrite": parsed(calling or [])}
    return World(trunks=[mapping_gateway(**rules, **more)])


def vendor(called: list[str] | None = None, calling: list[str] | None = None, **more: Any) -> World:
    rules = {"called_rewrite": parsed(called or []), "caller_rewrite": parsed(calling or [])}
    return World(gateways=[routing_gateway(**rules, **more)])


@pytest.mark.parametrize(
    ("rules", "dialled", "judged"),
    [
        (["9*:*"], "9442079460000", LONDON),
        (["9*:*"], "902079460000", LONDON),  # and then by the plan: 02079460000
        (["9*:+*"], "9442079460000", LONDON),
        (["*:00*"], "442079460000", LONDON),
        (["+*:*"], "+442079460000", LONDON),
        (["9*:*"], "+9442079460000", "9442079460000"),
        (["9*:*"], "9-44-20-7946-0000", LONDON),
        (["9*:*"], "%39442079460000", LONDON),
        (["????:44207946????"], "0000", LONDON),
        (["00*:*"], "0033142685300", "33142685300"),
    ],
)
def test_a_trunks_rules_come_before_its_plan(rules: list[str], dialled: str, judged: str) -> None:
    assert trunk(rules).permit(dialled).called == judged


@pytest.mark.parametrize("rule", ["9*:*", "9*:0*", "9*:99999999999*"])
def test_what_a_rule_makes_is_a_number_or_refused(rule: str) -> None:
    dialled = "9" if rule == "9*:*" else "9" + "0" * 12
    assert trunk([rule]).refusal(dialled).reason is Reason.BAD_NUMBER


def test_sections_judge_what_the_trunks_rules_have_made() -> None:
    world = trunk(["1*:*"])
    world.sections = [block(1, RESELLER, "44")]
    refused = world.refusal("1442079460000")
    assert (refused.reason, refused.rule, refused.called) == (Reason.SECTION_BLOCKED, "section:1", LONDON)
    world.sections = [block(1, RESELLER, "1")]
    assert world.permit("1442079460000").called == LONDON


def test_an_emergency_number_is_what_was_dialled() -> None:
    world = trunk(["112:442079460000", "9112:112", "*:1*"])
    assert world.permit("112").emergency
    assert world.permit("112").called == "112"
    verdict = world.judge("9112")
    assert not (isinstance(verdict, Permit) and verdict.emergency)


def test_a_context_is_of_the_number_as_dialled() -> None:
    """A rule does not turn a number of another country's context into one of ours."""
    world = trunk(["0*:+44*"])
    assert world.permit("02079460000;phone-context=+44").called == LONDON
    assert world.refusal("02079460000;phone-context=+49").reason is Reason.BAD_NUMBER


def test_a_redirection_is_a_gateways_word_and_not_the_trunks() -> None:
    world = trunk(["+*:+33*"])

    def judge(redirected: bool) -> Verdict:
        attempt = Attempt(TRUNK, 5060, f"+{LONDON}", "", "call")
        attempt = replace(attempt, redirected_to=f"+{LONDON}") if redirected else attempt
        return decide(attempt, world.directory(), world.funds, world.counts, world.pace, NOW)

    one, other = judge(True), judge(False)
    assert isinstance(one, Permit)
    assert isinstance(other, Permit)
    assert (one.called, other.called) == (LONDON, "33" + LONDON)


@pytest.mark.parametrize(
    ("rules", "more", "sent"),
    [
        (["44*:0044*"], {}, "00442079460000"),
        (["44*:0*"], {"presentation": BRITISH}, "02079460000"),
        (["*:+*"], {}, "+442079460000"),
        (["33*:1*"], {}, LONDON),
        (["44*:0044*"], {"strip_digits": 2}, "442079460000"),
        (["44*:0044*"], {"add_prefix": "77"}, "7700442079460000"),
        (["442079460000:442079461111"], {}, "442079461111"),
    ],
)
def test_what_leaves_for_a_gateway_with_rules(rules: list[str], more: dict[str, Any], sent: str) -> None:
    permit = vendor(rules, **more).permit()
    assert permit.called == LONDON
    assert [one.number for one in permit.candidates] == [sent]


@pytest.mark.parametrize(
    "sections",
    [
        [block(1, ACME, "870")],
        [block(1, RESELLER, "870")],
        [allow(1, RESELLER, "44")],
        [allow(1, ACME, "44"), allow(2, ACME, "870"), block(3, ACME, "8702")],
    ],
)
def test_no_rule_of_a_vendor_leads_through_a_section(sections: list[Any]) -> None:
    """Neither bare nor in a form that the vendor reads as the blocked number."""
    for rules, presentation in (
        (["44*:870*"], Presentation()),
        (["44*:00870*"], Presentation()),
        (["44*:+870*"], Presentation()),
        (["44*:011870*"], Presentation(international_prefix="011")),
        (["4420*:02*"], Presentation(country_code="870", national_prefix="0")),
    ):
        world = vendor(rules, presentation=presentation)
        assert world.permit().called == LONDON, "without a section it goes"
        world.sections = sections
        refused = world.refusal()
        assert refused.reason is Reason.NO_ROUTE
        assert refused.observed == "vendor-1 rewrites to a number that sections block"


def test_the_next_gateway_takes_what_rules_keep_from_the_first() -> None:
    world = vendor(["44*:870*"])
    world.gateways.append(routing_gateway(2))
    world.routes = [route(1), route(2, 2, priority=2)]
    world.sections = [block(1, ACME, "870")]
    assert gateway_ids(world.permit()) == ["vendor-2"]


def test_a_gateway_that_makes_no_number_of_it_is_passed_over() -> None:
    """A number with a leading 0 that its plan does not explain could be anybody's."""
    refused = vendor(["44*:0*"]).refusal()
    assert (refused.reason, refused.observed) == (
        Reason.NO_ROUTE,
        "vendor-1 rewrites to no number in its plan",
    )


def test_callers_are_rewritten_before_they_are_judged() -> None:
    world = trunk(calling=["9*:*"])
    world.sections = [block(1, ACME, "4420794611", Direction.CALLING)]
    assert world.refusal(calling="902079461111").rule == "section:1"
    world.sections = []
    permit = world.permit(calling="902079461111")
    assert permit.calling == "442079461111"
    assert presented(permit, routing_gateway()) == Presented("+442079461111", False, None, False)
    # The same number, written as it is judged: From as it came.
    same = trunk(calling=["+*:*"]).permit(calling="+442079461111")
    assert (same.calling, presented(same, routing_gateway())) == (
        "442079461111",
        Presented(None, True, None, False),
    )


def test_an_assertion_does_not_pass_beside_a_caller_that_was_rewritten() -> None:
    told = presented(trunk(calling=["9*:*"], trusted=True).permit(calling="902079461111"), routing_gateway())
    assert told is not None
    assert told.asserted == "+442079461111"


def test_a_vendor_is_told_a_caller_by_its_rules() -> None:
    world = vendor(calling=["44*:0*"], presentation=BRITISH)
    permit = world.permit(calling="+442079461111")
    assert permit.calling == "442079461111"
    assert presented(permit, world.gateways[0]) == Presented("02079461111", False, None, False)
    other = world.permit(calling="+33142685300")
    assert presented(other, world.gateways[0]) is None
    nobody = world.permit(calling="anonymous")
    assert presented(nobody, world.gateways[0]) is None


def test_no_rule_of_a_vendor_shows_a_caller_that_sections_block() -> None:
    world = vendor(calling=["44207946????:442079469???"])
    world.permit(calling="+442079461111")
    world.sections = [block(1, ACME, "442079469", Direction.CALLING)]
    world.refusal(calling="+442079461111")
    world.permit(calling="+33142685300")


def test_a_plus_is_not_hidden_behind_a_prefix() -> None:
    for fixed in ({"strip_digits": 1}, {"add_prefix": "0"}):
        with pytest.raises(ValueError, match="makes a \\+"):
            vendor(["44*:+44*"], **fixed).directory()


def test_a_plan_without_a_country_reads_what_it_can() -> None:
    bare = NumberPlan(None, None, ())
    assert trunk(["0*:44*"], number_plan=bare).permit("02079460000").called == LONDON
