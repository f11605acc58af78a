"""Calls of accounts that are locked, or whose time is over, and of locked phones, while they last: ended or
left to finish, as the account or the configuration says; emergency calls always finish. Accounts and phones
with calls are looked at in slices, all of them every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import chain

from sipguard.calls import ending
from sipguard.calls.ending import Ending
from sipguard.calls.exchange import Exchange, log
from sipguard.calls.hangup import hang_up_all
from sipguard.model.account import Account

SLICE = 500
"""Accounts and phones that are looked at in one go: well under a millisecond."""

ROUND_SECONDS = 1.0
"""Between two rounds over everybody who has calls."""

_Found = tuple[str, str, Ending, tuple[int, ...]]
"""Account or phone, its id, why its calls are ended, and which they are."""


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
        """Look at every account and phone that has calls now; how many calls were ended."""
        current, ended = self._exchange.current, 0
        keys = current.keys()
        looks = chain(
            map(self._account, keys["account"]),
            (self._phone(key, outgoing=True) for key in keys["mapping_gateway"]),
            (self._phone(key, outgoing=False) for key in keys["routing_gateway"]),
        )
        for number, found in enumerate(looks):
            if number and number % SLICE == 0:
                await asyncio.sleep(0)
            if found is None:
                continue
            what, name, why, calls = found
            count = await hang_up_all(self._exchange, self._but_emergencies(calls), why)
            if count:
                log.info(f"{what}.calls_ended", **{what: name}, reason=why.name, calls=count)
                ended += count
        return ended

    def _account(self, key: int) -> _Found | None:
        account = self._exchange.directory.accounts.get(key)
        why = None if account is None or not self._ends_calls(account) else self._why(account)
        if account is None or why is None:
            return None
        return "account", account.id, why, self._exchange.current.of_account(key)

    def _phone(self, key: int, *, outgoing: bool) -> _Found | None:
        """`key`: of the gateway that a phone is, on either side (policy.phone)."""
        directory, current = self._exchange.directory, self._exchange.current
        phone = directory.phones.by_key.get(-key)
        account = None if phone is None else directory.accounts.get(phone.account_key)
        if phone is None or account is None or not self._ends_calls(account):
            return None
        if not (phone.lock.bars_outgoing if outgoing else phone.lock.bars_incoming):
            return None
        calls = current.of_mapping_gateway(key) if outgoing else current.of_routing_gateway(key)
        return "phone", phone.id, ending.PHONE_LOCKED, calls

    def _but_emergencies(self, calls: Iterable[int]) -> Iterator[int]:
        for call_id in calls:
            call = self._exchange.current.find(call_id)
            if call is not None and not call.permit.emergency:
                yield call_id

    def _ends_calls(self, account: Account) -> bool:
        return self._lock_ends_calls if account.lock_ends_calls is None else account.lock_ends_calls

    def _why(self, account: Account) -> Ending | None:
        if account.locked:
            return ending.ACCOUNT_LOCKED
        now = self._exchange.clock.now().unix_ms // 1000
        if account.valid_till is not None and account.valid_till <= now:
            return ending.ACCOUNT_EXPIRED
        return None
