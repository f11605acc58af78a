"""One daemon with three phones, and whatever agents a test gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.agents.agent import Agent, Line
from tests.harness.authority import Authority
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback

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


@pytest.fixture(scope="session")
def building(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The daemon, for all tests here."""
    loopback = Loopback()
    directory = tmp_path_factory.mktemp("agents")
    own = loopback.host(SIPGUARD)
    authority = Authority(directory / "authority")
    pair = authority.issue(f"IP:{own}")
    more = f"""
[[sip.listen]]
host = "{own}"
port = 5061
transports = ["tls"]
certificate = "{pair.certificate}"
key = "{pair.key}"
"""
    with Daemon(directory / "site", own, more=more) as daemon:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        yield Office(daemon, loopback, authority.ca)
        assert daemon.stop() == 0, "still there, and ends in order"
        assert Books(daemon.database).violations() == []
        assert daemon.json("ledger", "verify")["ok"]
    loopback.close()


@pytest.fixture
def office(building: Office) -> Iterator[Office]:
    """Empty of agents before and after; no call is left."""
    yield building
    building.dismiss()
    building.daemon.idle()
