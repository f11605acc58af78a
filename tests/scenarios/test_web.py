"""The process of the API and the pages comes and goes with the daemon, and no call waits for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.scenarios.conftest import DATA

PORT = 8060


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Daemon, str]]:
    loopback = Loopback()
    host = loopback.host(1)
    with Daemon(tmp_path / "site", host, more=f'[web]\nhost = "{host}"\nport = {PORT}\n') as daemon:
        daemon.init(DATA.read_text(), loopback)
        yield daemon, host
    loopback.close()


def answers(host: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{host}:{PORT}/api/v1/session", timeout=10)
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 401
    except OSError:
        return False
    return False


def listens(host: str) -> bool:
    with socket.socket() as peer:
        return peer.connect_ex((host, PORT)) == 0


def pids(daemon: Daemon) -> list[int]:
    lines = [json.loads(line) for line in daemon.output().splitlines() if '"child.started"' in line]
    return [line["pid"] for line in lines]


def test_the_web_process_comes_comes_back_and_goes_with_the_daemon(site: tuple[Daemon, str]) -> None:
    daemon, host = site
    daemon.start()
    eventually("the API", lambda: answers(host), 30.0)
    lines = [json.loads(line) for line in daemon.output().splitlines()]
    events = [line["event"] for line in lines]
    assert events.index("daemon.ready") < events.index("child.started") < events.index("web.ready")
    assert lines[events.index("web.ready")]["url"] == f"http://{host}:{PORT}/"

    os.kill(pids(daemon)[-1], signal.SIGKILL)
    eventually("a new web process", lambda: len(pids(daemon)) == 2 and answers(host), 30.0)
    assert '"child.ended"' in daemon.output()

    assert daemon.stop() == 0
    assert not listens(host)


def test_it_does_not_outlive_a_daemon_that_is_killed(site: tuple[Daemon, str]) -> None:
    daemon, host = site
    daemon.start()
    eventually("the API", lambda: answers(host), 30.0)
    daemon.kill()
    eventually("its end", lambda: not listens(host), 30.0)


def test_a_daemon_whose_web_address_is_taken_runs_without(site: tuple[Daemon, str]) -> None:
    daemon, host = site
    with socket.create_server((host, PORT)):
        daemon.start()
        eventually("what is the matter", lambda: "cannot serve on" in daemon.output(), 30.0)
        assert daemon.status()["live_calls"] == 0
    eventually("the API", lambda: answers(host), 30.0)
