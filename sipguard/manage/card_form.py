"""Batches of phone cards as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sipguard.manage.values import Amount, Form, Id, Memo, UnixSeconds

CARDS_MAX = 10_000
"""In one batch: its PINs are told in one answer."""


class NewCardBatch(Form):
    """Cards to be."""

    id: Id
    account_id: Id = Field(description="Whose cards they are: who is charged for their calls.")
    cards: Annotated[int, Field(ge=1, le=CARDS_MAX)]
    face_value_micros: Amount
    pin_digits: Annotated[int, Field(ge=10, le=20)] = Field(14, description="Length of a PIN.")
    valid_till: UnixSeconds | None = Field(None, description="Unix seconds, exclusive; null: for ever.")
    valid_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        None, description="Days from the first use; null: not bounded by it."
    )
    memo: Memo = ""


class Blocking(Form):
    """Cards that may be used no more, or again."""

    blocked: bool
    serials: Annotated[list[Id], Field(min_length=1, max_length=CARDS_MAX)] | None = Field(
        None, description="Of these cards alone; null: of the batch as a whole."
    )
