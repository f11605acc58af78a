"""Puts this room together: one object for the daemon to start and to close."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.calls.report import in_steps
from sipguard.config import Config
from sipguard.control import ControlError, Handler
from sipguard.notify import Notifier
from sipguard.policy import destination
from sipguard.store.database import Database
from sipguard.store.series_keeper import Keeper, Retention
from sipguard.store.series_step import Counted
from sipguard.watch import pulse as pulses
from sipguard.watch.alerting import Alerting
from sipguard.watch.checks import Checks
from sipguard.watch.delivery import Deliverer
from sipguard.watch.meter import BOUNDS, Meter
from sipguard.watch.pulse import Pulse

if TYPE_CHECKING:
    from sipguard.watch.http import Server
    from sipguard.watch.summary import Summary


class Watch:
    """What the proxy shows of itself. `start` it when calls are taken, `close` it before the store is."""

    def __init__(
        self,
        config: Config,
        exchange: Exchange,
        auditor: Auditor,
        store: Database,
        epoch: int,
        listener: socket.socket | None,
        notifier: Notifier,
    ) -> None:
        """`listener`: bound, for who asks over HTTP; None: nobody can. `notifier` hears that we live."""
        self._config, self._exchange = config, exchange
        self._auditor, self._store, self._epoch = auditor, store, epoch
        self._listener, self._notifier = listener, notifier
        self._meter = Meter(config.stats.gateways)
        self._pulse = Pulse()
        self._keeper = Keeper(
            config.database.path,
            time.time,
            retention=Retention(config.series.minute_hours, config.series.hour_days),
            destinations=destination.fronts(config.series.destinations),
            bounds=BOUNDS,
            on_counted=self._on_counted,
        )
        database = config.database
        self._disks = {
            "database": database.path.parent,
            "redo": database.redo.directory or database.path.parent,
        }
        self._checks = Checks(exchange, auditor, config.alerts, self._disks)
        self._deliverer = Deliverer(store, config.alerts.webhook, lambda: exchange.clock.now().unix_ms)
        self._alerting = Alerting(exchange, store, self._checks, config.alerts, self._deliverer.wake)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self._made: Summary | None = None

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer, and begin to count."""
        if self._listener is not None:
            self._server = await self._serve(self._listener)
        self._tasks = [
            loop.create_task(pulses.run(self._pulse, self._counted, self._beat)),
            loop.create_task(self._keeper.run()),
            loop.create_task(self._alerting.run()),
            loop.create_task(self._deliverer.run()),
        ]

    def handlers(self) -> dict[str, Handler]:
        """Commands of the control socket."""
        return {"now": self._now, "stats": self._stats}

    async def close(self) -> None:
        """End all of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.close()
        await self._keeper.close()

    async def _now(self, args: dict[str, object]) -> object:
        """The figures that only the proxy has; args: gateways, how many, all without it; accounts, ids."""
        gateways, accounts = args.get("gateways"), args.get("accounts", [])
        if not (gateways is None or (isinstance(gateways, int) and gateways >= 0)):
            raise ControlError("gateways: expected how many")
        if not isinstance(accounts, list) or not all(isinstance(id, str) for id in accounts):
            raise ControlError("accounts: expected a list of ids")
        return await in_steps(await self._summary().now.told(gateways, accounts), "gateways")

    async def _stats(self, args: dict[str, object]) -> object:
        """What /stats says; args: account, an id."""
        account_id = args.get("account")
        if not (account_id is None or isinstance(account_id, str)):
            raise ControlError("account: expected an id")
        told = await self._summary().stats(account_id)
        if told is None:
            raise ControlError(f"there is no account {account_id}")
        return await in_steps(told, "gateways")

    def _summary(self) -> Summary:
        # Only here: a daemon that nobody asks starts without it, and without its memory.
        from sipguard.watch.summary import Summary

        if self._made is None:
            self._made = Summary(
                self._exchange,
                self._auditor,
                self._store,
                self._meter,
                self._pulse,
                epoch=self._epoch,
                disks=self._disks,
                gateways_max=self._config.stats.gateways,
                alerts=self._alerting.counts,
            )
        return self._made

    async def _serve(self, listener: socket.socket) -> Server:
        # Only here: a daemon without the listener starts without them, and without their memory.
        from sipguard.watch.endpoints import OPEN_PATHS, Endpoints
        from sipguard.watch.http import Server
        from sipguard.watch.metrics import Exposition

        stats, summary = self._config.stats, self._summary()
        endpoints = Endpoints(self._exchange, summary, Exposition(), self._keeper.turn)
        server = Server(
            endpoints.handle,
            names=frozenset(stats.names),
            token=stats.token or None,
            open_paths=OPEN_PATHS,
        )
        summary.server_refused = lambda: server.refused
        await server.start(listener)
        return server

    def _on_counted(self, counted: Counted) -> None:
        self._meter.take(counted)
        if self._made is not None:
            self._made.windows.forget()
        self._checks.touched(counted.accounts)

    def _counted(self) -> tuple[int, int, int]:
        tally = self._exchange.tally
        return tally.attempts, tally.answered, tally.refused

    def _beat(self) -> None:
        """Every second. Who is alive has a loop that turns, and an engine that answers."""
        if self._notifier.watched:
            self._exchange.engine.stats()
            self._notifier.alive()
