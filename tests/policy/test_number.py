"""Number forms (bypass A01 to A61): one number, one reading; what is no number is refused, not guessed at."""

from __future__ import annotations

import pytest

from sipguard.model.gateway import NumberPlan
from sipguard.policy import number
from tests.policy.world import BARE, BRITAIN, LONDON, ZEROS

AMERICA = NumberPlan("1", "1", ("011",))
ITALY = NumberPlan("39", "", ("00",))
RUSSIA = NumberPlan("7", "8", ("810",))
NESTED = NumberPlan(None, None, ("00", "0011"))

SPELLINGS = [
    "442079460000",
    "+442079460000",
    "00442079460000",
    "02079460000",
    "%3442079460000",
    "%2B442079460000",
    "%2b44%32079460000",
    "%300442079460000",
    "+44-20-7946-0000",
    "+44.20.7946.0000",
    "+44(20)79460000",
    "(+44)2079460000",
    "+44%2820%2979460000",
    "020-7946-0000",
    "(020)79460000",
    "+44(0)2079460000",
    "0044(0)20.7946.0000",
    "+442079460000;isub=5355550100",
    "02079460000;ext=5355",
    "+442079460000;postd=pp5355550100",
    "02079460000;Phone-Context=+4-4",
    "+442079460000;phone-context=+1",
    "+442079460000;npdi;rn=+5355550100",
]


def judged(user: str, plan: NumberPlan = BRITAIN) -> str | None:
    dialled = number.read(user)
    return None if dialled is None else number.normalise(dialled, plan, ZEROS)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_one_number_are_one_number(spelling: str) -> None:
    assert judged(spelling) == LONDON


BLOCKED_SPELLINGS = ["005355550100", "%3005355550100", "+%35355550100", "(+53)55550100", "+5355550100"]


@pytest.mark.parametrize("spelling", BLOCKED_SPELLINGS)
def test_a_blocked_number_cannot_be_disguised(spelling: str) -> None:
    """A01, A04, A08: whatever the spelling, it is 53... that the sections see."""
    assert judged(spelling) == "5355550100"


NOT_NUMBERS = {
    "A11 escaped NUL": "442079460000%005355550100",
    "raw NUL": "442079460000\0" + "5355550100",
    "A14 two plus signs": "++5355550100",
    "plus inside": "44+2079460000",
    "plus behind the international prefix": "00+442079460000",
    "A21 comma pauses": "442079460000,,005355550100",
    "A21 p pause": "442079460000p005355550100",
    "A21 w pause": "442079460000w1",
    "A24 Arabic-Indic digits": "\u0664\u0664\u0662\u0660\u0667",
    "A24 the same, escaped": "%D9%A4%D9%A4%D9%A2",
    "fullwidth digits": "\uff14\uff14\uff12\uff10",
    "superscript digits": "44\u00b2079460000",
    "undecodable bytes": "44207946\ufffd000",
    "A58 an escaped at sign": "442079460000%40evil",
    "a password that came along": "442079460000:5355550100",
    "an escape that is cut": "44207946000%3",
    "an escape that is none": "44207946000%zz",
    "an escape escaped": "%252B442079460000",
    "letters": "alice",
    "star and hash": "*31#442079460000",
    "a space": "44 2079460000",
    "an escaped space": "44%202079460000",
    "a line break": "442079460000\r\n",
    "an escaped line break": "442079460000%0d%0a",
    "nothing": "",
    "a plus": "+",
    "separators": "(-.)",
    "parameters": ";ext=5355",
    "A38 a domain as context": "55550100;phone-context=evil.example",
    "A38 an empty context": "02079460000;phone-context=",
    "a context of another country": "02079460000;phone-context=+53",
    "two contexts": "02079460000;phone-context=+44;phone-context=+53",
    "two contexts, the other way": "02079460000;phone-context=+53;phone-context=+44",
    "a global number in a domain": "+442079460000;phone-context=evil.example",
    "no country code starts with 0": "+0442079460000",
    "the international prefix twice": "00005355550100",
    "the international prefix behind a plus": "+005355550100",
    "a national prefix and nothing": "0",
    "an international prefix and nothing": "00",
    "19 digits": "4420794600001234567",
    "more text than any number has": "-" * 200 + "442079460000",
}


@pytest.mark.parametrize("user", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_what_is_no_number_is_read_as_none(user: str) -> None:
    assert judged(user) is None


PLANS = [
    ("American national", "12125550100", AMERICA, "12125550100"),
    ("American international", "011442079460000", AMERICA, LONDON),
    ("A18 a foreign international prefix", "005355550100", AMERICA, None),
    ("A18 within a plan with national 0", "005355550100", NumberPlan("44", "0", ("011",)), None),
    ("bare E.164", "8801711000001", BARE, "8801711000001"),
    ("bare E.164 with a prefix that this plan has not", "008801711000001", BARE, None),
    ("Italian numbers keep their 0", "0612345678", ITALY, "390612345678"),
    ("an Italian mobile", "3331234567", ITALY, "393331234567"),
    ("out of Italy", "00442079460000", ITALY, LONDON),
    ("a national number may start with the prefix", "88001234567", RUSSIA, "78001234567"),
    ("+7 8... is a number as it stands", "+78001234567", RUSSIA, "78001234567"),
    ("the longest international prefix wins", "0011442079460000", NESTED, LONDON),
    ("18 digits are the most", "442079460000123456", BARE, "442079460000123456"),
    ("one digit is the least", "9", BARE, "9"),
    (
        "Italian numbers keep their 0 whatever the list",
        "0612345678",
        NumberPlan("40", "", ("00",)),
        "400612345678",
    ),
    ("A01 a prefix left in behind a foreign code", "+44 (0)7911123456".replace(" ", ""), AMERICA, None),
    ("the same from a trunk without a plan", "4407911123456", BARE, None),
    ("the same behind a code of three digits", "+88001711000001", BARE, None),
    ("the prefix twice in its own country", "+4400447911123456", BRITAIN, None),
    ("+1 1 is a prefix twice", "+119005550100", BRITAIN, None),
    ("+1 0 is no area", "+101144791112345", BRITAIN, None),
    ("services without a country have no prefix", "+80001234567", BRITAIN, "80001234567"),
    ("Benin", "+2290197000000", BRITAIN, "2290197000000"),
    ("another country's 0 is not known to be a prefix", "+390612345678", BRITAIN, "390612345678"),
]


@pytest.mark.parametrize(
    ("user", "plan", "expected"), [case[1:] for case in PLANS], ids=[case[0] for case in PLANS]
)
def test_number_plans(user: str, plan: NumberPlan, expected: str | None) -> None:
    assert judged(user, plan) == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("+44-20-7946-1111", "442079461111"),
        ("02079461111", "442079461111"),
        ("anonymous", ""),
        ("", ""),
        ("%00", ""),
        ("0", ""),
    ],
)
def test_a_caller_without_a_number_is_anonymous(user: str, expected: str) -> None:
    assert number.calling(user, BRITAIN, ZEROS) == expected


BAD_PLANS = [
    (NumberPlan("", None, ()), "country code"),
    (NumberPlan("+44", None, ()), "country code"),
    (NumberPlan("044", None, ()), "country code"),
    (NumberPlan(None, "0", ()), "without a country code"),
    (NumberPlan("44", "x", ()), "national prefix"),
    (NumberPlan("44", "0", ("00", "")), "international prefix"),
    (NumberPlan("44", "0", ("+",)), "international prefix"),
]


@pytest.mark.parametrize(("plan", "field"), BAD_PLANS)
def test_a_plan_by_which_nothing_can_be_read_is_named(plan: NumberPlan, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        number.check_plan(plan)


@pytest.mark.parametrize("plan", [BRITAIN, AMERICA, ITALY, RUSSIA, NESTED, BARE])
def test_real_plans_pass(plan: NumberPlan) -> None:
    number.check_plan(plan)
