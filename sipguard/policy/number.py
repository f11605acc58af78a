"""Numbers: every spelling of one number is read as one canonical number, or as none at all.

What is judged is what is sent, so nothing that a gateway might read differently may pass: a number is
read here completely or refused (Q.850 cause 28), never in part.

The steps, for the user part of a SIP URI (RFC 3261 section 25.1; RFC 3966 for numbers within it):
unescape once - only visible ASCII - cut the parameters - drop the visual separators - take the tech prefix
off (tech_prefix.py) - one '+' at the front, digits behind it - the trunk's rewrite rules - its number plan -
no national prefix left in - E.164 digits without '+'.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import NamedTuple

from sipguard.model.gateway import NumberPlan
from sipguard.model.rewrite import RewriteRule, rewritten
from sipguard.policy import country

DIGITS_MAX = 18
"""Longest canonical number. E.164 ends at 15; some wholesale routes carry more, and 18 is what the
prefix index can tell apart."""

TEXT_MAX = 128
"""Longest user part that is read at all: a number, its separators and its parameters need less, and what
is longer is refused before any work is put into it."""

# Nearly every number comes like this, and needs no further reading.
_PLAIN = re.compile(r"\+?[0-9]{1,32}", re.ASCII)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
_COUNTRY_CODE = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_SEPARATORS = str.maketrans("", "", "-.()")
_CONTEXT = "phone-context"


class Dialled(NamedTuple):
    """A user part that spells a number, before the trunk's number plan has been applied."""

    digits: str
    """Digits, with the one leading '+' if there was one; never empty, but where `spelled` gives it."""
    context: str | None
    """Value of its phone-context (RFC 3966 section 5.1.5), None where it has none."""


def read(user: str) -> Dialled | None:
    """Read a user part, still escaped; None where it does not spell a number. Never raises."""
    return behind(spelled(user), 0)


def behind(text: Dialled | None, length: int) -> Dialled | None:
    """The number behind so many characters of what `spelled` has read; None where that is none."""
    if text is None:
        return None
    rest = text.digits[length:] if length else text.digits
    if not _is_digits(rest.removeprefix("+")):
        return None
    return text if not length else Dialled(rest, text.context)


def spelled(user: str) -> Dialled | None:
    """A user part, still escaped, without its escapes, parameters and separators: the one text of all its
    spellings. It may be no number: a tech prefix may stand in front of it. None: text of no kind, or with two
    contexts. Never raises.
    """
    if _PLAIN.fullmatch(user):
        return Dialled(user, None)
    text = _unescape(user)
    if text is None:
        return None
    text, *parameters = text.split(";")
    context = None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.lower() == _CONTEXT:
            if context is not None:
                return None
            context = value
    return Dialled(text.translate(_SEPARATORS), context)


def normalise(
    dialled: Dialled, plan: NumberPlan, leading_zero: Container[str], rules: Sequence[RewriteRule] = ()
) -> str | None:
    """E.164 digits without '+' of what a trunk with this plan dialled; None where it is no such number.

    1 to DIGITS_MAX digits, never with a leading 0: no country code starts with it, and a vendor's switch
    would take it for a prefix and dial what follows. For the same reason no national prefix is left behind
    the country code; `leading_zero`: country codes behind which a 0 is part of the number (country.py).
    `rules`: the trunk's own, of which the first that fits changes what was dialled before it is read.
    """
    text = dialled.digits
    if dialled.context is not None and not _context_agrees(dialled, plan):
        return None
    if rules:
        text, _ = rewritten(rules, text)
    if text.startswith("+"):
        digits = _international(text[1:], plan)
    elif text.startswith(plan.international_prefixes):
        longest = max((p for p in plan.international_prefixes if text.startswith(p)), key=len)
        digits = _international(text[len(longest) :], plan)
    elif plan.national_prefix is not None and text.startswith(plan.national_prefix):
        national = text[len(plan.national_prefix) :]
        # A 0 left at the front is a foreign international prefix ("00" where the plan says "011"), not a
        # subscriber. Countries whose numbers do start with 0 have the empty national prefix (Italy).
        if not national or national.startswith("0" if plan.national_prefix else "00"):
            return None
        return _bounded((plan.country_code or "") + national, plan, leading_zero)
    else:
        digits = _international(text, plan)
    return _bounded(digits, plan, leading_zero)


def calling(
    user: str, plan: NumberPlan, leading_zero: Container[str], rules: Sequence[RewriteRule] = ()
) -> str:
    """The calling number in E.164 digits; empty for anonymous callers and for names.

    A caller without a number is no reason to refuse by itself; sections that allow callers do (section.py).
    """
    dialled = read(user)
    return "" if dialled is None else normalise(dialled, plan, leading_zero, rules) or ""


def check_plan(plan: NumberPlan) -> None:
    """Raise ValueError that names the field of a plan by which no number could be read."""
    if plan.country_code is not None and not _COUNTRY_CODE.fullmatch(plan.country_code):
        raise ValueError(f"country code is not 1 to 3 digits, the first no 0: {plan.country_code!r}")
    if plan.national_prefix is not None:
        if plan.national_prefix and not _is_digits(plan.national_prefix):
            raise ValueError(f"national prefix is not digits: {plan.national_prefix!r}")
        if plan.country_code is None:
            raise ValueError(f"national prefix {plan.national_prefix!r} without a country code")
    for prefix in plan.international_prefixes:
        if not _is_digits(prefix):
            raise ValueError(f"international prefix is not digits: {prefix!r}")


def _international(digits: str, plan: NumberPlan) -> str:
    """Take out the national prefix that people write behind the country code: +44 (0)20 is +44 20.

    Known for the trunk's own country only, and only where the prefix starts with 0 (a Russian 8 may as
    well belong to the number). Left in, it would hide 447 from a section that blocks it.
    """
    country, national = plan.country_code, plan.national_prefix
    if country and national and national[0] == "0" and digits.startswith(country + national):
        return country + digits[len(country) + len(national) :]
    return digits


def _bounded(digits: str, plan: NumberPlan, leading_zero: Container[str]) -> str | None:
    if not 0 < len(digits) <= DIGITS_MAX or digits[0] == "0":
        return None
    if not country.keeps_national_prefix(digits, leading_zero):
        return digits
    # A trunk whose own country has no national prefix says by it that a 0 belongs to the number.
    code = plan.country_code if plan.national_prefix == "" else None
    return digits if code is not None and digits.startswith(code + "0") else None


def _context_agrees(dialled: Dialled, plan: NumberPlan) -> bool:
    """Whether the trunk's plan reads the number in the very context that the number names.

    A context that is a domain, or another country's, names a number that this plan would read wrongly.
    """
    context = (dialled.context or "").translate(_SEPARATORS)
    if not context.startswith("+") or not _is_digits(context[1:]):
        return False
    return dialled.digits.startswith("+") or context[1:] == plan.country_code


def _unescape(user: str) -> str | None:
    """Percent escapes decoded once (RFC 3261 section 19.1.2); None unless all of it is visible ASCII.

    An escape that is left over, broken or doubled leaves a '%', which no number contains.
    """
    if len(user) > TEXT_MAX:
        return None
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), user)
    return text if text.isascii() and text.isprintable() and " " not in text else None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()
