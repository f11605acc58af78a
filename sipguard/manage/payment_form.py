"""Payments as people write them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from sipguard.manage.values import Amount, Form, Id, printable


class PaymentKind(StrEnum):
    """Which way the money goes."""

    TOP_UP = "top_up"
    """Into an account: an administrator's from outside, an agent's from its own balance."""
    DEDUCTION = "deduction"
    """Out of an account: an administrator's to outside, an agent's into its own balance."""
    TRANSFER = "transfer"
    """From one account to another."""
    REVERSAL = "reversal"
    """Takes a payment back."""


Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(printable)]


class Asked(StrEnum):
    """What of those can be asked for; reversals have a way of their own."""

    TOP_UP = PaymentKind.TOP_UP.value
    DEDUCTION = PaymentKind.DEDUCTION.value
    TRANSFER = PaymentKind.TRANSFER.value


class NewPayment(Form):
    """Money to be moved."""

    kind: Annotated[Asked, Field(strict=False)] = Asked.TOP_UP
    account_id: Id = Field(description="Whose balance: of a transfer, where the money comes from.")
    to_account_id: Id | None = Field(None, description="Of a transfer alone: where the money goes.")
    amount_micros: Amount = Field(description="In micro-units of the currency of the account.")
    reason: Reason = Field(description="Both sides read it.")


class Reversal(Form):
    """Why a payment is taken back."""

    reason: Reason


class NewPaymentRequest(Form):
    """Money that an account asks for."""

    amount_micros: Amount
    reason: Reason


class Decision(Form):
    """Why a request is approved, refused or withdrawn."""

    reason: Reason
