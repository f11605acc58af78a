"""What a service manager hears of the daemon."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sipguard.notify import Notifier
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback


class Manager:
    """A socket as systemd has it."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(20)

    def heard(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")

    def silent(self) -> bool:
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(4096)
        except BlockingIOError:
            return True


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def test_what_is_told(manager: Manager, tmp_path: Path) -> None:
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notifier = Notifier(environment)
    assert environment == {"HOME": "/"}, "a child does not speak for us"
    notifier.ready("3 accounts")
    assert manager.heard() == ["READY=1", "STATUS=3 accounts"]
    notifier.alive()
    assert manager.heard() == ["WATCHDOG=1"]
    notifier.stopping("draining")
    assert manager.heard() == ["STOPPING=1", "STATUS=draining"]
    notifier.close()


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_nobody_watches(manager: Manager, tmp_path: Path, watchdog: dict[str, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), **watchdog})
    notifier.alive()
    assert manager.silent()
    notifier.close()


def test_no_manager_is_no_trouble(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        notifier = Notifier(environment)
        notifier.ready("")
        notifier.close()


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager, tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1"})
    for _ in range(10_000):
        notifier.alive()
    notifier.close()


def test_the_daemon_is_ready_alive_and_stopping(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    loopback = Loopback()
    data = (Path(__file__).parent / "scenarios" / "data.toml").read_text()
    with Daemon(tmp_path / "site", loopback.host(1)) as daemon:
        daemon.init(data, loopback)
        daemon.start()
        assert manager.heard()[0] == "READY=1"
        assert manager.heard() == ["WATCHDOG=1"]
        assert daemon.stop() == 0
        while (heard := manager.heard()) == ["WATCHDOG=1"]:
            pass
        assert heard[0] == "STOPPING=1"
    loopback.close()
