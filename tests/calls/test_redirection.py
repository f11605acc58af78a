"""Where a gateway redirects a call to is judged anew, or nobody goes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipguard.model.gateway import Redirects
from tests.calls.desk import Desk, Sent
from tests.policy.world import ACME, LONDON, UNIT, World, block, rate, route, routing_gateway

PARIS, BERLIN, ROME = "33142345678", "493012345678", "390612345678"
FIRST, SECOND = "198.51.100.1", "198.51.100.2"


def world(**changes: Any) -> World:
    """Britain goes by a gateway that may redirect, everything else by another."""
    return World(
        gateways=[
            routing_gateway(1, host=FIRST, **{"redirects": Redirects.JUDGE, **changes}),
            routing_gateway(2, host=SECOND),
        ],
        routes=[route(1, 1, "44"), route(2, 2, "")],
    )


def redirect(desk: Desk, invite: Sent, *contacts: str, status: str = "302 Moved Temporarily") -> None:
    desk.answer(invite, status, *(f"Contact: {contact}" for contact in contacts))


def called(invite: Sent) -> tuple[str, str]:
    return invite.line.split()[1].split("@")[0].removeprefix("sip:"), invite.to[0]


@pytest.mark.item("S-05")
@pytest.mark.parametrize("user", [PARIS, f"+{PARIS}", f"+{PARIS};npdi;rn=+{ROME}", "+33-1-42-34-56-78"])
def test_a_contact_that_is_permitted_goes_where_our_routes_lead(user: str) -> None:
    desk = Desk(world())
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{user}@192.0.2.66:5099;transport=tcp>")
    invite = desk.invited()
    assert called(invite) == (PARIS, SECOND), "never to the Contact's own host"
    desk.answer(invite, "486 Busy Here")
    assert desk.replied() == "486 Busy Here"
    (cdr,) = desk.ledger.cdrs
    assert (cdr.called, cdr.called_received) == (PARIS, LONDON)
    assert [(one.gateway_id, one.status) for one in cdr.tries] == [("vendor-1", 302), ("vendor-2", 486)]
    assert desk.idle()


@pytest.mark.item("S-05")
def test_a_redirection_counts_as_a_refusal_unless_the_gateway_may() -> None:
    desk = Desk(world(redirects=Redirects.REFUSE))
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>")
    assert desk.replied() == "480 Temporarily Unavailable"
    assert desk.idle()


@pytest.mark.item("S-05")
def test_what_is_blocked_stays_blocked_however_it_is_reached() -> None:
    trade = world()
    trade.sections = [block(1, ACME, "33")]
    desk = Desk(trade)
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>, <sip:{BERLIN}@192.0.2.66>;q=0.5")
    assert called(desk.invited()) == (BERLIN, SECOND)


@pytest.mark.item("S-05")
def test_contacts_are_judged_one_after_the_other_by_preference() -> None:
    desk = Desk(world())
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@a>;q=0.1", f"<sip:{BERLIN}@a>;q=0.9")
    first = desk.invited()
    assert called(first) == (BERLIN, SECOND)
    desk.answer(first, "503 Service Unavailable")
    assert called(desk.invited()) == (PARIS, SECOND)


def test_where_no_contact_will_do_the_next_gateway_is_tried() -> None:
    trade = world()
    trade.routes = [route(1, 1), replace(route(2, 2), priority=2)]
    trade.sections = [block(1, ACME, "33")]
    desk = Desk(trade)
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>", "<mailto:a@b>", "<sip:192.0.2.66>")
    assert called(desk.invited()) == (LONDON, SECOND)


@pytest.mark.parametrize("status", ["305 Use Proxy", "380 Alternative Service", "485 Ambiguous"])
def test_only_redirections_to_another_place_for_the_same_call_are_judged(status: str) -> None:
    desk = Desk(world())
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>", status=status)
    assert desk.sent("INVITE") == []
    assert desk.idle()


@pytest.mark.item("S-05")
def test_a_call_that_is_sent_in_circles_ends() -> None:
    trade = world()
    trade.routes = [route(1, 1)]
    desk = Desk(trade)
    desk.invite()
    numbers = []
    for turn in range(20):
        invites = desk.sent("INVITE")
        if not invites:
            break
        numbers.append(called(invites[0])[0])
        redirect(desk, invites[0], f"<sip:{LONDON}@a>", f"<sip:{PARIS[:-2]}{turn % 10:02}@a>")
    assert 1 < len(set(numbers)) == len(numbers) <= 6
    assert desk.idle()


def test_the_money_is_that_of_the_number_that_is_called_now() -> None:
    """Paris costs ten times as much: what is held follows, and what cannot be paid is refused."""
    trade = world()
    trade.rates += [rate(20 + key, table, "33", price=600_000) for key, table in enumerate((11, 12, 13))]
    desk = Desk(trade)
    funds = desk.exchange.funds
    desk.invite()
    invite = desk.invited()
    before = funds.totals().held_micros
    redirect(desk, invite, f"<sip:{PARIS}@192.0.2.66>")
    assert funds.totals().held_micros == 10 * before
    assert len(desk.exchange.current) == 1
    desk.answer(desk.invited(), "486 Busy Here")
    assert desk.idle()

    trade.funds._balances[100 + ACME] = UNIT // 10
    desk = Desk(trade)
    desk.invite()
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>")
    assert desk.sent("INVITE") == []
    assert desk.idle()


def test_an_emergency_call_is_not_redirected() -> None:
    desk = Desk(world())
    desk.invite("112")
    redirect(desk, desk.invited(), f"<sip:{PARIS}@192.0.2.66>")
    assert desk.sent("INVITE") == []
    assert desk.idle()


def test_nobody_reaches_an_emergency_service_by_a_redirection() -> None:
    desk = Desk(world())
    desk.invite()
    redirect(desk, desk.invited(), "<sip:112@192.0.2.66>")
    assert all(called(invite)[0] != "112" for invite in desk.sent("INVITE"))


def test_a_call_that_was_cancelled_meanwhile_goes_nowhere() -> None:
    desk = Desk(world())
    desk.invite()
    invite = desk.invited()
    desk.answer(invite, "180 Ringing")
    desk.receive(
        ("127.0.0.2", 5060),
        f"CANCEL sip:{LONDON}@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK1\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:+442079461111@127.0.0.2>;tag=c1\r\nTo: <sip:b@203.0.113.5>\r\n"
        "Call-ID: 1@127.0.0.2\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
    )
    redirect(desk, invite, f"<sip:{PARIS}@192.0.2.66>")
    assert desk.sent("INVITE") == []
    assert desk.idle()
