"""Every screen, as administrator and as agent: it comes up, and can be used by everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route

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
    "account-thresholds": "/accounts/retail/thresholds",
    "account-audit": "/accounts/retail/audit",
    "approvals": "/approvals",
    "grants": "/grants",
    "audit": "/audit",
    "account-gateways": "/accounts/customer/gateways",
    "gateways": "/gateways",
    "gateways-routing": "/gateways?part=routing",
    "rates": "/rates",
    "routes": "/routes",
    "routes-of-a-number": "/routes?number=8801711000001",
    "cards": "/cards",
    "account-cards": "/accounts/retail/cards",
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
    assert "forbids calls to this number" in told
    assert screen.page.get_attribute(".why a", "href") == "/accounts/customer/sections"
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


def test_a_number_is_tried_without_a_call(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/gateways")
    screen.page.dblclick("tbody tr:not(.gap) >> nth=0")
    screen.page.click("dialog >> text=Try a number")
    screen.page.fill("#field-number", "442079460000")
    screen.page.click("dialog dialog button[type=submit]")
    screen.page.wait_for_selector(".tried")
    told = screen.page.inner_text(".tried")
    assert "Called: Received" in told
    assert "Called: Judged as" in told
    screen.keep("root-number-test")
    screen.check_accessible()


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


def test_cards_are_made_printed_once_and_blocked(screen: Screen, tmp_path: Path) -> None:
    screen.sign_in("root")
    screen.open("/accounts/retail/cards")
    page = screen.page
    page.click("text=New card batch")
    for name, value in (("id", "spring"), ("cards", "30"), ("face_value_micros", "5")):
        page.fill(f"dialog [name={name}]", value)
    page.click("dialog button[type=submit]")
    page.wait_for_selector("dialog [role=status]")
    assert "nowhere kept" in page.inner_text("dialog")
    screen.check_accessible()
    with page.expect_download() as told:
        page.click("text=Save as CSV")
    told.value.save_as(tmp_path / "cards.csv")
    head, *rows = (tmp_path / "cards.csv").read_text().splitlines()
    assert (head, len(rows)) == ("serial,pin", 30)
    assert len({row.partition(",")[2] for row in rows}) == 30
    screen.keep("root-cards-made")
    page.click("dialog >> text=Done")
    screen.open("/cards/spring")
    page.wait_for_selector("tbody tr:not(.gap)")
    assert rows[0].partition(",")[2] not in page.content(), "a PIN is shown once"
    page.click("tbody tr:not(.gap) >> nth=0 >> button")
    page.click("dialog button.danger")
    page.wait_for_selector("tbody >> text=blocked")
    screen.keep("root-card-batch")
    screen.check_accessible()


def test_a_number_shows_who_would_take_it(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/routes")
    screen.page.fill("[name=number]", "+880 1711 000001")
    screen.page.click("text=Who would take it?")
    screen.page.wait_for_selector("text=the first to be tried first")
    screen.page.wait_for_selector("tbody tr:not(.gap)")
    assert "usual" in screen.page.inner_text("tbody")
    assert screen.page.inner_text("tbody tr:not(.gap) >> nth=0 >> td >> nth=0") == "1"


@pytest.mark.parametrize(
    ("path", "box", "rows"),
    [
        ("/routes", "[name=number]", "**/api/v1/routing-gateways*"),
        ("/cdrs", "[name=called]", "**/api/v1/cdrs*"),
    ],
)
def test_what_is_typed_while_rows_are_loading_stays(screen: Screen, path: str, box: str, rows: str) -> None:
    screen.sign_in("root")
    page, held = screen.page, list[Route]()
    page.route(rows, lambda route: held.append(route))
    screen.open(path)
    page.fill(box, "8801711")
    assert held
    with page.expect_response(rows):
        for request in held:
            request.continue_()
    page.wait_for_selector("tbody tr:not(.gap)")
    assert page.input_value(box) == "8801711"


def test_what_is_not_saved_is_not_lost_by_a_click(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/accounts/retail/settings")
    page, asked = screen.page, list[str]()
    page.wait_for_selector("[name=name]")
    page.fill("[name=name]", "changed, not saved")

    def stay(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", stay)
    page.click("nav >> text=Gateways >> nth=0")
    assert asked == ["Leave without saving what was changed?"]
    assert page.input_value("[name=name]") == "changed, not saved"
    page.remove_listener("dialog", stay)
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("nav >> text=Gateways >> nth=0")
    page.wait_for_selector("h1:has-text('Gateways')")


def test_a_table_keeps_its_columns_and_goes_to_a_file(screen: Screen, tmp_path: Path) -> None:
    screen.sign_in("root")
    screen.open("/accounts?scope=all")
    page = screen.page
    page.wait_for_selector("tbody tr:not(.gap)")
    page.click("summary >> text=Columns")
    page.uncheck("label:has-text('Currency') input")
    with page.expect_download() as told:
        page.click("text=Export")
    told.value.save_as(tmp_path / "accounts.csv")
    head, *rows = (tmp_path / "accounts.csv").read_text().splitlines()
    assert "Currency" not in head
    assert any(row.startswith("retail,") for row in rows)
    page.reload()
    page.wait_for_selector("tbody tr:not(.gap)")
    assert not page.query_selector("th:has-text('Currency')"), "the choice is remembered"


def test_every_screen_fits_a_phone(screen: Screen) -> None:
    screen.sign_in("root")
    screen.page.set_viewport_size({"width": 360, "height": 720})
    wide = []
    for name, path in SCREENS.items():
        screen.open(path)
        screen.page.wait_for_selector("main [aria-busy=true]", state="detached")
        if screen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(name)
    assert not wide
    screen.open("/overview")
    screen.page.click(".menu-button")
    screen.page.click("#side >> text=Alerts")
    screen.page.wait_for_selector("h1:has-text('Alerts')")
    screen.keep("root-phone-width")
    screen.check_accessible()


def test_texts_are_those_of_a_catalogue(screen: Screen) -> None:
    """Every text passes through t(): with a catalogue in place the menu, headings and buttons are its."""
    screen.sign_in("root")
    screen.open("/overview")
    told = screen.page.evaluate(
        """async () => {
            const text = await import("/ui/lib/text.js");
            text.translate({ "no limit": "keine Grenze", "{some} of {all}": "{some} von {all}" });
            return [text.limit(null), text.t("{some} of {all}", { some: 1, all: 2 }), text.t("Accounts")];
        }"""
    )
    assert told == ["keine Grenze", "1 von 2", "Accounts"]


def test_a_threshold_is_set_and_taken_back(screen: Screen) -> None:
    screen.sign_in("root")
    screen.open("/accounts/retail/thresholds")
    page = screen.page
    page.click("text=New threshold")
    page.select_option("dialog [name=kind]", "balance_low")
    page.fill("dialog [name=value]", "12.5")
    page.check("dialog [name=subtree]")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("tbody tr:not(.gap)")
    row = page.inner_text("tbody tr:not(.gap)")
    assert "12.50" in row
    assert "everybody below" in row
    screen.keep("root-threshold")
    page.click("tbody tr:not(.gap) >> button")
    page.click("dialog button.danger")
    page.wait_for_selector("tbody tr:not(.gap)", state="detached")
