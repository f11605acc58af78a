"""One daemon with three phones, and whatever agents a test gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.agents.agent import Agent, Line
from tests.harness.authority import Authority
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback
from tests.harness.order import end_in_order

DATA = Path(__file__).with_name("data.toml")
SIPGUARD = 1
PHONES = {
    "alice": (10, "442079460001", "wonderland"),
    "bob": (11, "442079460002", "builder"),
    "carol": (12, "442079460003", "singers"),
}


class Office:
    """The daemon and its phones."""

    def __init__(self, daemon: Daemon, loopback: Loopback, ca_file: Path) -> None:
        self.daemon, self._loopback, self._ca_file = daemon, loopback, ca_file
        self._agents = ExitStack()
        self._placed = 0

    def agent(self, make: type[Agent], user: str, transport: str) -> Agent:
        """A phone of this make, registered."""
        host, _, password = PHONES[user]
        line = Line(
            self._loopback.host(host),
            self._loopback.host(SIPGUARD),
            transport,
            user,
            password,
            self._ca_file if transport == "tls" else None,
        )
        self._placed += 1
        agent = make(line, self.daemon.directory / f"{self._placed}-{make.__name__}-{user}")
        self._agents.callback(agent.stop)
        agent.start()
        return agent

    def dismiss(self) -> None:
        """End all agents."""
        self._agents.close()


class Buildings:
    """A daemon for each way to authenticate, started when it is first wanted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = Authority(directory / "authority")
        self._offices: dict[str, Office] = {}
        self._closing = ExitStack()

    def office(self, algorithms: str) -> Office:
        """The one that offers these."""
        if algorithms not in self._offices:
            self._offices[algorithms] = self._open(algorithms)
        return self._offices[algorithms]

    def close(self) -> None:
        """All daemons are still there, end in order, and leave the books in order."""
        for office in self._offices.values():
            end_in_order(office.daemon)
        self._closing.close()

    def _open(self, algorithms: str) -> Office:
        loopback = Loopback()
        self._closing.callback(loopback.close)
        own = loopback.host(SIPGUARD)
        pair = self._authority.issue(f"IP:{own}")
        tls = (
            f'{{ host = "{own}", port = 5061, transports = ["tls"], '
            f'certificate = "{pair.certificate}", key = "{pair.key}" }}'
        )
        site = self._directory / f"site{len(self._offices)}"
        daemon = Daemon(site, own, listeners=[tls], more=f"[auth]\nalgorithms = {algorithms}\n")
        self._closing.enter_context(daemon)
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        return Office(daemon, loopback, self._authority.ca)


@pytest.fixture(scope="session")
def buildings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildings]:
    """The daemons, for all tests here."""
    buildings = Buildings(tmp_path_factory.mktemp("agents"))
    yield buildings
    buildings.close()


@pytest.fixture
def office(buildings: Buildings, make: type[Agent]) -> Iterator[Office]:
    """Empty of agents before and after; no call is left."""
    office = buildings.office(make.algorithms)
    yield office
    office.dismiss()
    office.daemon.idle()
