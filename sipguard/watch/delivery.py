"""Sends what webhooks are to be told, one after the other in a thread, and again where that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import structlog

from sipguard.config import Webhook
from sipguard.store import alert_delivery
from sipguard.store.alert_delivery import Delivery
from sipguard.store.database import Database
from sipguard.watch import webhook
from sipguard.watch.webhook import Sent

log = structlog.get_logger()

LOOK_SECONDS = 5.0
"""How often it is looked for what is to be tried again."""
FIRST_SECONDS, LONGEST_SECONDS = 5, 3_600
"""From one try to the next; it doubles."""
GIVEN_UP_SECONDS = 86_400
AT_ONCE = 20


class Deliverer:
    """One per proxy."""

    def __init__(
        self,
        store: Database,
        config: Webhook,
        now_ms: Callable[[], int],
        *,
        send: Callable[[str, str, str, int, bytes], Sent] = webhook.send,
        chance: random.Random | None = None,
    ) -> None:
        """`now_ms`: Unix milliseconds."""
        self._store, self._config, self._now_ms, self._send = store, config, now_ms, send
        self._chance = chance or random.Random()  # noqa: S311  (it spreads tries, it keeps no secret)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                while await self.turn():
                    pass
            except Exception as error:  # a busy or failing store is the writer's to report; this can wait
                log.warning("alert.not_delivered", error=str(error))
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def turn(self) -> int:
        """Try what is due, some at a time; how many there were."""
        async with self._store.reading() as conn:
            due = await alert_delivery.due(conn, self._now_ms(), AT_ONCE)
        for delivery in due:
            await self._deliver(delivery)
        return len(due)

    async def _deliver(self, delivery: Delivery) -> None:
        if delivery.url not in self._config.urls:
            async with self._store.writing() as conn:
                await alert_delivery.done(conn, delivery.key)
            return
        body = delivery.body.encode()
        now_ms = self._now_ms()
        # The same id at each try, so that a receiver knows what it has.
        message_id = f"sipguard-{delivery.at_ms}-{delivery.key}"
        send = partial(self._send, delivery.url, self._config.secret, message_id, now_ms // 1000, body)
        sent = await asyncio.to_thread(send)
        gives_up = sent.is_gone or now_ms - delivery.at_ms > GIVEN_UP_SECONDS * 1000
        async with self._store.writing() as conn:
            if sent.arrived or gives_up:
                await alert_delivery.done(conn, delivery.key)
            else:
                await alert_delivery.failed(conn, delivery.key, now_ms + self._pause_ms(delivery.attempts))
        if not sent.arrived:
            log.warning(
                "alert.webhook_failed",
                url=delivery.url,
                status=sent.status,
                error=sent.error,
                attempts=delivery.attempts + 1,
                given_up=gives_up,
            )

    def _pause_ms(self, attempts: int) -> int:
        seconds = min(FIRST_SECONDS * 2 ** min(attempts, 20), LONGEST_SECONDS)
        return int(1000 * seconds * (0.75 + 0.5 * self._chance.random()))
