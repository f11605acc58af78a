"""Everything that a directory snapshot is built from, read in one piece."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.configuration import Configuration
from sipguard.model.ledger import LedgerKind
from sipguard.store import account, credential, feed, gateway, ledger, phone, rate, section


async def load(conn: AsyncConnection) -> Configuration:
    """Read it all. `conn` is in a read transaction (Database.reading), so that all is of one revision.

    Raises StoreError where the house has no ledger accounts: nothing was loaded into this database yet.
    """
    return Configuration(
        revision=await feed.revision(conn),
        accounts=await account.all_accounts(conn),
        sections=await section.all_sections(conn),
        rate_tables=await rate.all_rate_tables(conn),
        rates=await rate.all_rates(conn),
        mapping_gateways=await gateway.all_mapping_gateways(conn),
        routing_gateways=await gateway.all_routing_gateways(conn),
        routes=await gateway.all_routes(conn),
        operator_revenue_ledger=await ledger.of_house(conn, LedgerKind.REVENUE),
        operator_cost_ledger=await ledger.of_house(conn, LedgerKind.COST),
        tax_ledger=await ledger.of_house(conn, LedgerKind.TAX),
        phones=await phone.all_phones(conn),
        credentials=await credential.all_credentials(conn),
    )
