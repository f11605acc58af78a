"""Authorizations as people write them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sipguard.manage.values import Form, Id, Memo

Slug = Literal[
    "account",
    "phone",
    "card",
    "gateway",
    "gateway_information",
    "gateway_capacity",
    "own_payment",
    "sub_payment",
]
"""The eight, by name, in the order of the manual."""

Slugs = list[Slug]


class Grant(Form):
    """What an account is to hold from now on: a list, or a template."""

    authorizations: Slugs | None = Field(None, max_length=8)
    template_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> Grant:
        if (self.authorizations is None) == (self.template_id is None):
            raise ValueError("exactly one of authorizations and template_id is needed")
        return self


class NewTemplate(Form):
    """A set of authorizations under a name."""

    id: Id
    authorizations: Slugs = Field(max_length=8)
    memo: Memo = ""


class TemplateChanges(Form):
    """What a template is to be; its users keep what they were granted."""

    authorizations: Slugs = Field(max_length=8)
    memo: Memo = ""
