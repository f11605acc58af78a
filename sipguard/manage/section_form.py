"""Number sections and destination sets as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from sipguard.manage.values import Form, Id, Memo, Prefix
from sipguard.model.section import Action

RULES_MAX = 10_000
PREFIXES_MAX = 10_000


def _action(word: object) -> object:
    return Action(word) if isinstance(word, str) and word in tuple(Action) else word


class Rule(Form):
    """Allow or block a prefix, or every prefix of a destination set."""

    action: Annotated[Action, BeforeValidator(_action)]
    prefix: Prefix | None = Field(None, description="E.164 digits without +; empty: every number.")
    set_id: Id | None = Field(
        None, description="A destination set of whoever writes this, or the operator's."
    )

    @model_validator(mode="after")
    def _one(self) -> Rule:
        if (self.prefix is None) == (self.set_id is None):
            raise ValueError("exactly one of prefix and set_id is needed")
        return self


class SectionChanges(Form):
    """Rules per direction; a direction that is not given stays as it is."""

    called: list[Rule] = Field([], max_length=RULES_MAX, description="Numbers that are called.")
    calling: list[Rule] = Field([], max_length=RULES_MAX, description="Numbers that are called from.")


class Sections(SectionChanges):
    """All rules of an account; a direction that is not given has none."""


class SetChanges(Form):
    """What a destination set is to be."""

    prefixes: list[Prefix] = Field(
        min_length=1, max_length=PREFIXES_MAX, description="E.164 digits without +."
    )
    memo: Memo = ""


class NewSet(SetChanges):
    """A destination set to be: the actor's own, the operator's where an administrator makes it."""

    id: Id
