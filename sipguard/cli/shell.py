"""What every command shares: the configuration, the database, the daemon, printing, and the exit codes."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from sipguard.config import Config, ConfigError, load

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.manage.desk import Desk
    from sipguard.model.actor import Actor

T = TypeVar("T")

_SETTLE_SECONDS = 5.0
"""How long a command waits for a daemon that starts or stops."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class CommandError(click.ClickException):
    """Ends a command with one plain sentence on standard error."""

    def show(self, file: IO[str] | None = None) -> None:
        click.echo(f"sipguard: {self.format_message()}", file=file, err=True)


class WrongError(CommandError):
    """Something was looked for and found wrong, or the daemon said no."""

    exit_code = 1


class UsageError(CommandError):
    """The command line or the configuration file cannot be used as given."""

    exit_code = 2


class UnavailableError(CommandError):
    """The daemon is not running, or the database is missing or unusable."""

    exit_code = 3


class Commands(click.Group):
    """The commands in the order in which they were added, which is that of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(self.commands)


class Shell:
    """The configuration of one invocation and what it leads to. Every failure is a `CommandError`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @cached_property
    def config(self) -> Config:
        """Read when first needed, so that `--help` works without a file."""
        try:
            return load(self.file)
        except ConfigError as error:
            raise UsageError(str(error)) from None

    def read(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `query` in one read transaction of the database."""
        import asyncio

        from sipguard.store import database

        path = self.config.database.path
        if not path.exists():
            raise UnavailableError(f"{path}: there is no database; make one with: sipguard init")

        async def reading() -> T:
            opened = database.open(path)
            try:
                self.settle()
                async with opened.reading() as connection:
                    return await query(connection)
            finally:
                await opened.close()

        with store_failures(path):
            return asyncio.run(reading())

    def write(self, command: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `command` in one write transaction of the database."""
        import asyncio

        from sipguard.store import database

        path = self.config.database.path
        if not path.exists():
            raise UnavailableError(f"{path}: there is no database; make one with: sipguard init")

        async def writing() -> T:
            opened = database.open(path)
            try:
                self.settle()
                async with opened.writing() as connection:
                    return await command(connection)
            finally:
                await opened.close()

        with store_failures(path):
            return asyncio.run(writing())

    def manage(self, command: Callable[[Desk, Actor], Awaitable[T]]) -> T:
        """Run `command` at the desk as the administrator that the user of this machine is."""
        import asyncio
        import getpass

        from sipguard.manage import opening
        from sipguard.model.actor import Actor, Role, Via
        from sipguard.store import database

        path = self.config.database.path
        if not path.exists():
            raise UnavailableError(f"{path}: there is no database; make one with: sipguard init")
        actor = Actor(getpass.getuser(), Role.ADMINISTRATOR, Via.SHELL)

        async def managing() -> T:
            opened = database.open(path)
            try:
                self.settle()
                desk = opening.desk(self.config, opened)
                done = await command(desk, actor)
                if desk.proxy is not None:
                    await desk.proxy.settled()
                return done
            finally:
                await opened.close()

        with store_failures(path), _refusals():
            return asyncio.run(managing())

    def settle(self) -> None:
        """Have the database hold what was acknowledged: by the running daemon, else from its redo log."""
        from sipguard.control import ControlError, NotRunningError, ask
        from sipguard.store import lock
        from sipguard.store.redo import replay

        database = self.config.database
        deadline = time.monotonic() + _SETTLE_SECONDS
        while replay.is_needed(database.path, database.redo.directory):
            try:
                with lock.alone(database.path):
                    replay.replay(database.path, database.redo.directory)
                return
            except lock.HeldError:
                pass
            try:
                ask(self.config.control.socket, "barrier")
                return
            except ControlError as error:
                starts_or_stops = isinstance(error, NotRunningError) and time.monotonic() < deadline
                if not starts_or_stops:
                    click.echo(f"sipguard: the newest records may be missing here: {error}", err=True)
                    return
            time.sleep(0.05)

    def ask(self, command: str, **args: Any) -> object:
        """Ask the running daemon; `args` as the command wants them."""
        from sipguard.control import ControlError, NotRunningError, ask

        try:
            return ask(self.config.control.socket, command, **args)
        except NotRunningError as error:
            raise UnavailableError(str(error)) from None
        except ControlError as error:
            raise WrongError(str(error)) from None

    def held_micros(self) -> dict[int, int] | None:
        """Money that live calls hold, by ledger account key; None where no daemon runs to know it."""
        try:
            held = self.ask("held")
        except CommandError:
            return None
        if not isinstance(held, dict):
            raise WrongError(f"the daemon's answer makes no sense: {held!r}")
        return {int(ledger): int(micros) for ledger, micros in held.items()}


@contextmanager
def store_failures(path: Path) -> Iterator[None]:
    """Say what is the matter with the database in plain words."""
    from sqlalchemy.exc import DBAPIError

    from sipguard.store.database import StoreError

    try:
        yield
    except StoreError as error:
        raise UnavailableError(str(error)) from None
    except DBAPIError as error:
        raise UnavailableError(f"{path}: {error.orig}") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Say why a command of management did not happen, with the exit code of its kind."""
    from sipguard.manage.errors import (
        InvalidError,
        ManageError,
        NotFoundError,
    )
    from sipguard.manage.errors import (
        UnavailableError as NotNowError,
    )

    try:
        yield
    except (InvalidError, NotFoundError) as error:
        raise UsageError(str(error)) from None
    except NotNowError as error:
        raise UnavailableError(str(error)) from None
    except ManageError as error:
        raise WrongError(str(error)) from None


def default_config_file() -> Path:
    """The file of the directory that we are in, else that of the machine."""
    here = Path("config/sipguard.toml")
    machine = Path("/etc/sipguard/sipguard.toml")
    return machine if machine.exists() and not here.exists() else here


def show(renderable: RenderableType) -> None:
    """Print something made with rich. Nothing is ever cut off, because people and programs look for it."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    boundless = Console(width=10_000)
    if isinstance(renderable, Table):
        # rich means "never wrapped" by no_wrap, but cuts such columns off where there is little room.
        for column in renderable.columns:
            if column.no_wrap:
                cells = (column.header, *column.cells)
                column.min_width = max(boundless.measure(cell).maximum for cell in cells)
    wanted = boundless.measure(renderable)
    console.width = max(console.width, wanted.minimum) if console.is_terminal else wanted.maximum
    console.print(renderable)


def plain(text: str) -> Text:
    """Text that somebody else wrote, a peer perhaps: neither markup nor escape codes work in it."""
    from rich.text import Text

    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))


def show_json(value: object) -> None:
    """Print JSON, indented for a person, one document."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
