"""Lists as the API answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from sipguard.manage.page import LIMIT_MAX, Page

T = TypeVar("T")

Cursor = Annotated[str | None, Query(description="next_cursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
OfAccount = Annotated[str | None, Query(description="Of this account alone; none: of all in scope.")]


class Listing(BaseModel, Generic[T]):
    """A page of a list."""

    items: Sequence[T]
    next_cursor: str | None = Field(
        description="Give this as `cursor` for the next page; null: the last page."
    )

    @classmethod
    def of(cls, page: Page[T]) -> Listing[T]:
        return cls(items=page.items, next_cursor=page.next_cursor)
