"""Number ranges as people write them."""

from __future__ import annotations

from pydantic import Field

from sipguard.manage.values import Form, Id, Memo, Number


class NewNumberRange(Form):
    """Numbers from `first` to `last`, both in it, with as many digits."""

    id: Id
    account_id: Id = Field(description="Who may hand them out, and everybody below.")
    first: Number
    last: Number
    memo: Memo = ""
