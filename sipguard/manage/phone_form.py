"""Phones as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sipguard.manage.values import Digits, Form, Id, Limit, Network, Number, Rewrites, Secret, Username
from sipguard.model.phone import CallerCheck, PhoneLock


class PhoneChanges(Form):
    """What of a phone can be modified; what is not given stays as it is."""

    numbers: Annotated[list[Number], Field(max_length=100)] = Field(
        [], description="At which it is called; the first is what it calls from."
    )
    sources: Annotated[list[Network], Field(max_length=100)] = Field(
        [], description="Networks from which it may register and call; empty: from anywhere."
    )
    country_code: Digits | None = Field(None, description="How it writes the numbers that it dials.")
    national_prefix: Digits | None = None
    international_prefixes: Annotated[list[Digits], Field(max_length=20)] = Field([])
    called_rewrite: Rewrites = Field(
        [], description="Rules such as 00*:*; the first that fits changes what is dialled, before it is read."
    )
    lock: Annotated[PhoneLock, Field(strict=False)] = Field(
        PhoneLock.NONE,
        description="Bars calls from it (outgoing), to it (incoming), or all and registering.",
    )
    call_limit: Limit | None = Field(
        None, description="Lines: concurrent calls, both directions together; null: no limit."
    )
    cps_limit: Limit | None = Field(None, description="Calls from it per second.")
    contact_limit: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="Contacts that it may register at a time."
    )
    caller_check: Annotated[CallerCheck, Field(strict=False)] = Field(
        CallerCheck.FORCE, description="What becomes of a call whose From is not its own number."
    )


class NewPhone(PhoneChanges):
    """A phone to be."""

    id: Id
    account_id: Id
    username: Username | None = Field(None, description="null: its id.")
    password: Secret | None = Field(None, description="null: one is made up, and told this once.")


class NewPassword(Form):
    """A password to be."""

    password: Secret | None = Field(None, description="null: one is made up, and told this once.")
