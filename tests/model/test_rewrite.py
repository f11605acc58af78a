"""Rewrite rules as they are written: what each makes of a number, and what is no rule."""

from __future__ import annotations

import pytest

from sipguard.model.rewrite import RewriteRule, parsed, rewritten


@pytest.mark.parametrize(
    ("rule", "number", "made"),
    [
        ("00*:*", "00442079460000", "442079460000"),
        ("00*:*", "00", ""),
        ("00*:*", "442079460000", None),
        ("*:9011*", "442079460000", "9011442079460000"),
        ("*:+*", "442079460000", "+442079460000"),
        ("44*:0*", "442079460000", "02079460000"),
        ("911:112", "911", "112"),
        ("911:112", "9111", None),
        ("0?????:8802?????", "012345", "880212345"),
        ("0?????:8802?????", "0123456", None),
        ("0?????:8802?????", "01234", None),
        ("??*:*", "4420", "20"),
        ("?5*:9?*", "157", "917"),
        ("*00:*", "4400", "44"),
        ("1*2:3*4", "1992", "3994"),
        # Digits alone: a + is written out.
        ("*:86*", "+442079460000", None),
        ("+*:*", "+442079460000", "442079460000"),
        ("+*:*", "442079460000", None),
        ("?*:1*", "+4", None),
        # No other digits than the ten.
        ("*:1*", "٤٤", None),
        ("*:1*", "44\n", None),
    ],
)
def test_what_a_rule_makes_of_a_number(rule: str, number: str, made: str | None) -> None:
    assert RewriteRule.parse(rule).apply(number) == made


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "44", "44:", ":44", "44:0:1", "4 4:0", "44:0x", "**:*", "*:**", "44:*", "4?:0??", "4*4*:1",
        "4+:1", "44:1+", "*:+", "a*:*", "(44)*:*", "٤*:*", "44*:0*\n", "1" * 33 + ":1", "1:" + "1" * 33,
    ],
)  # fmt: skip
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"on each side|more often|left of the number"):
        RewriteRule.parse(text)


def test_the_first_rule_that_fits_is_the_only_one() -> None:
    rules = parsed(["0044*:44*", "00*:*", "44*:999*"])
    assert rewritten(rules, "0044207") == ("44207", "0044*:44*")
    assert rewritten(rules, "0033142") == ("33142", "00*:*")
    assert rewritten(rules, "33142") == ("33142", None)
    assert rewritten((), "33142") == ("33142", None)


def test_the_longest_rule_on_the_longest_number_is_soon_done() -> None:
    """One star: the number is read once, and not in every way in which it could be cut."""
    rule = RewriteRule.parse("1" * 15 + "*" + "1" * 16 + ":*")
    assert rule.apply("1" * 127 + "2") is None
    assert rule.apply("1" * 128) == "1" * 97
