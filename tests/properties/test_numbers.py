"""One number has one reading, however it is spelled; what is read is E.164; nothing raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipguard.policy import number
from tests.policy.world import BRITAIN, ZEROS

DIGIT = st.sampled_from("0123456789")
SEPARATORS = st.text(alphabet="-.()", max_size=2)
PARAMETERS = st.lists(
    st.sampled_from(
        [";isub=5355", ";ext=12", ";postd=pp53", ";phone-context=+44", ";npdi", ";RN=+535", ";x"]
    ),
    max_size=3,
    unique=True,
).map("".join)


@st.composite
def national_numbers(draw: st.DrawFn) -> str:
    """A subscriber in country 44: such numbers never begin with the national prefix."""
    return draw(st.sampled_from("123456789")) + draw(st.text(alphabet=DIGIT, min_size=3, max_size=12))


@st.composite
def spellings(draw: st.DrawFn, national: str) -> str:
    """One of the ways to write a number of country 44 on a British trunk."""
    front = draw(st.sampled_from(["+44", "0044", "44", "0", "+44(0)", "00440"]))
    spelled = "".join(draw(SEPARATORS) + digit for digit in front + national) + draw(SEPARATORS)
    escaped = "".join(_escaped(draw, character) for character in spelled)
    return escaped + draw(PARAMETERS)


def _escaped(draw: st.DrawFn, character: str) -> str:
    form = draw(st.sampled_from(["{}", "{}", "{}", "%{:02x}", "%{:02X}"]))
    return form.format(character if form == "{}" else ord(character))


@given(st.data())
def test_every_spelling_is_the_same_number(data: st.DataObject) -> None:
    national = data.draw(national_numbers())
    spelled = data.draw(spellings(national).filter(lambda text: len(text) <= number.TEXT_MAX))
    dialled = number.read(spelled)
    assert dialled is not None
    assert number.normalise(dialled, BRITAIN, ZEROS) == "44" + national


@given(st.one_of(st.text(), st.text(alphabet="0123456789+-.()%;=,pw*#\0 ")))
def test_what_is_read_is_e164_and_is_read_the_same_again(user: str) -> None:
    dialled = number.read(user)
    judged = None if dialled is None else number.normalise(dialled, BRITAIN, ZEROS)
    if judged is None:
        assert number.calling(user, BRITAIN, ZEROS) == ""
        return
    assert judged.isascii()
    assert judged.isdecimal()
    assert 1 <= len(judged) <= number.DIGITS_MAX
    assert judged[0] != "0"
    assert number.calling(user, BRITAIN, ZEROS) == judged
    again = number.read("+" + judged)
    assert again is not None
    assert number.normalise(again, BRITAIN, ZEROS) == judged
