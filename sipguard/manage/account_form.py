"""Accounts as people write them."""

from __future__ import annotations

from pydantic import Field

from sipguard.manage.values import (
    Currency,
    Form,
    Id,
    Limit,
    Memo,
    Name,
    NonNegativeMicros,
    Ppm,
    UnixSeconds,
    Zone,
)


class AccountChanges(Form):
    """What of an account can be modified; what is not given stays as it is."""

    name: Name = ""
    memo: Memo = ""
    rate_table_id: Id | None = Field(None, description="The table that the account buys by.")
    credit_limit_micros: NonNegativeMicros = Field(0, description="How far below zero the balance may go.")
    call_limit: Limit | None = Field(
        None, description="Concurrent calls, of it and all below; null: no limit."
    )
    cps_limit: Limit | None = Field(None, description="Call attempts per second, likewise.")
    max_call_seconds: Limit | None = None
    max_rate_micros: NonNegativeMicros | None = Field(
        None, description="Highest price per minute it buys at."
    )
    locked: bool = Field(False, description="A locked agent stops its whole subtree at once.")
    lock_ends_calls: bool | None = Field(None, description="null: as the configuration says.")
    valid_from: UnixSeconds | None = Field(None, description="Unix seconds, inclusive.")
    valid_till: UnixSeconds | None = Field(None, description="Unix seconds, exclusive.")
    time_zone: Zone = "UTC"
    tax_ppm: Ppm = Field(0, description="Tax on top of what it pays for calls, in parts per million.")


class NewAccount(AccountChanges):
    """An account to be. Without `agent_id` it hangs under whoever makes it."""

    id: Id
    agent_id: Id | None = Field(None, description="The agent above; null: the account of the login, or none.")
    currency: Currency | None = Field(None, description="null: that of its agent; needed of a top-level one.")
