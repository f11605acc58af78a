"""config/demo.toml is what its comments say: it loads, every level earns, the chains and limits are there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sipguard.manage import dataset, form
from sipguard.store import account, database, ledger

DEMO = Path(__file__).parents[2] / "config" / "demo.toml"


@pytest.fixture(scope="module")
def demo() -> form.DataSet:
    return dataset.read(DEMO)


def test_it_loads_and_adds_up(demo: form.DataSet, tmp_path: Path) -> None:
    async def run() -> tuple[list[str], ledger.VerifyReport]:
        db = database.create(tmp_path / "demo.db")
        try:
            async with db.writing() as conn:
                await dataset.load(conn, demo, now_ms=0)
            async with db.reading() as conn:
                tree = [f"{one.depth} {one.account.id}" for one in await account.tree(conn)]
                return tree, await ledger.verify(conn)
        finally:
            await db.close()

    tree, report = asyncio.run(run())
    assert tree == [
        "0 BD-Wholesale-Agent",
        "1 Chittagong-Retail-Sub",
        "2 Customer-002",
        "1 Dhaka-Retail-Sub",
        "2 Customer-001",
        "0 Card-Agent",
        "1 Card-Customer-001",
    ]
    assert report.ok
    assert report.entries == len(demo.payments)


def test_every_level_earns_on_every_destination(demo: form.DataSet) -> None:
    """Whatever the length of a call: neither fee, steps nor price per minute are lower than one level up."""
    tables = {table.id: {rate.prefix: rate for rate in table.rates} for table in demo.rate_tables}
    accounts = {one.id: one for one in demo.accounts}
    pairs = [
        (tables[one.rate_table], tables[accounts[one.agent].rate_table]) for one in demo.accounts if one.agent
    ]
    pairs += [
        (tables[one.rate_table], tables[vendor.cost_table])
        for one in demo.accounts
        if one.agent is None
        for vendor in demo.routing_gateways
    ]
    for sells, buys in pairs:
        assert sells.keys() == buys.keys()
        for prefix, sold in sells.items():
            bought = buys[prefix]
            assert sold.rate > bought.rate
            assert sold.connect_fee >= bought.connect_fee
            assert sold.initial >= bought.initial
            assert sold.next >= bought.next


def test_each_level_of_a_chain_has_its_own_price(demo: form.DataSet) -> None:
    accounts = {one.id: one for one in demo.accounts}
    chain = [accounts["Customer-001"]]
    while chain[-1].agent:
        chain.append(accounts[chain[-1].agent])
    assert len({one.rate_table for one in chain}) == len(chain) == 3
