"""Country codes: how long they are, and what cannot follow them (ITU-T E.164).

No numbering plans of countries are kept here, only the shape of the codes, which has not changed since the
zones were drawn: all of a zone have three digits but those named below.
"""

from __future__ import annotations

import re
from collections.abc import Container

_TWO_DIGITS = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]", re.ASCII)


def code_length(digits: str) -> int:
    """How many of the leading digits of an international number are its country code."""
    if digits[0] in "17":
        return 1
    return 2 if _TWO_DIGITS.match(digits) else 3


def keeps_national_prefix(digits: str, leading_zero: Container[str]) -> bool:
    """Whether an international number still has a national prefix behind its country code: +44 0 7911...

    Switches take it out without being asked, so 440 would be judged and 447 dialled. `leading_zero`: country
    codes whose national numbers do begin with 0. In North America 1 is prefix and country code, and no number
    behind it begins with 0 or 1.
    """
    if digits[0] == "1":
        return digits[1:2] in ("0", "1")
    length = code_length(digits)
    return digits[length : length + 1] == "0" and digits[:length] not in leading_zero
