"""Rate tables as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sipguard.manage.values import Amount, Currency, Form, Id, Zone
from sipguard.model.rate import Rounding

CSV_MAX = 900_000
"""Characters of a price list in one request; a longer one goes in parts, with `keep`."""


class NewRateTable(Form):
    """A rate table to be, without rows."""

    id: Id
    owner_id: Id | None = Field(
        None, description="The agent that sells by it; null: whoever makes it, or the operator."
    )
    currency: Currency | None = Field(None, description="null: that of its owner, or of the house.")
    time_rounding: Annotated[Rounding, Field(strict=False)] = Rounding.UP
    money_rounding: Annotated[Rounding, Field(strict=False)] = Rounding.HALF_UP
    money_unit_micros: Amount = Field(1, description="The smallest amount that is charged.")
    time_zone: Zone | None = Field(None, description="Of its hours and days; null: the buyer's.")


class PriceListForm(Form):
    """Rows of a rate table as a price list in CSV (`sipguard rate import` has the columns)."""

    csv: Annotated[str, Field(min_length=1, max_length=CSV_MAX)]
    keep: bool = Field(True, description="Rows that are not in the list stay; else they are removed.")
    dry_run: bool = Field(False, description="Say what would change, and change nothing.")
