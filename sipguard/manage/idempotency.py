"""Requests that a client may send again because it did not see the answer: done once, answered alike.

What is kept is written in the transaction of the command itself, and read under the write lock: of two
requests with one key that come at once, the second finds the answer of the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from sipguard.manage.desk import Act
from sipguard.manage.errors import InvalidError, ManageError
from sipguard.store.idempotent_request import idempotent_request

KEPT_MS = 48 * 3_600_000
"""How long an answer is given again, at least."""

KEY = re.compile(r'"?([!#-~]{1,255}?)"?')
"""A string in quotes (draft-ietf-httpapi-idempotency-key-header) or, as most clients send it, without."""


class ReusedError(ManageError):
    """The key was used for another request before."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key} was used for another request: take a new one")


class AnsweredError(ManageError):
    """The request was done before; no failure, but the end of this one. Carries what was answered then."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("this request was done before")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def key_of(text: str) -> str:
    """A key as a client wrote it. Raises InvalidError."""
    found = KEY.fullmatch(text)
    if found is None:
        raise InvalidError.of("Idempotency-Key", "expected 1 to 255 printable characters without spaces")
    return found[1]


async def recall(act: Act, key: str, request_hash: bytes) -> None:
    """Raises AnsweredError where the actor's request was done before, ReusedError where it was another."""
    table = idempotent_request
    query = select(table).where(table.c.actor == _actor(act), table.c.idempotency_key == key)
    kept = (await act.conn.execute(query)).one_or_none()
    if kept is None or kept.at_ms <= act.now_ms - KEPT_MS:
        return
    if kept.request_hash != request_hash:
        raise ReusedError(key)
    raise AnsweredError(Answer(kept.status, kept.headers, kept.body))


async def keep(act: Act, key: str, request_hash: bytes, answer: Answer) -> None:
    """Keep what is answered, in the transaction of the command."""
    table = idempotent_request
    await act.conn.execute(delete(table).where(table.c.at_ms <= act.now_ms - KEPT_MS))
    await act.conn.execute(
        insert(table).values(
            actor=_actor(act),
            idempotency_key=key,
            request_hash=request_hash,
            at_ms=act.now_ms,
            status=answer.status,
            headers=dict(answer.headers),
            body=answer.body,
        )
    )


def _actor(act: Act) -> str:
    # Not the username: it may be given to somebody else later.
    return f"shell:{act.actor.name}" if act.actor.login_key is None else f"login:{act.actor.login_key}"
