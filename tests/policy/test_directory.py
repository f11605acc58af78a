"""The snapshot: what it finds, and that a key which points nowhere is named and not stumbled over later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

import pytest

from sipguard.model.rate import RateTable
from tests.policy.world import ACME, World, account, mapping_gateway, rate, routing_gateway


def test_finds_accounts_by_id_and_gateways_by_key() -> None:
    directory = World().directory()
    acme = directory.account("acme")
    assert acme is not None
    assert directory.accounts[acme.key] is acme
    assert directory.account("nobody") is None
    assert directory.mapping_gateways[1].id == "trunk-1"
    assert directory.routing_gateways[1].id == "vendor-1"
    assert directory.revision == 7


def test_rates_come_back_as_they_were_given() -> None:
    given = [
        rate(41, 11, "", price=1),
        rate(42, 11, "44", price=2, fee=3, initial=30, following=6),
        rate(43, 13, "447911", price=2**62, initial=2**31, following=1),
        rate(44, 13, "012345678901234567", price=0),
    ]
    rates = World(rates=given).directory().rates
    found = [rates.find(each.table_key, each.prefix + "0", 0, UTC, 0) for each in given]
    assert [priced and priced.rate for priced in found] == given


def test_one_table_does_not_see_the_rates_of_another() -> None:
    rates = World(rates=[rate(1, 11, "44")]).directory().rates
    assert rates.find(12, "442079460000", 0, UTC, 0) is None


def test_a_chain_is_made_once() -> None:
    directory = World().directory()
    assert directory.chain(ACME) is directory.chain(ACME)
    with pytest.raises(KeyError):
        directory.chain(77)


def with_settings(**changes: object) -> World:
    world = World()
    world.settings = replace(world.settings, **changes)  # type: ignore[arg-type]
    return world


BROKEN: dict[str, tuple[Callable[[], World], str]] = {
    "a rate without a table": (lambda: World(rates=[rate(7, 99)]), "rate 7: no rate table with key 99"),
    "a negative price": (lambda: World(rates=[rate(7, 11, price=-1)]), "rate 7: price -1"),
    "a negative fee": (lambda: World(rates=[rate(7, 11, fee=-1)]), "rate 7: .*fee -1"),
    "no first increment": (lambda: World(rates=[rate(7, 11, initial=0)]), "rate 7: .*increments 0/1"),
    "no next increment": (lambda: World(rates=[rate(7, 11, following=0)]), "rate 7: .*increments 1/0"),
    "a prefix of letters": (lambda: World(rates=[rate(7, 11, "44x")]), "rate 7: prefix .*'44x'"),
    "a prefix of 19 digits": (lambda: World(rates=[rate(7, 11, "4" * 19)]), "rate 7: prefix"),
    "a prefix twice": (lambda: World(rates=[rate(7, 11, "44"), rate(8, 11, "44")]), "rates"),
    "an account without its table": (
        lambda: World().change(ACME, rate_table_key=99),
        "account 'acme': no rate table with key 99",
    ),
    "a table in another currency": (
        lambda: World(tables=[RateTable(key, f"table-{key}", "EUR") for key in (11, 12, 13, 20)]),
        "account 'root' is in USD, its rate table 'table-11' in EUR",
    ),
    "a negative credit limit": (
        lambda: World().change(ACME, credit_limit_micros=-1),
        "account 'acme': credit limit",
    ),
    "two accounts with one balance": (
        lambda: World().change(ACME, balance_ledger=101),
        "ledger 101 is the balance of 'root' and of 'acme'",
    ),
    "a vendor with a customer's balance": (
        lambda: World(gateways=[routing_gateway(clearing_ledger=103)]),
        "ledger 103 is the balance of 'acme' and clears routing gateway 'vendor-1'",
    ),
    "a trunk of nobody": (
        lambda: World(trunks=[mapping_gateway(account_key=99)]),
        "mapping gateway 'trunk-1': no account with key 99",
    ),
    "a trunk to nowhere": (
        lambda: World(trunks=[mapping_gateway(routing_gateway_keys=frozenset({1, 99}))]),
        "mapping gateway 'trunk-1': no routing gateway with key 99",
    ),
    "a trunk whose plan reads nothing": (
        lambda: World(
            trunks=[mapping_gateway(number_plan=replace(mapping_gateway().number_plan, country_code=None))]
        ),
        "mapping gateway 'trunk-1': national prefix",
    ),
    "a vendor without its table": (
        lambda: World(gateways=[routing_gateway(cost_table_key=99)]),
        "routing gateway 'vendor-1': no rate table with key 99",
    ),
    "a vendor's prefix that dials": (
        lambda: World(gateways=[routing_gateway(add_prefix="5355550100;x=")]),
        "routing gateway 'vendor-1': add_prefix",
    ),
    "a negative strip": (
        lambda: World(gateways=[routing_gateway(strip_digits=-1)]),
        "'vendor-1': strip_digits",
    ),
    "an emergency gateway that is not there": (
        lambda: with_settings(emergency_gateway_ids=("vendor-9",)),
        "emergency_gateway_ids: no routing gateway 'vendor-9'",
    ),
    "an emergency number that is none": (
        lambda: with_settings(emergency_numbers=frozenset({"1-1-2"})),
        "'1-1-2'",
    ),
    "a slice of nothing": (lambda: with_settings(slice_seconds=0), "slice_seconds is 0"),
}


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_judged_by_is_named(broken: Callable[[], World], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        broken().directory()


def test_vendors_may_share_a_clearing_account() -> None:
    World(gateways=[routing_gateway(1), routing_gateway(2, clearing_ledger=301)]).directory()


def test_accounts_without_a_rate_table_are_no_fault_of_the_directory() -> None:
    World(accounts=[account(ACME, "acme", rate_table_key=None)]).directory()
