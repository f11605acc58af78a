"""Whose an address is: shared by trunks that tech prefixes tell apart, and by nobody with a stranger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sipguard.manage import account, authorization, mapping_gateway
from sipguard.manage.account_form import NewAccount
from sipguard.manage.authorization_form import Grant
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError
from sipguard.manage.gateway_form import MappingGatewayChanges, NewMappingGateway, TestCall
from sipguard.manage.number_test import TriedNumber, try_trunk
from sipguard.model.actor import Actor, Role, Via
from tests.manage.test_network import ROOT, House, form

SHARED = "8.8.4.4/32"
LONDON = "442079460000"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two agents, each with a customer, that may do everything with gateways."""
    made = House(tmp_path / "house")

    async def populate(act: Act) -> None:
        for agent in ("north", "south"):
            await account.create(act, form(NewAccount, id=agent, currency="BDT"))
            await account.create(act, form(NewAccount, id=f"{agent}-shop", agent_id=agent))
            await authorization.grant(
                act, agent, form(Grant, authorizations=["gateway", "gateway_information", "gateway_capacity"])
            )

    made.act("x.y", populate)
    return made


def agent(house: House, id: str) -> Actor:
    key = int(house.rows(f"SELECT key FROM account WHERE id = '{id}'")[0][0])
    return Actor(id, Role.ACCOUNT, Via.SHELL, 1, key)


def make(
    house: House, id: str, account_id: str, *prefixes: str, by: Actor = ROOT, source: str = SHARED
) -> None:
    told = form(
        NewMappingGateway, id=id, account_id=account_id, sources=[source], tech_prefixes=list(prefixes)
    )
    house.act("mapping_gateway.create", lambda act: mapping_gateway.create(act, told), by)


def change(house: House, id: str, by: Actor = ROOT, **values: Any) -> None:
    told = form(MappingGatewayChanges, **values)
    house.act("mapping_gateway.modify", lambda act: mapping_gateway.modify(act, id, told), by)


def prefixes(house: House) -> list[tuple[Any, ...]]:
    return house.rows(
        "SELECT id, network, tech_prefixes FROM mapping_gateway JOIN mapping_gateway_source"
        " ON gateway_key = key ORDER BY id, network"
    )


def taken(command: Callable[[], None]) -> None:
    with pytest.raises(ConflictError, match="these sources are taken"):
        command()


def test_trunks_share_a_source_where_prefixes_tell_them_apart(house: House) -> None:
    make(house, "one", "north-shop", "88#", "77#", "77#")
    make(house, "two", "south-shop", "7")
    make(house, "bare", "south-shop")
    assert prefixes(house) == [
        ("bare", SHARED, "[]"),
        ("one", SHARED, '["77#", "88#"]'),
        ("two", SHARED, '["7"]'),
    ]
    taken(lambda: make(house, "three", "north", "9", "77#"))
    taken(lambda: make(house, "three", "north"))
    taken(lambda: change(house, "two", tech_prefixes=["77#"]))
    taken(lambda: change(house, "two", tech_prefixes=[]))
    change(house, "two", tech_prefixes=["78"], sources=[SHARED, "8.8.8.8/32"])
    change(house, "bare", sources=["8.8.8.8/32"])
    taken(lambda: change(house, "bare", tech_prefixes=["78"]))
    change(house, "two", tech_prefixes=[], sources=[SHARED])
    assert prefixes(house)[-1] == ("two", SHARED, "[]")


def test_agents_share_within_their_trees_and_not_with_strangers(house: House) -> None:
    north, south = agent(house, "north"), agent(house, "south")
    make(house, "one", "north-shop", "1", by=north)
    make(house, "two", "north", "2", by=north)
    for source in (SHARED, "8.8.4.0/24"):
        taken(lambda source=source: make(house, "theirs", "south-shop", "3", by=south, source=source))  # type: ignore[misc]
    make(house, "theirs", "south-shop", "3", by=ROOT)
    # An administrator has let them share: neither takes numbers from the other by a longer prefix.
    taken(lambda: change(house, "theirs", by=south, tech_prefixes=["11"]))
    taken(lambda: change(house, "one", by=north, tech_prefixes=["31"]))
    change(house, "theirs", by=south, country_code="44")
    change(house, "theirs", by=south, sources=[SHARED, "8.8.8.8/32"])
    change(house, "theirs", tech_prefixes=["11"])


def test_prefixes_are_swapped_by_files(house: House) -> None:
    make(house, "one", "north-shop", "1")
    make(house, "two", "south-shop", "2")
    house.export()
    house.edit(
        "mapping_gateways.jsonl",
        ('"tech_prefixes": ["1"]', '"tech_prefixes": ["x"]'),
        ('"tech_prefixes": ["2"]', '"tech_prefixes": ["1"]'),
        ('"tech_prefixes": ["x"]', '"tech_prefixes": ["2"]'),
    )
    house.apply()
    assert not house.diff()
    assert prefixes(house) == [("one", SHARED, '["2"]'), ("two", SHARED, '["1"]')]


def test_the_test_box_takes_the_prefix_off(house: House) -> None:
    make(house, "one", "north-shop", "7", "77#")

    def tried(number: str) -> TriedNumber:
        async def ask(view: View) -> TriedNumber:
            return await try_trunk(view, "one", form(TestCall, number=number))

        async def reading(desk: Any) -> TriedNumber:
            async with desk.reading(ROOT) as view:
                return await ask(view)

        command: Callable[[Any], Awaitable[TriedNumber]] = reading
        return house.run(command)

    steps = [(one.step, one.number, one.rule) for one in tried(f"77%23+{LONDON}").called]
    assert steps == [
        ("received", f"77%23+{LONDON}", None),
        ("tech_prefix", f"+{LONDON}", "77#"),
        ("judged", LONDON, None),
    ]
    assert tried(LONDON).refusal == "tech_prefix_missing"
    assert tried(f"7{LONDON}").number == LONDON
