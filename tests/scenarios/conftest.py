"""One daemon for all scenarios, each of which leaves it idle and its books in order."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.authority import Authority
from tests.harness.daemon import Daemon
from tests.harness.judge import Books, Row
from tests.harness.loopback import SIP_PORT, Loopback, eventually
from tests.harness.sipp import Sipp, SippResult
from tests.harness.tunnel import Tunnels

DATA = Path(__file__).with_name("data.toml")

OVER_TLS = os.environ.get("SIPGUARD_OVER") == "tls"
"""Play everything over TLS: callers and gateways behind tunnels (`make scenarios OVER=tls`)."""

TLS_PORT, TUNNEL_PORT = 5061, 5070
STATS_PORT = 9470
GATEWAYS = range(100, 120)
"""Host numbers of gateways, for which there is a certificate."""

# A record is durable before its BYE or refusal is relayed; the margin is for CANCEL, whose record may follow.
RECORD_SECONDS = 5.0


class Stage:
    """Callers, gateways and the daemon between them, by the host numbers of data.toml."""

    def __init__(
        self,
        daemon: Daemon,
        loopback: Loopback,
        directory: Path,
        cleanup: ExitStack,
        secure: Secure | None = None,
    ) -> None:
        self.daemon = daemon
        self._loopback, self._directory, self._cleanup = loopback, directory, cleanup
        self._secure = secure

    def gateway(self, scenario: str, host: int, *, talk_ms: int = 200, tcp: bool = False) -> Sipp:
        """A gateway that plays `scenario` for every call, until it is stopped."""
        if self._secure is not None:
            tcp = True
            self._secure.gateway(self._host(host))
        return self._start(
            Sipp(scenario, self._directory, self._host(host), calls=None, talk_ms=talk_ms, tcp=tcp)
        )

    def caller(
        self,
        scenario: str,
        host: int,
        number: str,
        *,
        talk_ms: int = 200,
        port: int = SIP_PORT,
        tcp: bool = False,
        options: Sequence[str] = (),
    ) -> Sipp:
        """A caller that plays `scenario` once."""
        target = self.daemon.host, self.daemon.port
        if self._secure is not None:
            tcp, target = True, (self.daemon.host, TUNNEL_PORT)
        return self._start(
            Sipp(
                scenario,
                self._directory,
                self._host(host),
                target=target,
                number=number,
                talk_ms=talk_ms,
                port=port,
                tcp=tcp,
                options=options,
            )
        )

    def call(
        self,
        scenario: str,
        host: int,
        number: str,
        *,
        talk_ms: int = 200,
        port: int = SIP_PORT,
        tcp: bool = False,
        options: Sequence[str] = (),
    ) -> SippResult:
        """One call from beginning to end, proved on the wire."""
        caller = self.caller(scenario, host, number, talk_ms=talk_ms, port=port, tcp=tcp, options=options)
        result = caller.wait()
        result.proved()
        return result

    def host(self, number: int) -> str:
        """Address `number` of this run."""
        return self._host(number)

    def books(self) -> Books:
        """The database as it is now."""
        return Books(self.daemon.database)

    def cdr(self, caller: SippResult) -> Row:
        """The one call record of the one call that this caller made."""
        (call_id,) = {message.call_id for message in caller.messages}
        eventually(f"record of {call_id}", lambda: bool(self.books().cdrs(call_id)), RECORD_SECONDS)
        (cdr,) = self.books().cdrs(call_id)
        return cdr

    def _host(self, number: int) -> str:
        return self._loopback.host(number)

    def _start(self, sipp: Sipp) -> Sipp:
        return self._cleanup.enter_context(sipp)


class Secure:
    """TLS around the sipps of a site, one tunnel for all callers and one for each gateway that plays."""

    def __init__(self, directory: Path, loopback: Loopback) -> None:
        self.authority = Authority(directory / "authority")
        self._host = loopback.host(1)
        self._proxy = self.authority.issue(f"IP:{self._host}")
        self._gateways = self.authority.issue(*(f"IP:{loopback.host(number)}" for number in GATEWAYS))
        self._tunnels = Tunnels()
        self._reached: set[str] = set()

    def listener(self) -> str:
        """An inline table for the configuration."""
        files = f'certificate = "{self._proxy.certificate}", key = "{self._proxy.key}"'
        return f'{{ host = "{self._host}", port = {TLS_PORT}, transports = ["tls"], {files} }}'

    def tables(self) -> str:
        """Further tables for the configuration."""
        return f'[sip.tls]\nca = "{self.authority.ca}"\n'

    def data(self, text: str) -> str:
        """A data set with every gateway over TLS."""
        plain = text.replace('transport = "tcp"\n', "")
        return plain.replace("[[routing_gateway]]\n", '[[routing_gateway]]\ntransport = "tls"\n')

    def callers(self) -> None:
        """Let callers in, once the daemon runs."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        self._tunnels.into_tls(self._host, TUNNEL_PORT, (self._host, TLS_PORT), context)

    def gateway(self, host: str) -> None:
        """Let the gateway be reached that plays at `host`."""
        if host in self._reached:
            return
        self._reached.add(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._gateways.certificate, self._gateways.key)
        self._tunnels.out_of_tls(host, TLS_PORT, (host, SIP_PORT), context)

    def close(self) -> None:
        """End all tunnels."""
        self._tunnels.__exit__(None, None, None)


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory, loopback: Loopback) -> Iterator[Secure | None]:
    """TLS around everything, where that is wanted."""
    made = Secure(tmp_path_factory.mktemp("tls"), loopback) if OVER_TLS else None
    yield made
    if made is not None:
        made.close()


@pytest.fixture(scope="session")
def loopback() -> Iterator[Loopback]:
    """The addresses of the site."""
    taken = Loopback()
    yield taken
    taken.close()


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, loopback: Loopback, secure: Secure | None
) -> Iterator[tuple[Daemon, Loopback]]:
    """The daemon on its data set."""
    data = DATA.read_text()
    listeners, tables = [], ""
    if secure is not None:
        data, listeners, tables = secure.data(data), [secure.listener()], secure.tables()
    tables += f'[stats]\nhost = "{loopback.host(1)}"\nport = {STATS_PORT}\n'
    directory = tmp_path_factory.mktemp("site")
    with Daemon(directory, loopback.host(1), listeners=listeners, more=tables) as daemon:
        daemon.init(data, loopback)
        daemon.start()
        if secure is not None:
            secure.callers()
        yield daemon, loopback
        assert daemon.stop() == 0, "SIGTERM ends the daemon in order"
        assert daemon.json("ledger", "verify")["ok"], "the journal verifies, hash chain included"


@pytest.fixture
def stage(site: tuple[Daemon, Loopback], secure: Secure | None, tmp_path: Path) -> Iterator[Stage]:
    """The stage of one scenario. Afterwards nothing is held or counted (L-14) and the books are in order."""
    daemon, loopback = site
    with ExitStack() as cleanup:
        yield Stage(daemon, loopback, tmp_path, cleanup, secure)
    daemon.idle()
    assert Books(daemon.database).violations() == []
