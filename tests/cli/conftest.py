"""An installation for each test: a configuration, and a copy of a database that was made once."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sipguard.cli import main
from sipguard.control import Handler, serve
from sipguard.store.batch import BatchWriter
from sipguard.store.database import configure
from tests.cli import calls

CONFIG = """\
[sip]
listen = [{ host = "127.0.0.1" }]
[database]
path = "var/sipguard.db"
[control]
socket = "sipguard.sock"
"""


class Installation:
    """A directory with a configuration, and the commands on it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "sipguard.toml"
        self.database = directory / "var" / "sipguard.db"
        self.socket = directory / "sipguard.sock"
        self.config.write_text(CONFIG)

    def run(self, *arguments: str) -> Result:
        """Run a command; a traceback is a failed test."""
        result = CliRunner().invoke(main, ["--config", str(self.config), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def says(self, *arguments: str) -> str:
        """What a command prints that succeeds."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.says(*arguments, "--json"))

    def refuses(self, *arguments: str) -> tuple[int, str]:
        """The exit code and the one sentence of a command that fails without having printed anything."""
        result = self.run(*arguments)
        assert result.stdout == ""
        assert result.stderr.startswith("sipguard: ")
        assert result.stderr.count("\n") == 1
        return result.exit_code, result.stderr.removeprefix("sipguard: ").rstrip("\n")

    def execute(self, sql: str) -> None:
        """Do to the database what no command would."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.executescript(sql)

    @contextmanager
    def daemon(self, handlers: Mapping[str, Handler]) -> Iterator[None]:
        """Answer at the control socket, in another thread, as the daemon would."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(serve(self.socket, handlers))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(server.close())
            loop.close()


@pytest.fixture
def bare(tmp_path: Path) -> Installation:
    """Without a database."""
    return Installation(tmp_path)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo data and `calls.RECORDS`; nobody writes to it."""
    made = Installation(tmp_path_factory.mktemp("demo"))
    made.says("init")
    with closing(sqlite3.connect(made.database, isolation_level=None)) as connection:
        configure(connection)
        outcome = BatchWriter(connection, "test").write(calls.records(connection))
        assert not outcome.rejected
    return made.database


@pytest.fixture
def installed(bare: Installation, demo: Path) -> Installation:
    """With the demo data and three calls."""
    bare.database.parent.mkdir()
    shutil.copy(demo, bare.database)
    return bare
