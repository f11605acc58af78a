"""Calls of accounts that are locked, or whose time is over, while they last: ended or left to finish, as the
account or the configuration says. Accounts with calls are looked at in slices, all of them every few seconds.
"""

from __future__ import annotations

import asyncio

from sipguard.calls import ending
from sipguard.calls.ending import Ending
from sipguard.calls.exchange import Exchange, log
from sipguard.calls.hangup import hang_up_all
from sipguard.model.account import Account

SLICE = 500
"""Accounts that are looked at in one go: well under a millisecond."""

ROUND_SECONDS = 1.0
"""Between two rounds over all accounts that have calls."""


class LockWatch:
    """One per proxy."""

    def __init__(self, exchange: Exchange, lock_ends_calls: bool) -> None:
        """`lock_ends_calls`: of accounts that say nothing themselves."""
        self._exchange = exchange
        self._lock_ends_calls = lock_ends_calls

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round()
            except Exception:
                log.exception("lock.round_failed")

    async def round(self) -> int:
        """Look at every account that has calls now; how many calls were ended."""
        ended = 0
        for number, key in enumerate(self._exchange.current.keys()["account"]):
            if number and number % SLICE == 0:
                await asyncio.sleep(0)
            account = self._exchange.directory.accounts.get(key)
            why = None if account is None else self._why(account)
            if account is not None and why is not None:
                count = await hang_up_all(self._exchange, self._exchange.current.of_account(key), why)
                log.info("account.calls_ended", account=account.id, reason=why.name, calls=count)
                ended += count
        return ended

    def _why(self, account: Account) -> Ending | None:
        if not (self._lock_ends_calls if account.lock_ends_calls is None else account.lock_ends_calls):
            return None
        if account.locked:
            return ending.ACCOUNT_LOCKED
        now = self._exchange.clock.now().unix_ms // 1000
        if account.valid_till is not None and account.valid_till <= now:
            return ending.ACCOUNT_EXPIRED
        return None
