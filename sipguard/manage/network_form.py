"""The configuration of the network in files: what one line, or one object of several lines, may say.

What the API takes when it makes an object is what a line says of it; only what has no such form has one here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sipguard.manage.authorization_form import Slugs
from sipguard.manage.section_form import RULES_MAX, NewSet
from sipguard.manage.values import Form, Id, Prefix
from sipguard.model.alert import OF_ACCOUNTS, Kind
from sipguard.model.section import Action, Direction


class HouseLine(Form):
    """What is true of all files together."""

    format: Literal[1]
    """Of these files; a program that knows another one refuses them."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """Of the house. It is decided when a database is made, and never changed."""


class GrantLine(Form):
    """What was granted to an account."""

    account_id: Id
    authorizations: Slugs = Field([], max_length=8)


class RuleLine(Form):
    """A number section."""

    direction: Annotated[Direction, Field(strict=False)]
    action: Annotated[Action, Field(strict=False)]
    prefix: Prefix | None = None
    set_id: Id | None = None
    set_owner_id: Id | None = None
    """Of a set of an agent; None: the operator's."""

    @model_validator(mode="after")
    def _one(self) -> RuleLine:
        if (self.prefix is None) == (self.set_id is None):
            raise ValueError("exactly one of prefix and set_id is needed")
        if self.set_owner_id is not None and self.set_id is None:
            raise ValueError("set_owner_id is of a set")
        return self


class SectionsLine(Form):
    """All number sections of an account."""

    account_id: Id
    rules: Annotated[list[RuleLine], Field(max_length=2 * RULES_MAX)] = Field([])


class SetLine(NewSet):
    """A destination set."""

    owner_id: Id | None = None
    """The agent whose it is; None: the operator's."""


class ThresholdLine(Form):
    """From where on an account is alarmed."""

    account_id: Id
    kind: Annotated[Kind, Field(strict=False)]
    subtree: bool = False
    """Also for everything below that has no nearer one."""
    value: int | None
    """None: no such alerts."""

    @model_validator(mode="after")
    def _of_accounts(self) -> ThresholdLine:
        if self.kind not in OF_ACCOUNTS:
            raise ValueError(f"found {self.kind}, expected one of {', '.join(OF_ACCOUNTS)}")
        return self
