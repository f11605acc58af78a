"""Every screen, as administrator and as agent: it comes up, and can be used by everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.conftest import Screen

SCREENS = {
    "overview": "/overview",
    "accounts": "/accounts",
    "sub-accounts": "/accounts?agent=wholesale",
    "all-accounts": "/accounts?scope=all",
    "account": "/accounts/retail",
    "account-payments": "/accounts/retail/payments",
    "account-statement": "/accounts/retail/statement",
    "account-cdrs": "/accounts/retail/cdrs",
    "calls": "/calls",
    "cdrs": "/cdrs",
    "cdrs-refused": "/cdrs?outcome=refused",
    "account-authorizations": "/accounts/retail/authorizations",
    "account-sections": "/accounts/customer/sections",
    "account-audit": "/accounts/retail/audit",
    "approvals": "/approvals",
    "grants": "/grants",
    "audit": "/audit",
    "account-gateways": "/accounts/customer/gateways",
    "gateways": "/gateways",
    "gateways-routing": "/gateways?part=routing",
    "rates": "/rates",
    "account-phones": "/accounts/retail/phones",
    "phones": "/phones",
    "alerts": "/alerts",
    "alerts-all": "/alerts?show=all",
    "logins": "/logins",
    "me": "/me",
    "payments": "/payments",
    "payment-requests": "/payments?part=requests",
}
NOT_OF_AGENTS: set[str] = set()


@pytest.mark.parametrize("who", ["root", "wholesale"])
def test_every_screen_comes_up_and_is_accessible(screen: Screen, who: str) -> None:
    screen.sign_in(who)
    for name, path in SCREENS.items():
        if who != "root" and name in NOT_OF_AGENTS:
            continue
        screen.open(path)
        screen.page.wait_for_load_state("load")
        screen.page.wait_for_selector("main [aria-busy=true]", state="detached")
        assert not screen.page.query_selector(".failure"), screen.page.inner_text(".failure")
        screen.keep(f"{who}-{name}")
        screen.check_accessible()


def test_signing_in_is_accessible_and_a_wrong_password_is_told(screen: Screen) -> None:
    screen.page.goto(screen.url)
    screen.page.wait_for_selector("#username")
    screen.keep("sign-in")
    screen.check_accessible()
    screen.page.fill("#username", "root")
    screen.page.fill("#password", "not the password")
    screen.page.click("button[type=submit]")
    screen.page.wait_for_selector(".failure")
    assert "wrong" in screen.page.inner_text(".failure")
    # The browser itself notes the 401; nothing else is wrong.
    assert all("401" in text for text in screen.said)
    screen.said.clear()


def test_from_a_refused_call_to_the_rule_that_refused_it(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/cdrs?outcome=refused")
    screen.page.wait_for_selector("tbody tr:not(.gap)")
    screen.page.dblclick("tbody tr:not(.gap) >> nth=0")
    screen.page.wait_for_selector(".why")
    told = screen.page.inner_text(".why")
    assert "section blocked" in told
    assert "customer" in told
    assert screen.page.query_selector("svg[role=img]")
    screen.keep("root-refused-call")
    screen.check_accessible()


def test_a_live_call_is_hung_up(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/calls")
    screen.page.wait_for_selector("tbody tr:not(.gap)", timeout=10_000)
    screen.page.click("tbody tr:not(.gap) >> nth=-1 >> button")  # the newest: it goes on the longest
    screen.keep("root-hang-up")
    screen.page.click("dialog button.danger")
    screen.page.wait_for_selector("dialog", state="detached")


def test_a_price_list_is_shown_before_it_is_taken_over(screen: Screen, tmp_path: Path) -> None:
    screen.sign_in("root")
    screen.open("/rates/customer-buys")
    screen.page.click("text=Take over a price list")
    file = tmp_path / "rates.csv"
    file.write_text("prefix,destination,rate\n4420,London,1.25\n")
    screen.page.set_input_files("input[type=file]", str(file))
    screen.page.wait_for_selector("dialog [role=status]")
    assert "Nothing was changed yet" in screen.page.inner_text("dialog")
    screen.keep("root-price-list")
    screen.check_accessible()
