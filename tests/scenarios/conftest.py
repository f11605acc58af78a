"""One daemon for all scenarios, each of which leaves it idle and its books in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.judge import Books, Row
from tests.harness.loopback import SIP_PORT, Loopback, eventually
from tests.harness.sipp import Sipp, SippResult

DATA = Path(__file__).with_name("data.toml")

# A record is durable before its BYE or refusal is relayed; the margin is for CANCEL, whose record may follow.
RECORD_SECONDS = 5.0


class Stage:
    """Callers, gateways and the daemon between them, by the host numbers of data.toml."""

    def __init__(self, daemon: Daemon, loopback: Loopback, directory: Path, cleanup: ExitStack) -> None:
        self.daemon = daemon
        self._loopback, self._directory, self._cleanup = loopback, directory, cleanup

    def gateway(self, scenario: str, host: int, *, talk_ms: int = 200, tcp: bool = False) -> Sipp:
        """A gateway that plays `scenario` for every call, until it is stopped."""
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
        return self._start(
            Sipp(
                scenario,
                self._directory,
                self._host(host),
                target=(self.daemon.host, self.daemon.port),
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


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Loopback]]:
    """The daemon on its data set."""
    loopback = Loopback()
    with Daemon(tmp_path_factory.mktemp("site"), loopback.host(1)) as daemon:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        yield daemon, loopback
        assert daemon.stop() == 0, "SIGTERM ends the daemon in order"
        assert daemon.json("ledger", "verify")["ok"], "the journal verifies, hash chain included"
    loopback.close()


@pytest.fixture
def stage(site: tuple[Daemon, Loopback], tmp_path: Path) -> Iterator[Stage]:
    """The stage of one scenario. Afterwards nothing is held or counted (L-14) and the books are in order."""
    daemon, loopback = site
    with ExitStack() as cleanup:
        yield Stage(daemon, loopback, tmp_path, cleanup)
    daemon.idle()
    assert Books(daemon.database).violations() == []
