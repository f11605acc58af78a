"""The bindings of a phone before and after a REGISTER (RFC 3261 section 10.3, RFC 5626 section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from sipguard.model.contact import Contact
from sipguard.policy.registration import Limits, Problem, Register, current, update

NOW = 1_000_000
LIMITS = Limits(60, 3600)


@dataclass
class Asked:
    key: str
    q: int | None = None
    expires: int | None = None
    instance: str = ""
    reg_id: int | None = None

    @property
    def uri(self) -> str:
        return f"sip:{self.key}"


def contact(key: str = "a@h", **changes: Any) -> Contact:
    plain = Contact(
        phone_key=1,
        uri=f"sip:{key}",
        key=key,
        q=1000,
        expires_ms=NOW + 60_000,
        sip_call_id="one",
        cseq=5,
        instance="",
        reg_id=None,
        path=(),
        host="192.0.2.1",
        port=5060,
        listener=0,
        transport="udp",
        stream=0,
        user_agent="",
        registered_ms=NOW,
    )
    return replace(plain, **changes)


def after(
    *asked: Asked,
    bound: tuple[Contact, ...] = (),
    cseq: int = 6,
    call_id: str = "one",
    expires: int | None = None,
    wildcard: bool = False,
    most: int = 9,
) -> tuple[Contact, ...] | Problem:
    source = contact("", cseq=cseq, sip_call_id=call_id, registered_ms=NOW + 1)
    return update(bound, Register(asked, wildcard, expires, source), LIMITS, most, NOW)


def keys(told: tuple[Contact, ...] | Problem) -> list[str]:
    assert not isinstance(told, Problem), told
    return [one.key for one in told]


@pytest.mark.parametrize(
    ("of_contact", "of_request", "seconds"),
    [
        (None, None, 3600),
        (None, 120, 120),
        (90, 120, 90),
        (99_999, None, 3600),
        (60, None, 60),
    ],
)
def test_how_long(of_contact: int | None, of_request: int | None, seconds: int) -> None:
    told = after(Asked("a@h", expires=of_contact), expires=of_request)
    assert not isinstance(told, Problem)
    assert [one.expires_ms for one in told] == [NOW + seconds * 1000]


@pytest.mark.parametrize("expires", [1, 59])
def test_too_brief_for_one_is_no_for_all(expires: int) -> None:
    told = after(Asked("a@h"), Asked("b@h", expires=expires), bound=(contact("c@h"),))
    assert told == Problem(423, "Interval Too Brief", (("Min-Expires", "60"),))


def test_unbinding() -> None:
    both = (contact("a@h"), contact("b@h"))
    assert keys(after(Asked("a@h", expires=0), bound=both)) == ["b@h"]
    assert keys(after(Asked("x@h", expires=0), bound=both)) == ["a@h", "b@h"]
    assert keys(after(bound=both, wildcard=True, expires=0)) == []
    assert keys(after(bound=both)) == ["a@h", "b@h"], "only asked"
    for expires in (None, 60):
        refused = after(bound=both, wildcard=True, expires=expires)
        assert isinstance(refused, Problem)
        assert refused.status == 400


@pytest.mark.parametrize(
    ("call_id", "cseq", "in_order"),
    [("one", 6, True), ("one", 5, False), ("one", 4, False), ("two", 1, True)],
)
def test_a_request_that_was_overtaken(call_id: str, cseq: int, in_order: bool) -> None:
    bound = (contact("a@h"),)
    for told in (
        after(Asked("a@h"), bound=bound, call_id=call_id, cseq=cseq),
        after(Asked("b@h"), Asked("a@h", expires=0), bound=bound, call_id=call_id, cseq=cseq),
        after(bound=bound, call_id=call_id, cseq=cseq, wildcard=True, expires=0),
    ):
        assert isinstance(told, Problem) is not in_order
        assert in_order or told == Problem(500, "Out of Order")
    assert keys(after(Asked("b@h"), bound=bound, call_id=call_id, cseq=cseq)) == ["b@h", "a@h"]


def test_a_device_that_moved_has_one_binding_for_each_flow() -> None:
    bound = (contact("a@1", instance="i", reg_id=1), contact("a@2", instance="i", reg_id=2), contact("a@3"))
    told = after(Asked("a@9", instance="i", reg_id=1), bound=bound)
    assert sorted(keys(told)) == ["a@2", "a@3", "a@9"]
    told = after(Asked("a@9", instance="i"), bound=bound)
    assert len(keys(told)) == 4, "without reg-id it is no flow"
    told = after(Asked("a@9", instance="j", reg_id=1), bound=bound)
    assert len(keys(told)) == 4, "another device"


def test_the_order_in_which_they_are_tried() -> None:
    bound = [
        contact("old", registered_ms=1),
        contact("low", q=100, registered_ms=9),
        contact("new", registered_ms=2),
        contact("gone", expires_ms=NOW),
    ]
    assert [one.key for one in current(bound, NOW)] == ["new", "old", "low"]


def test_what_was_registered_longest_ago_gives_way() -> None:
    bound = (contact("a", registered_ms=1), contact("b", registered_ms=2, q=1), contact("c", registered_ms=3))
    assert sorted(keys(after(Asked("d"), bound=bound, most=3))) == ["b", "c", "d"]


def test_expired_ones_are_as_if_they_were_not_there() -> None:
    gone = contact("a@h", expires_ms=NOW, cseq=99)
    assert keys(after(Asked("a@h"), bound=(gone,))) == ["a@h"]
    assert keys(after(bound=(gone,))) == []


def test_contacts_that_cannot_be_read() -> None:
    source = contact("")
    told = update((), Register(None, False, None, source), LIMITS, 9, NOW)
    assert told == Problem(400, "Bad Contact")
