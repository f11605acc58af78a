"""Trunks that share a source address and are told apart by what stands in front of the number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipguard.model.call import Attempt
from sipguard.model.credential import hashed
from sipguard.model.verdict import Permit, Reason, Refusal, Verdict
from sipguard.policy.decide import decide
from sipguard.policy.funds import Funds
from sipguard.policy.identity import Sources
from tests.policy.world import (
    ACME,
    BRITAIN,
    LONDON,
    NOW,
    RESELLER,
    World,
    account,
    block,
    mapping_gateway,
    rate,
)

GLOBEX = 4
SHARED = "10.0.0.1"


def trunk(key: int, *prefixes: str, **changes: Any) -> Any:
    fields = {"sources": (f"{SHARED}/32",), "account_key": ACME, "tech_prefixes": prefixes}
    return mapping_gateway(key, **(fields | changes))


def world(*trunks: Any, **more: Any) -> World:
    made = World(trunks=list(trunks), **more)
    made.accounts.append(account(GLOBEX, "globex", RESELLER, rate_table_key=13))
    made.funds = Funds(dict.fromkeys((101, 102, 103, 104, 301), 10000000))
    return made


def judged(made: World, called: str, source: str = SHARED, **more: Any) -> Verdict:
    attempt = Attempt(source, 5060, called, "+442079461111", "call", **more)
    return decide(attempt, made.directory(), made.funds, made.counts, made.pace, NOW)


def owner(made: World, called: str, **more: Any) -> tuple[str, str] | Reason:
    """The trunk and the number that was judged, or why not."""
    verdict = judged(made, called, **more)
    if isinstance(verdict, Refusal):
        return verdict.reason
    return verdict.mapping_gateway.id, verdict.called


ALL = (
    trunk(1),
    trunk(2, "77#", account_key=GLOBEX),
    trunk(3, "88#", "881"),
    trunk(4, "8", account_key=GLOBEX),
    trunk(5, "*9"),
)


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        (LONDON, ("trunk-1", LONDON)),
        (f"77#{LONDON}", ("trunk-2", LONDON)),
        (f"77#+{LONDON}", ("trunk-2", LONDON)),
        ("77#02079460000", ("trunk-2", LONDON)),
        (f"77#00{LONDON}", ("trunk-2", LONDON)),
        ("77#2079460000;phone-context=+44", ("trunk-2", "2079460000")),
        (f"88#{LONDON}", ("trunk-3", LONDON)),
        (f"881{LONDON}", ("trunk-3", LONDON)),
        (f"8{LONDON}", ("trunk-4", LONDON)),
        (f"*9{LONDON}", ("trunk-5", LONDON)),
        (f"+881{LONDON}", ("trunk-1", f"881{LONDON}")),
        ("77#", Reason.BAD_NUMBER),
        ("77#abc", Reason.BAD_NUMBER),
        (f"77#77#{LONDON}", Reason.BAD_NUMBER),
        (f"77#*9{LONDON}", Reason.BAD_NUMBER),
        (f"+77#{LONDON}", Reason.BAD_NUMBER),
        (f"66#{LONDON}", Reason.BAD_NUMBER),
        ("", Reason.BAD_NUMBER),
        ("#", Reason.BAD_NUMBER),
    ],
)
def test_the_longest_prefix_is_whose_call_it_is(called: str, expected: object) -> None:
    assert owner(world(*ALL), called) == expected


@pytest.mark.parametrize(
    "front",
    [
        "77#",
        "77%23",
        "%37%37%23",
        "7-7#",
        "7.7%23",
        "(77)%23",
        "77#-",
        "-77#",
        "%37-7%2D%23",
        "77#()",
        ".7.7.#.",
    ],
)
@pytest.mark.parametrize(
    "number", [f"+{LONDON}", "020-7946-0000", "%30%32079460000", f"00{LONDON};isub=88%23"]
)
def test_spellings_of_a_prefix_are_one(front: str, number: str) -> None:
    assert owner(world(*ALL), front + number) == ("trunk-2", LONDON)


@pytest.mark.parametrize(
    "called",
    [
        f"7%25377#{LONDON}",  # an escape within an escape
        f"77%2523{LONDON}",
        f"77%2{LONDON}",
        f"77 #{LONDON}",
        f"77%20#{LONDON}",
        f"77%00#{LONDON}",
        f"７７#{LONDON}",
        f"٧٧#{LONDON}",
        f"77\N{FULLWIDTH NUMBER SIGN}{LONDON}",
        f"+77#{LONDON}",
        f"++77#{LONDON}",
        f"7+7#{LONDON}",
        f"77##{LONDON}",
        f"a77#{LONDON}",
        f"77#{LONDON};phone-context=evil.example",
        f"77#{LONDON};phone-context=+1;phone-context=+44",
    ],
)
def test_what_is_not_quite_a_prefix_is_nobodys_but_refused(called: str) -> None:
    for trunks in (ALL, ALL[1:]):
        verdict = judged(world(*trunks), called)
        assert isinstance(verdict, Refusal)
        assert verdict.reason in (Reason.BAD_NUMBER, Reason.TECH_PREFIX_MISSING)


def test_where_all_have_one_it_is_needed_and_the_record_says_so() -> None:
    shared = world(trunk(2, "77#", account_key=GLOBEX), trunk(3, "88#"))
    refusal = judged(shared, LONDON)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TECH_PREFIX_MISSING
    assert (refusal.observed, refusal.required) == (LONDON, "one of the tech prefixes 77#, 88# in front")
    assert (refusal.account_id, refusal.gateway_id, refusal.level) == (None, None, None), "the operator alone"
    assert refusal.called is None

    of_one = judged(world(trunk(2, "77#"), trunk(3, "88#")), "")
    assert isinstance(of_one, Refusal)
    assert (of_one.account_id, of_one.gateway_id) == ("acme", None)

    alone = judged(world(trunk(2, "77#")), LONDON)
    assert isinstance(alone, Refusal)
    assert (alone.account_id, alone.gateway_id) == ("acme", "trunk-2")
    assert alone.rule == "gateway:trunk-2.tech_prefixes"

    many = judged(world(trunk(2, *(f"{number}#" for number in range(10, 40)))), LONDON)
    assert isinstance(many, Refusal)
    assert many.required.endswith("28#, 29# and 10 more in front")


def test_the_most_specific_network_decides_alone() -> None:
    """No fall-back: who owns an address need not pay for what the surrounding network dials (decision 23)."""
    around = trunk(1, "99#", account_key=GLOBEX, sources=("10.0.0.0/24",))
    made = world(around, trunk(2, "77#"))
    assert owner(made, f"99#{LONDON}", source="10.0.0.2") == ("trunk-1", LONDON)
    assert owner(made, f"77#{LONDON}") == ("trunk-2", LONDON)
    assert owner(made, f"99#{LONDON}") is Reason.TECH_PREFIX_MISSING
    assert owner(made, f"99#{LONDON}", source="192.0.2.9") is Reason.UNKNOWN_SOURCE


def test_sections_and_rules_see_the_number_without_it() -> None:
    blocked = world(trunk(2, "44"), sections=[block(1, ACME, "4477")])
    assert owner(blocked, "44447712345678") is Reason.SECTION_BLOCKED
    assert owner(blocked, f"44{LONDON}") == ("trunk-2", LONDON)
    priced = world(trunk(2, "77#"), rates=[rate(key, 10 + key, "44") for key in (1, 2, 3)])
    assert owner(priced, f"77#{LONDON}") == ("trunk-2", LONDON)


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ("112", "trunk-2"),
        ("77#112", "trunk-2"),
        ("77%231-1-2", "trunk-2"),
        ("88#112", "trunk-3"),
        ("881112", "trunk-3"),
        ("88111112", "trunk-6"),
        ("11112", "trunk-3"),
        ("111112", "trunk-6"),
    ],
)
def test_emergency_calls_pass_with_and_without_a_prefix(called: str, expected: str) -> None:
    """Free, and before everything: a prefix that leaves the number is enough."""
    made = world(
        trunk(2, "77#", account_key=GLOBEX, locked=True),
        trunk(3, "88#", "881", "11"),
        trunk(6, "88111", "111"),
        funds=Funds(),
        sections=[block(1, ACME, ""), block(2, RESELLER, "")],
    )
    permit = judged(made, called)
    assert isinstance(permit, Permit), permit
    assert permit.emergency
    assert (permit.mapping_gateway.id, permit.called) == (expected, "112")
    assert permit.candidates[0].number == "112"


def test_a_bare_emergency_call_is_the_bare_trunks() -> None:
    permit = judged(world(*reversed(ALL)), "112")
    assert isinstance(permit, Permit)
    assert permit.mapping_gateway.id == "trunk-1"


@pytest.mark.parametrize("called", ["77#1125355550100", "66#112", "+77#112", "77#0112", "7112"])
def test_what_is_next_to_an_emergency_call_is_none(called: str) -> None:
    verdict = judged(world(*ALL[1:3]), called)
    assert not isinstance(verdict, Permit) or not verdict.emergency


def user(name: str, key: int) -> Any:
    return hashed(name, "sipguard", "a long password", mapping_gateway_key=key)


def test_a_user_dials_the_prefix_of_its_trunk() -> None:
    """Known by a password from anywhere, and by its prefix all the same (decision 23)."""
    made = world(
        trunk(2, "77#", sources=()), trunk(3, "88#", account_key=GLOBEX), credentials=[user("seven", 2)]
    )
    made.settings = replace(made.settings, realm="sipguard")
    for source in ("192.0.2.9", SHARED):
        assert owner(made, f"77#{LONDON}", source=source, user="seven") == ("trunk-2", LONDON)
        assert owner(made, LONDON, source=source, user="seven") is Reason.TECH_PREFIX_MISSING
    assert owner(made, f"88#{LONDON}", source="192.0.2.9", user="seven") is Reason.TECH_PREFIX_MISSING
    assert owner(made, f"88#{LONDON}", user="seven") is Reason.CREDENTIALS_REFUSED, "B24: another account's"
    for called in ("112", "77#112"):
        permit = judged(made, called, source="192.0.2.9", user="seven")
        assert isinstance(permit, Permit)
        assert permit.emergency


def test_an_emergency_call_is_never_refused_for_a_password() -> None:
    """At the address of another account's trunk the password is of no use, and of no harm."""
    made = world(trunk(2, sources=()), trunk(3, "88#", account_key=GLOBEX), credentials=[user("seven", 2)])
    made.settings = replace(made.settings, realm="sipguard")
    permit = judged(made, "88#112", user="seven")
    assert isinstance(permit, Permit)
    assert (permit.mapping_gateway.id, permit.emergency) == ("trunk-3", True)


def test_a_certificate_does_not_stand_in_for_the_prefix() -> None:
    made = world(trunk(2, "77#", sources=(), certificates=("pbx.example",)))
    proved = {"source": "192.0.2.9", "certificate": ("pbx.example",)}
    assert owner(made, f"77#{LONDON}", **proved) == ("trunk-2", LONDON)
    assert owner(made, LONDON, **proved) is Reason.TECH_PREFIX_MISSING


def test_a_redirection_stays_with_the_trunk_and_names_no_other() -> None:
    made = world(*ALL)
    again = {"redirected_to": f"+{LONDON}"}
    assert owner(made, "77#442079461234", **again) == ("trunk-2", LONDON)
    assert owner(made, "442079461234", **again) == ("trunk-1", LONDON)
    assert owner(made, "77#442079461234", redirected_to=f"88#{LONDON}") is Reason.BAD_NUMBER
    assert owner(world(*ALL[1:]), "442079461234", redirected_to=f"77#{LONDON}") is Reason.TECH_PREFIX_MISSING


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ((), (), r"source 10\.0\.0\.1/32 belongs to 'trunk-1' and to 'trunk-2'"),
        (("7",), ("8", "7"), r"source 10\.0\.0\.1/32 tech prefix 7 belongs to 'trunk-1' and to 'trunk-2'"),
    ],
)
def test_nothing_tells_these_apart(one: tuple[str, ...], other: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sources([trunk(1, *one), trunk(2, *other)])


@pytest.mark.parametrize("prefix", ["", "+7", "7a", "7 ", "7%23", "7-", "7" * 17, "７"])
def test_what_is_no_prefix_is_named_with_its_gateway(prefix: str) -> None:
    with pytest.raises(ValueError, match="mapping gateway 'trunk-1': tech prefix is not"):
        world(trunk(1, prefix)).directory()


def test_the_number_plan_is_of_the_trunk_that_was_found() -> None:
    bare = replace(BRITAIN, country_code="33")
    made = world(trunk(1, "1#"), trunk(2, "2#", number_plan=bare))
    assert owner(made, "1#02079460000") == ("trunk-1", LONDON)
    assert owner(made, "2#0142685300") == ("trunk-2", "33142685300")
