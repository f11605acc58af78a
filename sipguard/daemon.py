"""The proxy process: puts the rooms together, runs them, takes them apart again. No rule lives here."""

from __future__ import annotations

import asyncio
import gc
import inspect
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import structlog
import uvloop

from sipguard import control
from sipguard.calls import refusals, registrar, unfinished
from sipguard.calls.alarm import Alarms
from sipguard.calls.audit import Auditor
from sipguard.calls.clock import SystemClock
from sipguard.calls.commands import handlers
from sipguard.calls.dispatch import dispatcher
from sipguard.calls.earmark import earmarks
from sipguard.calls.exchange import Exchange
from sipguard.calls.follow import Follower
from sipguard.calls.gateways import Gateways
from sipguard.calls.location import Locations, adopted
from sipguard.calls.lock import LockWatch
from sipguard.calls.naming import Naming
from sipguard.calls.recovery import ENDED_KEPT_MS, recover
from sipguard.calls.trace import Filter, Tracer
from sipguard.calls.trace import commands as trace_commands
from sipguard.child import Child
from sipguard.config import Config, Dns, GatewayHealth, Hep, Listener, Stats, name_server
from sipguard.laps import Laps
from sipguard.logs import configure_log
from sipguard.model.configuration import Settings
from sipguard.notify import Notifier
from sipguard.policy import registration
from sipguard.policy.balances import Balances
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.health import Rules
from sipguard.policy.owner import Reach
from sipguard.sip import stream
from sipguard.sip.driver import Driver
from sipguard.sip.events import Engine
from sipguard.sip.hep import Exporter
from sipguard.sip.listeners import Listeners
from sipguard.sip.names import Names, Remembered, Resolution
from sipguard.sip.tls import Contexts, TlsError
from sipguard.store import (
    cdr,
    cdr_keeper,
    configuration,
    contact,
    database,
    feed_keeper,
    instance,
    ledger,
    live_call,
    lock,
    secret,
)
from sipguard.store.attempt import AttemptFile
from sipguard.store.redo import replay as redo
from sipguard.store.writer import Limits, Writer
from sipguard.watch.watch import Watch

log = structlog.get_logger()

FIRST_ANSWERS_SECONDS = 2.0
"""How long a start waits for the names of gateways: calls that come sooner would find them out of service."""

PRUNE_SECONDS = 10.0
"""How often the rows of ended calls are cleared away."""

LOCK_SECONDS = 1.0
"""How long a start waits for a command that applies the redo log. Another daemon keeps it longer."""

BARRIER_SECONDS = 5.0
"""How long a reader waits for the database to have what the log has."""


def run(config: Config, web: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status of the process.

    `web`: the command of the web process, which then comes and goes with this one.
    """
    configure_log(config.log)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Daemon(config, web).run())
    except (database.StoreError, control.ControlError, _CannotStartError) as error:
        sys.stderr.write(f"sipguard: {error}\n")
        return 1


class _CannotStartError(Exception):
    """Something that the daemon needs is not to be had; the message says what."""


class _Daemon:
    def __init__(self, config: Config, web: Sequence[str] | None) -> None:
        self._config = config
        self._web = Child("web", web) if web is not None and config.web.enabled else None
        self._laps = Laps()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        path = self._config.database.path
        store = database.open(path)
        try:
            with lock.alone(path, LOCK_SECONDS):
                self._replay()
                self._laps.end("redo")
                await self._run(loop, store)
        finally:
            await store.close()
        return 0

    def _replay(self) -> None:
        """Bring the database to where the last run left off, before anything is read from it."""
        database = self._config.database
        done = redo.replay(database.path, database.redo.directory)
        if done.groups or done.torn:
            log.info("redo.replayed", records=done.records, duplicates=done.outcome.duplicates)
        for error in done.outcome.rejected:
            log.error("store.record_rejected", error=error)

    async def _run(self, loop: asyncio.AbstractEventLoop, store: database.Database) -> None:
        config = self._config
        settings = Settings(
            slice_seconds=config.calls.slice_seconds,
            free_levels=config.calls.free_levels,
            emergency_numbers=frozenset(config.emergency.numbers),
            emergency_gateway_ids=config.emergency.gateways,
            leading_zero_countries=frozenset(config.numbers.leading_zero),
            realm=config.auth.realm,
        )
        async with store.writing() as conn:
            epoch = await instance.next_epoch(conn)
            nonce_key = await secret.of(conn, secret.NONCE_KEY)
        async with store.reading() as conn:
            rows = await live_call.load_live(conn)
            contacts = await contact.all_contacts(conn)
        self._laps.end("store")
        try:
            directory, balances = await asyncio.to_thread(_read, store, settings)
        except ValueError as error:
            raise _CannotStartError(f"{config.database.path}: {error}") from error
        self._laps.end("directory")
        engine = Engine(
            epoch=epoch,
            seed=secrets.token_bytes(32),
            server_name=config.sip.server_name,
            now=time.monotonic_ns(),
            gather_us=config.sip.gather_us,
        )
        auth = config.auth
        engine.require_credentials(auth.realm, nonce_key, auth.algorithms, auth.nonce_seconds)
        try:
            contexts = Contexts(config.sip)
        except TlsError as error:
            raise _CannotStartError(str(error)) from error
        engine.ask_registers(True)
        bound = [_listen(engine, listener) for listener in config.sip.listen]
        watch_socket = _listen_for_stats(config.stats)
        listeners = Listeners((one.host, one.transports) for one in config.sip.listen)
        tcp, tls = config.sip.tcp, config.sip.tls
        engine.limit_streams(
            tcp.connections,
            tcp.connections_per_source,
            tcp.message_seconds,
            tcp.idle_seconds,
            tls.handshakes,
            tls.handshake_seconds,
        )
        engine.control_overload(config.sip.overload.delay_ms, sorted(config.emergency.numbers))
        if tcp.above_bytes:
            engine.switch_to_tcp_above(tcp.above_bytes)
        ping, session = config.calls.ping, config.sip.session_timer
        engine.ping_calls(ping.interval_seconds, ping.per_second, ping.restored_seconds)
        engine.session_timers(session.expires_seconds, session.min_se_seconds)
        clock, alarms = SystemClock(), Alarms()
        gateways = Gateways(
            engine,
            clock,
            alarms,
            kick=lambda: driver.kick(),
            listeners=listeners,
            rules=_health_rules(config.gateways),
            jitter=config.gateways.jitter_percent / 100,
            reach=Reach(config.manage.agent_networks, config.sip.own_addresses),
        )
        resolution = _resolution(config.dns, listeners)
        names = Names(resolution, time.monotonic_ns, gateways.located) if resolution else None
        gateways.names = names
        try:
            gateways.configure(directory.routing_gateways.values())
        except ValueError as error:
            raise _CannotStartError(f"{config.database.path}: {error}") from error
        writer = Writer(
            config.database.path,
            loop,
            origin=f"proxy:{epoch}",
            directory=config.database.redo.directory,
            engine=engine,
            window_ms=config.database.commit_window_ms,
            limits=_limits(config),
        )
        exchange = Exchange(
            engine=engine,
            writer=writer,
            clock=clock,
            funds=Funds(balances),
            directory=directory,
            gateways=gateways,
            kick=lambda: driver.kick(),
            alarms=alarms,
            warning_seconds=config.calls.warning_seconds,
            charge_lost_calls=ping.charge_until == "found",
            locations=Locations(
                adopted(contacts, len(config.sip.listen)),
                registration.Limits(config.registrar.min_seconds, config.registrar.max_seconds),
            ),
        )
        if resolution is not None:
            remembered = Remembered(resolution, time.monotonic_ns)
            exchange.naming = Naming(engine, clock, alarms, remembered)
            engine.resolve_names(True)
        driver = Driver(
            engine, loop, time.monotonic_ns, dispatcher(exchange), writer.begin_turn, writer.end_turn
        )
        for index, listener in enumerate(config.sip.listen):
            driver.streams.add(index, listener.host)
        driver.streams.secure(contexts, lambda key: exchange.directory.routing_gateways.get(key))
        contexts.warn()
        loop.add_signal_handler(signal.SIGHUP, contexts.reload)
        self._laps.end("proxy")
        recovered = recover(exchange, rows)
        if config.calls.record_attempts_at_start:
            await _adopt_attempts(exchange, config.database.path, store, rows, epoch)
        self._laps.end("calls")
        auditor, locks = Auditor(exchange), LockWatch(exchange, config.calls.lock_ends_calls)
        notifier = Notifier()
        watch = Watch(config, exchange, auditor, store, epoch, watch_socket, notifier)
        follower = Follower(exchange, store, settings, directory.revision)
        tracer = Tracer(
            exchange,
            loop,
            [_shown_address(one) for one in config.sip.listen],
            lambda: (time.time_ns(), time.monotonic_ns()),
        )
        exporter = _exporter(config.trace.hep)
        served = handlers(exchange, auditor, epoch) | watch.handlers()
        server = await control.serve(
            config.control.socket,
            {
                **served,
                "status": lambda args: _with_trace(served["status"](args), tracer, exporter),
                "gateways": lambda _: gateways.report(),
                "refresh": lambda _: follower.refresh(),
                "barrier": lambda _: _barrier(writer),
                "stop": lambda _: self._stop.set(),
                "earmark": earmarks(exchange, follower, epoch),
                **trace_commands(tracer),
            },
            lambda message: log.error("control.failed", message=message),
        )
        records = cdr_keeper.keep(config.database.path, config.cdr.keep_days, _unix_ms)
        changes = feed_keeper.keep(config.database.path, lambda: follower.revision, _unix_ms)
        phones = registrar.keep(exchange, store, config.registrar.keep_alive_seconds)
        tasks = [
            loop.create_task(work)
            for work in (
                follower.run(),
                _prune(store),
                records,
                changes,
                auditor.run(),
                locks.run(),
                phones,
            )
        ]
        tasks.append(loop.create_task(contexts.follow()))
        if exporter is not None:
            tasks.append(loop.create_task(exporter.run()))
            tracer.open(Filter(), exporter.send)
        tasks.append(loop.create_task(refusals.keep(engine, store, exchange.clock)))
        if names is not None:
            tasks.append(loop.create_task(names.run()))
            names.ask_due()
            await names.settled(FIRST_ANSWERS_SECONDS)
        _tune_interpreter()
        exchange.alarms.start(loop, time.monotonic_ns)
        driver.start()
        for index, one in enumerate(bound):
            if one is not None:
                tls_only = "tls" in config.sip.listen[index].transports
                await driver.streams.accept(index, one, tls=tls_only)
        await watch.start(loop)
        self._laps.end("listeners")
        log.info(
            "daemon.ready",
            epoch=epoch,
            listen=[f"{one.host}:{one.port}" for one in config.sip.listen],
            accounts=len(directory.accounts),
            revision=directory.revision,
            calls_restored=recovered.live,
            calls_lost=recovered.lost,
            ms=self._laps.ms,
        )
        notifier.ready(f"{len(directory.accounts)} accounts, {recovered.live} calls restored")
        if self._web is not None:
            self._web.start()  # only now: no call waits for it
        try:
            await self._stop.wait()
            notifier.stopping(f"{len(exchange.current)} calls are up")
            await self._drain(exchange)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if names is not None:
                names.stop()
            if exchange.naming is not None:
                exchange.naming.stop()
            await watch.close()
            await registrar.close(exchange, store)
            exchange.alarms.stop()
            driver.stop()
            left = await writer.close(timeout_seconds=10)
            if left:
                log.error("daemon.records_lost", records=left)
            driver.stop()
            await driver.close()
            await server.close()
            if self._web is not None:
                await self._web.close()
            log.info("daemon.stopped", calls_left=len(exchange.current))

    async def _drain(self, exchange: Exchange) -> None:
        """No new calls; those that are up get time to end. What is left is restored by the next start."""
        exchange.draining = True
        deadline = time.monotonic() + self._config.calls.drain_seconds
        log.info("daemon.draining", calls=len(exchange.current))
        # Once, at a stop; an event instead would be a check at the end of every call.
        while len(exchange.current) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _read(store: database.Database, settings: Settings) -> tuple[Directory, Balances]:
    """The configuration, and the money as it was at that moment."""
    with store.snapshot() as conn:
        directory = Directory.build(configuration.read(conn), settings)
        return directory, Balances(ledger.read_balances(conn))


def _resolution(dns: Dns, listeners: Listeners) -> Resolution | None:
    """How names become addresses; None: this machine knows no name server."""
    from sipguard.sip.lookup import DnsLookup  # takes a while to import

    servers = [server for text in dns.nameservers if (server := name_server(text))]
    try:
        lookup = DnsLookup(servers, dns.timeout_seconds)
    except ValueError as error:
        log.warning("dns.unavailable", error=str(error))
        return None
    return Resolution(lookup, families=listeners.families, stale_seconds=dns.stale_seconds)


def _health_rules(health: GatewayHealth) -> Rules:
    return Rules(
        down_after=health.down_after,
        up_after=health.up_after,
        call_failures=health.call_failures,
        rest_seconds=health.rest_seconds,
        retry_after_max_seconds=health.retry_after_max_seconds,
    )


def _listen(engine: Engine, listener: Listener) -> socket.socket | None:
    """Have the sockets of a listener bound; returns that for TCP, if it wants one."""
    try:
        engine.listen(
            listener.host,
            listener.port,
            listener.advertise_host,
            listener.advertise_port,
            "udp" in listener.transports,
            "tls" in listener.transports,
        )
        connects = {"tcp", "tls"} & set(listener.transports)
        return stream.bind(listener.host, listener.port) if connects else None
    except OSError as error:
        raise _CannotStartError(f"cannot listen on {listener.host}:{listener.port}: {error}") from error


def _listen_for_stats(stats: Stats) -> socket.socket | None:
    """The socket for /metrics and its like, if they are served."""
    try:
        return stream.bind(stats.host, stats.port) if stats.port else None
    except OSError as error:
        raise _CannotStartError(f"cannot listen on {stats.host}:{stats.port} for stats: {error}") from error


def _limits(config: Config) -> Limits:
    redo = config.database.redo
    return Limits(redo.limit_records, redo.limit_mb * 1_000_000, redo.limit_seconds)


async def _adopt_attempts(
    exchange: Exchange,
    path: Path,
    store: database.Database,
    rows: Iterable[live_call.LiveCall],
    epoch: int,
) -> None:
    """Give the attempts that a kill has interrupted their records. No room for a file: calls matter more."""
    name = path.with_name(f"{path.name}-attempts")
    try:
        attempts = AttemptFile(name)
    except OSError as error:
        log.warning("attempts.not_kept", file=str(name), error=error.strerror or str(error))
        return
    left = attempts.left()
    async with store.reading() as conn:
        known = await cdr.recorded(conn, unfinished.calls(left))
    known.update(row.call for row in rows)
    unfinished.adopt(exchange, attempts, left, known, epoch)


async def _barrier(writer: Writer) -> None:
    """What was acknowledged so far can be read from the database."""
    try:
        async with asyncio.timeout(BARRIER_SECONDS):
            await writer.barrier()
    except TimeoutError:
        raise control.ControlError(f"{writer.backlog} records are not in the database yet") from None


def _exporter(hep: Hep) -> Exporter | None:
    if hep.host is None:
        return None
    return Exporter(
        hep.host,
        hep.port,
        transport=hep.transport,
        capture_id=hep.capture_id,
        password=hep.password,
        node=hep.node,
        masks=hep.mask_credentials,
    )


async def _with_trace(status: object, tracer: Tracer, exporter: Exporter | None) -> object:
    """The status with what is traced, and what the collector could not be given."""
    found: dict[str, object] = {"sessions": len(tracer)}
    if exporter is not None:
        found |= {"hep_sent": exporter.sent, "hep_dropped": exporter.dropped}
    told = await status if inspect.isawaitable(status) else status
    return {**told, "trace": found} if isinstance(told, dict) else told


def _shown_address(listener: Listener) -> tuple[str, int]:
    """A listener as packets of a trace have it: with an address, where it has one of its own."""
    host = listener.host
    if ip_address(host).is_unspecified and listener.advertise_host is not None:
        with suppress(ValueError):
            host = str(ip_address(listener.advertise_host))
    return host, listener.port


async def _prune(store: database.Database) -> None:
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        try:
            async with store.writing() as conn:
                await live_call.prune(conn, _unix_ms() - ENDED_KEPT_MS)
        except Exception as error:  # a busy or failing store is the writer's to report; this can wait
            log.warning("store.prune_failed", error=str(error))


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


def _tune_interpreter() -> None:
    """The directory lives long and is full of references: a full collection would walk all of it, and
    stop calls meanwhile. What exists now is left out of collections; young garbage is still found."""
    # No collection before, which would walk it, too: of 400,000 objects a start leaves 1,300 as garbage.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
    # The writer's thread prepares its rows while calls wait for the loop: give way within half a millisecond.
    sys.setswitchinterval(0.0005)
