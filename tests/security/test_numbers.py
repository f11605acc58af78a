"""Group A: every spelling of a number gets the decision of the number; what leaves is what was judged.

`sg` in a URI is sipguard's address. An id that is not in the collection (A01a) extends the class of its case.
"""

from __future__ import annotations

import pytest

from tests.security.peer import Message
from tests.security.stage import (
    ACME_011,
    ACME_BARE,
    BAD,
    LONDON,
    OPEN,
    POOR,
    REFUSED,
    SHUT,
    Stage,
)

BLOCKED_URIS = {
    "A01": "sip:005355550100@sg",
    "A01a": "sip:+5355550100@sg",
    "A01b": "sip:5355550100@sg",
    "A01c": "tel:+5355550100",
    "A01d": "tel:+53-5555-0100",
    "A04": "sip:%3005355550100@sg",
    "A04a": "sip:+%35355550100@sg",
    "A04b": "sip:%2B5355550100@sg",
    "A04c": "sip:%30%30%35%33%35%35%35%35%30%31%30%30@sg",
    "A08": "sip:(+53)55550100@sg",
    "A08a": "sip:+(53)55550100@sg",
    "A08b": "sip:+5-3.5(5)55-0100@sg",
    "A08c": "sip:0-0-5355550100@sg",
    "A28": "sip:447911123456@sg",
    "A28a": "sip:07911123456@sg",
    "A28b": "sip:+44(0)7911123456@sg",
    "A28c": "sip:00440-7911-123456@sg",
    "A28d": "sip:449012345678@sg",
    "A28e": "sip:19005550100@sg",
    "A28f": "sip:+1-900-555-0100@sg",
    "A34a": "sip:9995355550100@sg",
    "A41": "sip:+5355550100;isub=442079460000@sg",
    "A44": "sip:+5355550100@sg;user=phone",
    "A48": "sip:+5355550100@sg;lr;method=REGISTER;ttl=255;transport=tcp;maddr=127.0.0.1",
    "A51": "sip:5355550100:442079460000@sg",
    "A54": "SIP:+5355550100@SG",
    "A54a": "TEL:+5355550100",
}


@pytest.mark.parametrize("uri", BLOCKED_URIS.values(), ids=BLOCKED_URIS)
def test_blocked(stage: Stage, uri: str) -> None:
    """BLOCK: refused by sipguard, nothing at any gateway, the refusal recorded with its reason."""
    before = stage.daemon.status()["held_micros"]
    request = stage.request(uri)
    outcome = stage.play(stage.peer(2), request.text, request.call_id)
    assert outcome.status == 403
    assert outcome.forwarded == ()
    assert stage.daemon.status()["held_micros"] == before
    cdr = stage.cdr(request.call_id)
    assert (cdr["outcome"], cdr["reason"], cdr["called_sent"]) == ("refused", "section_blocked", None)


OF_UPPER_LEVELS = {
    "A01-R1": ("sip:005355550100@sg", "R1"),
    "A28-R1": ("sip:+19005550100@sg", "R1"),
    "A28-A1": ("sip:0449012345678@sg".replace("0449", "+449"), "A1"),
    "A28-root": ("sip:00881612345678@sg", "root"),
    "A28-root882": ("sip:+882161234567@sg", "root"),
    "A28-root88351": ("sip:+883510000000@sg", "root"),
    "A28-own": ("sip:07911123456@sg", "open"),
}


@pytest.mark.parametrize(("uri", "level"), OF_UPPER_LEVELS.values(), ids=OF_UPPER_LEVELS)
def test_blocked_by_any_level(stage: Stage, uri: str, level: str) -> None:
    """An account without a list of its own is held by each level above it."""
    request = stage.request(uri, OPEN)
    outcome = stage.play(stage.peer(OPEN), request.text, request.call_id)
    assert (outcome.status, outcome.forwarded) == (403, ())
    assert stage.cdr(request.call_id)["refusal_level"] == level


BAD_URIS = {
    "A11": "sip:442079460000%005355550100@sg",
    "A11a": "sip:442079460000%0d%0a5355550100@sg",
    "A11b": "sip:442079460000%205355550100@sg",
    "A14": "sip:++5355550100@sg",
    "A14a": "sip:+%2B5355550100@sg",
    "A14b": "sip:00+5355550100@sg",
    "A14c": "sip:44+5355550100@sg",
    "A14d": "sip:00005355550100@sg",
    "A14e": "sip:+005355550100@sg",
    "A14f": "sip:0005355550100@sg",
    "A15": "sip:+10447911123456@sg",
    "A15a": "sip:+330447911123456@sg",
    "A15b": "sip:+119005550100@sg",
    "A21": "sip:442079460000,,005355550100@sg",
    "A21a": "sip:442079460000p5355550100@sg",
    "A21b": "sip:442079460000w5355550100@sg",
    "A21c": "sip:442079460000%2C5355550100@sg",
    "A24": "sip:\u0665\u0663\u0665\u0665\u0665\u0660\u0661\u0660\u0660@sg",
    "A24a": "sip:%D9%A5%D9%A3%D9%A5@sg",
    "A24b": "sip:\uff14\uff14\uff12\uff10@sg",
    "A24c": "sip:44207946000\u00b2@sg",
    "A38": "sip:55550100;phone-context=evil.example@sg",
    "A38a": "tel:55550100;phone-context=evil.example",
    "A38b": "sip:2079460000;phone-context=+53@sg",
    "A38c": "tel:2079460000;phone-context=+53",
    "A38d": "tel:2079460000;phone-context=+44;phone-context=+53",
    "A58": "sip:442079460000@evil@sg",
    "A58a": "sip:442079460000%40evil@sg",
    "A58b": "sip:442079460000%3A5355550100@sg",
    "A59": "sip:@sg",
    "A59a": "sip:sg",
    "A59b": "sip:+@sg",
    "A59c": "sip:%@sg",
    "A59d": "sip:%4@sg",
    "A59e": "sip:%252B442079460000@sg",
    "A59f": "sip:alice@sg",
    "A59g": "sip:*31%23442079460000@sg",
    "A59h": "sip:4420794600001234567@sg",
    "A62": "sips:442079460000@sg",
    "A62a": "mailto:442079460000@sg",
    "A62b": "sip:442079460000@sg?Replaces=a%3Bto-tag%3Db",
    "A62c": "<sip:442079460000@sg>",
    "A68": "sip:442079460000@sg ",
    "A68a": " sip:442079460000@sg",
    "A68b": "\tsip:442079460000@sg",
    "A68c": "sip:442079460000@sg sip:5355550100@sg",
}


@pytest.mark.parametrize("uri", BAD_URIS.values(), ids=BAD_URIS)
def test_no_number_at_all(stage: Stage, uri: str) -> None:
    """BAD: refused as unreadable, neither half of it used."""
    outcome = stage.invite(uri)
    assert outcome.status in BAD
    assert outcome.forwarded == ()


def test_an_account_with_another_international_prefix(stage: Stage) -> None:
    """A18: behind IDD 011, 00 is no international prefix; what it hides is not dialled."""
    for uri in ("sip:005355550100@sg", "sip:0115355550100@sg"):
        outcome = stage.invite(uri, ACME_011)
        assert outcome.status in REFUSED
        assert outcome.forwarded == ()


SAME_URIS = {
    "A02": "sip:442079460000@sg",
    "A02a": "sip:+442079460000@sg",
    "A02b": "sip:00442079460000@sg",
    "A02c": "sip:02079460000@sg",
    "A02d": "sip:+44(0)20-7946.0000@sg",
    "A02e": "sip:%2b44%32079460000@sg",
    "A02f": "tel:+44-20-7946-0000",
    "A02g": "tel:2079460000;phone-context=+44".replace("tel:2", "tel:02"),
    "A21d": "sip:442079460000;postd=pp5355550100@sg",
    "A21e": "tel:+442079460000;postd=pp5355550100",
    "A38e": "sip:+442079460000;phone-context=+1@sg",
    "A41a": "sip:442079460000;isub=5355550100@sg",
    "A41b": "sip:442079460000;ext=5355@sg",
    "A41c": "sip:442079460000;npdi;rn=+5355550100@sg",
    "A41d": "tel:+442079460000;npdi;rn=+5355550100",
    "A44a": "sip:442079460000@sg;user=phone",
    "A44b": "sip:442079460000@sg;user=ip",
    "A44c": "sip:442079460000@sg;user=PHONE",
    "A48a": "sip:442079460000@sg;lr;method=REGISTER;ttl=255;transport=tcp",
    "A48b": "sip:442079460000@sg;maddr=127.0.0.99",
    "A51a": "sip:442079460000:5355550100@sg",
    "A51b": "sip:442079460000:@sg",
    "A54b": "SIP:+442079460000@SG",
    "A60": "sip:442079460000@evil.example:5099",
}


def assert_only_judged(message: Message, number: str) -> None:
    """The request line holds the judged digits and nothing else of the number."""
    method, uri, version = message.first_line.split(" ")
    assert (method, version) == ("INVITE", "SIP/2.0")
    user, _, host = uri.removeprefix("sip:").partition("@")
    assert user == number
    assert ";" not in host
    assert "?" not in host
    assert message.all("Route") == []


@pytest.mark.parametrize("uri", SAME_URIS.values(), ids=SAME_URIS)
def test_one_number(stage: Stage, uri: str) -> None:
    """SAME: the decision of the canonical number, and the gateway gets exactly the canonical number."""
    outcome = stage.invite(uri, to=f"<{uri}>" if uri.isascii() else "<sip:b@sg>")
    (forwarded,) = outcome.forwarded
    assert outcome.status == 486
    assert_only_judged(forwarded, LONDON)
    for hidden in ("5355550100", "evil", "postd", "isub", "pp53"):
        assert hidden not in forwarded.first_line
        assert hidden not in forwarded.get("To") or hidden == "evil"


def test_the_empty_prefix_is_every_number_and_a_list_that_allows_it_is_no_hole(stage: Stage) -> None:
    """A31: block "" shuts an agent and all below it; allow "" of A1 lifts no block of another level."""
    shut = stage.request(f"sip:{LONDON}@sg", SHUT)
    assert stage.play(stage.peer(SHUT), shut.text, shut.call_id).status == 403
    assert stage.cdr(shut.call_id)["refusal_level"] == "closing"
    assert stage.invite("sip:+5355550100@sg", OPEN).status == 403


@pytest.mark.parametrize("number", ["112", "999"], ids=["A34-112", "A34-999"])
def test_emergency_calls_need_no_money_and_no_room(stage: Stage, number: str) -> None:
    request = stage.request(f"sip:{number}@sg", POOR)
    outcome = stage.play(stage.peer(POOR), request.text, request.call_id)
    (forwarded,) = outcome.forwarded
    assert forwarded.request_user == number
    assert outcome.status == 486
    assert stage.invite(f"sip:{LONDON}@sg", POOR).status in REFUSED, "anything else needs both"


@pytest.mark.parametrize("number", ["1125355550100", "1120", "112%30", "0112", "+112", "11%32p53"])
def test_next_to_an_emergency_number_is_none(stage: Stage, number: str) -> None:
    """A34: matched whole, not by its front."""
    outcome = stage.invite(f"sip:{number}@sg", POOR)
    assert outcome.status in REFUSED
    assert outcome.forwarded == ()


ROUTES = {
    "A60": "Route: <sip:127.0.0.99;lr>\r\n",
    "A61": "Route: <sip:sg;lr>, <sip:sg:5060;lr>\r\nRoute: <sip:005355550100@127.0.0.99;lr>\r\n",
    "A61a": "Route : <sip:+5355550100@gw>\r\n",
    "A61b": "ROUTE:\t<sip:5355550100@127.0.0.100:5060;lr>\r\n",
}


@pytest.mark.parametrize("extra", ROUTES.values(), ids=ROUTES)
def test_no_route_of_the_caller_is_followed(stage: Stage, extra: str) -> None:
    outcome = stage.invite(f"sip:{LONDON}@sg", extra=extra)
    (forwarded,) = outcome.forwarded
    assert_only_judged(forwarded, LONDON)
    assert b"5355550100" not in forwarded.data
    assert stage.invite("sip:005355550100@sg", extra=extra).status == 403


@pytest.mark.parametrize(
    "uri",
    ["sip:+44 7911123456@sg", "sip:4407911123456@sg", "sip:+4407911123456@sg", "sip:00447911123456@sg"],
    ids=["A15c", "A15d", "A15e", "A15f"],
)
def test_a_trunk_without_a_plan_is_no_way_to_a_blocked_number(stage: Stage, uri: str) -> None:
    """`+44 0 7911...` must not be judged as 440 by us and dialled as 447 by the gateway."""
    outcome = stage.invite(uri, ACME_BARE)
    assert outcome.status in REFUSED
    assert outcome.forwarded == ()
