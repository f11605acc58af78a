"""The proxies that are measured: how each is set up with the common policy, and started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import policy as policies
from benchmarks import procfs
from tests.harness.loopback import eventually, udp_bound

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

START_SECONDS = 60.0
# After the socket is bound: let start-up work end before anything is measured.
SETTLE_SECONDS = 1.0


class UnavailableError(Exception):
    """This machine lacks what the target needs; the message says what and how to get it."""


@dataclass(frozen=True)
class Site:
    """Where everything happens: addresses on loopback, and a directory for what is built and written."""

    directory: Path
    policy: policies.Policy
    proxy: tuple[str, int] = ("127.32.0.1", 6060)
    gateway: tuple[str, int] = ("127.32.0.2", 6090)
    caller_port: int = 6070


@dataclass(frozen=True)
class Target:
    """One proxy. `answers` and `refuses`: which of the two measurements it takes part in."""

    name: str
    title: str
    answers: bool = True
    refuses: bool = True

    def prepare(self, site: Site) -> None:
        """Once, before the first run. Raises UnavailableError."""

    def command(self, site: Site) -> list[str]:
        """Before every run: what to start, in a state like new."""
        raise NotImplementedError

    def version(self) -> str:
        """For the report."""
        return ""


class Native(Target):
    """A floor: one of the programs in native/."""

    def command(self, site: Site) -> list[str]:
        host, port = site.proxy
        gateway = [] if self.name == "reject" else [site.gateway[0], str(site.gateway[1])]
        return [str(site.directory / self.name), host, str(port), *gateway]


class Kamailio(Target):
    """Debian's package, with kamailio/policy.cfg."""

    def prepare(self, site: Site) -> None:
        _install_kamailio()
        modules = next(iter(sorted(Path("/usr/lib").glob("*/kamailio/modules"))), None)
        if modules is None:
            raise UnavailableError("Kamailio is installed, but /usr/lib/*/kamailio/modules is not there")
        directory = site.directory / "kamailio"
        policies.write_kamailio(site.policy, directory / "tables")
        (directory / "dispatcher.list").write_text(f"1 sip:{site.gateway[0]}:{site.gateway[1]} 0 0 gw1\n")
        text = (HERE / "kamailio" / "policy.cfg").read_text()
        for key, value in (
            ("PROXY", "{}:{}".format(*site.proxy)),
            ("MODULES", f"{modules}/"),
            ("DIRECTORY", str(directory)),
        ):
            text = text.replace(f"@{key}@", value)
        (directory / "kamailio.cfg").write_text(text)

    def command(self, site: Site) -> list[str]:
        directory = site.directory / "kamailio"
        shutil.rmtree(directory / "cdrs", ignore_errors=True)
        (directory / "cdrs").mkdir()
        allocator = ["-x", "fm", "-X", "fm"]
        return [
            _kamailio(),
            *allocator,
            "-DD",
            "-E",
            "-f",
            str(directory / "kamailio.cfg"),
            "-m",
            "1024",
            "-M",
            "16",
        ]

    def version(self) -> str:
        return _first_line([_kamailio(), "-v"]).removeprefix("version: ")


class Sipguard(Target):
    """This tree, with the database on disk and every commit on."""

    def prepare(self, site: Site) -> None:
        directory = site.directory / "sipguard"
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "new").mkdir(parents=True)
        (directory / "data.toml").write_text(policies.sipguard_data(site.policy, site.gateway))
        host, port = site.proxy
        config = f"""\
[sip]
listen = [{{ host = "{host}", port = {port} }}]
[database]
path = "sipguard.db"
[control]
socket = "sipguard.sock"
[calls]
drain_seconds = 0
[log]
level = "warning"
[web]
enabled = false
"""
        (directory / "new" / "sipguard.toml").write_text(config)
        done = subprocess.run(
            self._line(directory / "new", "init", "--data", str(directory / "data.toml")),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise UnavailableError(f"sipguard init ended with {done.returncode}: {done.stdout}{done.stderr}")

    def command(self, site: Site) -> list[str]:
        used = site.directory / "sipguard" / "used"
        shutil.rmtree(used, ignore_errors=True)
        shutil.copytree(site.directory / "sipguard" / "new", used)
        return self._line(used, "run")

    def version(self) -> str:
        revision = _first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
        return f"sipguard {revision}, Python {sys.version.split()[0]}"

    @staticmethod
    def _line(directory: Path, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sipguard", "--config", str(directory / "sipguard.toml"), *arguments]


TARGETS = {
    target.name: target
    for target in (
        Sipguard("sipguard", "sipguard"),
        Kamailio("kamailio", "Kamailio, equal policy"),
        Native("relay", "UDP relay (floor)", refuses=False),
        Native("reject", "bare 403 (floor)", answers=False),
    )
}


def build(directory: Path) -> None:
    """Compile native/. Raises UnavailableError."""
    directory.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise UnavailableError("no C compiler: apt-get install gcc libc6-dev")
    for source in sorted((HERE / "native").glob("*.c")):
        program = directory / source.stem
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(
                [compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", str(program), str(source)],
                check=True,
            )


@contextmanager
def running(target: Target, site: Site, cpus: set[int] | None) -> Iterator[int]:
    """The target up and settled; yields the id of its session. It is ended by that id afterwards."""
    log = site.directory / f"{target.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            target.command(site),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if cpus:
        os.sched_setaffinity(process.pid, cpus)
    try:
        eventually(
            f"{target.name} on {site.proxy}",
            lambda: udp_bound(*site.proxy) or process.poll() is not None,
            START_SECONDS,
        )
        if process.poll() is not None:
            raise RuntimeError(f"{target.name} ended with {process.returncode}; see {log}")
        time.sleep(SETTLE_SECONDS)
        yield process.pid
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if process.poll() is not None and not procfs.session(process.pid):
                return
            time.sleep(0.05)


def _install_kamailio() -> None:
    if shutil.which("kamailio") or Path("/usr/sbin/kamailio").exists():
        return
    if os.geteuid() != 0:
        raise UnavailableError("Kamailio is not installed: apt-get install kamailio")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "kamailio"]):
        subprocess.run(command, env=environment, stdout=sys.stderr, check=True)
    # The package starts a server of its own on every address; nobody here asked for that.
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", "kamailio"], capture_output=True, check=False)


def _kamailio() -> str:
    return shutil.which("kamailio") or "/usr/sbin/kamailio"


def _first_line(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0].strip()
    except OSError:
        return ""
