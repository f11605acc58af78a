"""run and status: the daemon itself, and what it says of itself."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from sipguard.cli.shell import Shell, UnavailableError, json_option, plain, show, show_json


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT, and with it the API and the pages."""
    shell: Shell = context.obj
    config = shell.config
    if not config.database.path.exists():
        raise UnavailableError(f"{config.database.path}: there is no database; make one with: sipguard init")
    # Nothing that a start makes is garbage; the daemon collects again when it is ready.
    gc.disable()
    with _hidden("rich"):
        import structlog.dev  # noqa: F401  # would take rich for tracebacks, which the daemon writes plainly
    from sipguard import daemon

    web = [sys.executable, "-m", "sipguard", "--config", str(shell.file.resolve()), "web", "--with-daemon"]
    context.exit(daemon.run(config, web))


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """To be imported only by who cannot do without: others are told that it is not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # so says the language reference, section 5.3.1
    try:
        yield
    finally:
        del sys.modules[module]


@click.command()
@json_option
@click.pass_obj
def status(shell: Shell, as_json: bool) -> None:
    """Ask the running daemon how it is."""
    answer = shell.ask("status")
    if as_json:
        show_json(answer)
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in _flat(answer):
        table.add_row(plain(name), plain(value))
    show(table)


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as dotted names, one line each."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or "none"
    else:
        yield name, "-" if value is None else str(value)
