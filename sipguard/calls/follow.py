"""Follows the change feed: configuration changed elsewhere becomes the next directory, money posted
elsewhere (payments) moves the balances in memory. Woken by `refresh`, polling as a fallback.
"""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.calls.exchange import Exchange, log
from sipguard.model.configuration import Settings
from sipguard.policy.directory import Directory
from sipguard.store import configuration, feed, ledger
from sipguard.store.database import Database

POLL_SECONDS = 0.5


class Follower:
    """One per proxy."""

    def __init__(self, exchange: Exchange, store: Database, settings: Settings, revision: int) -> None:
        """`revision`: of the directory and the balances that the exchange began with."""
        self._exchange = exchange
        self._store = store
        self._settings = settings
        self._revision = revision
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except Exception as error:  # the store may be locked or gone: the next round tries again
                log.warning("feed.failed", error=str(error))

    async def refresh(self) -> int:
        """Take in what is new; the revision that is now known."""
        async with self._busy:
            async with self._store.reading() as conn:
                changes = await feed.since(conn, self._revision)
                if not changes:
                    return self._revision
                posted = [change.id for change in changes if change.noun == feed.LEDGER]
                entries = [await ledger.entry(conn, key) for key in posted]
                judged_by = any(change.noun not in feed.NOT_JUDGED_BY for change in changes)
                directory = await self._directory(conn) if judged_by else None
            for entry in entries:
                if entry is not None:
                    # One step: what was kept for the entry is free only once it is taken off the balance.
                    self._exchange.funds.post(entry.postings)
                    self._exchange.funds.unmark(entry.key)
            if directory is not None:
                self._swap(directory)
            self._revision = changes[-1].revision
            return self._revision

    async def _directory(self, conn: AsyncConnection) -> Directory | None:
        loaded = await configuration.load(conn)
        try:
            return await asyncio.to_thread(Directory.build, loaded, self._settings)
        except ValueError as error:
            # What was is judged by on: half a configuration is worse than an old one.
            log.error("feed.bad_configuration", revision=loaded.revision, error=str(error))
            return None

    def _swap(self, directory: Directory) -> None:
        try:
            self._exchange.gateways.configure(directory.routing_gateways.values())
        except ValueError as error:
            log.error("feed.bad_configuration", revision=directory.revision, error=str(error))
            return
        self._exchange.directory = directory
        log.info("directory.swapped", revision=directory.revision, accounts=len(directory.accounts))
