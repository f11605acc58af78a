"""Lists as the API answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from sipguard.manage.page import Page

T = TypeVar("T")


class Listing(BaseModel, Generic[T]):
    """A page of a list."""

    items: Sequence[T]
    next_cursor: str | None = Field(
        description="Give this as `cursor` for the next page; null: the last page."
    )

    @classmethod
    def of(cls, page: Page[T]) -> Listing[T]:
        return cls(items=page.items, next_cursor=page.next_cursor)
