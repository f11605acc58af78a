"""Follows the change feed: what was changed elsewhere becomes the next directory, money posted elsewhere
(payments) moves the balances in memory.

A thread asks the database for news many times a second, reads what has changed and makes the next directory,
while calls go on; the loop puts it in place in one step.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from sipguard.calls.exchange import Exchange, log
from sipguard.model.configuration import Settings
from sipguard.model.ledger import Entry
from sipguard.policy.directory import Directory
from sipguard.store import configuration, feed, ledger
from sipguard.store.database import Database
from sipguard.store.feed import Change, Newest

POLL_SECONDS = 0.025
"""Between two questions for news: a lock or a section counts well within 100 ms, and asking costs 10 us."""

RETRY_SECONDS = 0.5
"""After a failure: the store may be locked or gone."""

STOP_SECONDS = 1.0
"""How long a stop waits for the thread."""

_ENTRIES = 500  # posted in one go: under a millisecond


@dataclass(slots=True)
class _News:
    """What a round of the thread has found."""

    asked: int
    """Up to which request for a round it is the answer."""
    revision: int
    directory: Directory | None = None
    entries: Sequence[Entry] = ()


class Follower:
    """One per proxy."""

    def __init__(self, exchange: Exchange, store: Database, settings: Settings, revision: int) -> None:
        """`revision`: of the directory and the balances that the exchange began with."""
        self._exchange = exchange
        self._store = store
        self._settings = settings
        self._revision = revision
        self._whole = False
        self._wake = threading.Event()
        self._running = self._stopped = False
        self._alone = asyncio.Lock()
        """Of rounds that are asked for while no thread makes them."""
        self._asked = 0
        self._waiting: list[tuple[int, asyncio.Future[int]]] = []

    @property
    def revision(self) -> int:
        """Up to which the feed is taken in."""
        return self._revision

    async def run(self) -> None:
        """Follow until cancelled."""
        # A daemon: nobody waits at the end for a reading of everything that is under way.
        thread = threading.Thread(
            target=self._work, args=[asyncio.get_running_loop()], name="feed", daemon=True
        )
        async with self._alone:
            self._running = True
            thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._running, self._stopped = False, True
            self._wake.set()
            self._answer(self._asked, ConnectionAbortedError("nobody follows the feed any more"))
            await asyncio.to_thread(thread.join, STOP_SECONDS)

    async def refresh(self) -> int:
        """Take in at once what is new; the revision that is known then. Raises what the store raises."""
        if not self._running:
            async with self._alone:
                _let_go(await self._take(await asyncio.to_thread(self._read, 0)))
            return self._revision
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked += 1
        self._waiting.append((self._asked, answer))
        self._wake.set()
        return await answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        newest: Newest | None = None
        while not self._stopped:
            try:
                newest = newest or Newest(self._store.path)
                news = self._next(newest)
                if news is not None:
                    _let_go(asyncio.run_coroutine_threadsafe(self._take(news), loop).result())
            except Exception as error:  # the store may be locked or gone: the next round tries again
                if not self._stopped:
                    loop.call_soon_threadsafe(self._failed, self._asked, error)
                    time.sleep(RETRY_SECONDS)
        if newest is not None:
            newest.close()

    def _next(self, newest: Newest) -> _News | None:
        """Wait a moment for somebody to ask, then look for news; None: there are none, and nobody asks."""
        waited_for = self._wake.wait(POLL_SECONDS)
        self._wake.clear()
        asked = self._asked
        if newest.revision() > self._revision:
            return self._read(asked)
        return _News(asked, self._revision) if waited_for else None

    def _failed(self, asked: int, error: Exception) -> None:
        log.warning("feed.failed", error=str(error))
        self._answer(asked, error)

    def _read(self, asked: int) -> _News:
        with self._store.snapshot() as conn:
            changes = feed.read_since(conn, self._revision)
            if not changes:
                return _News(asked, self._revision)
            posted = [change.id for change in changes if change.noun == feed.LEDGER]
            entries = [entry for key in posted if (entry := ledger.read_entry(conn, key)) is not None]
            judged_by = any(map(configuration.is_judged_by, changes))
            directory = self._directory(conn, changes) if judged_by else None
        return _News(asked, changes[-1].revision, directory, entries)

    def _directory(self, conn: Connection, changes: Iterable[Change]) -> Directory | None:
        try:
            if not self._whole:
                changed = configuration.changes(conn, changes)
                if changed is not None:
                    return self._exchange.directory.changed(changed)
        except ValueError as error:
            log.info("feed.reading_everything", why=str(error))
        try:
            whole = configuration.read(conn)
            directory = Directory.build(whole, self._settings)
        except ValueError as error:
            # What was is judged by on: half a configuration is worse than an old one. What changes next may
            # mend it, and cannot be told from what is wrong now.
            self._whole = True
            log.error("feed.bad_configuration", error=str(error))
            return None
        self._whole = False
        return directory

    async def _take(self, news: _News) -> Directory | None:
        """Put in place what is new; the directory before."""
        funds, before = self._exchange.funds, None
        for number, entry in enumerate(news.entries, 1):
            # One step: what was kept for the entry is free only once it is taken off the balance.
            funds.post(entry.postings)
            funds.unmark(entry.key)
            if number % _ENTRIES == 0:
                await asyncio.sleep(0)
        if news.directory is not None:
            before = self._swap(news.directory)
        self._revision = news.revision
        self._answer(news.asked, None)
        return before

    def _swap(self, directory: Directory) -> Directory | None:
        before = self._exchange.directory
        if directory.routing_gateways is not before.routing_gateways:
            try:
                self._exchange.gateways.configure(directory.routing_gateways.values())
            except ValueError as error:
                self._whole = True
                log.error("feed.bad_configuration", revision=directory.revision, error=str(error))
                return directory
        self._exchange.directory = directory
        log.info("directory.swapped", revision=directory.revision, accounts=len(directory.accounts))
        return before

    def _answer(self, asked: int, error: Exception | None) -> None:
        """Tell who waits for a round that it is over."""
        for number, answer in self._waiting:
            if number <= asked and not answer.done():
                if error is None:
                    answer.set_result(self._revision)
                else:
                    answer.set_exception(error)
        self._waiting = [one for one in self._waiting if one[0] > asked]


def _let_go(directory: Directory | None) -> None:
    """Give the parts of a directory back one by one: of a million accounts at once would stop the loop."""
    if directory is None:
        return
    parts = directory.accounts.parts()
    del directory
    while parts:
        parts.pop()
