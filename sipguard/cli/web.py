"""web: the process of the API and the pages."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

import click

from sipguard.cli.shell import Shell, WrongError, store_failures

NICENESS = 5
"""Beside a daemon: where the processor is short, calls get three times as much of it as pages. With more the
pages of a busy machine would take a minute to start."""


@click.command()
@click.option("--with-daemon", is_flag=True, hidden=True, help="Started by it: end when standard input does.")
@click.pass_obj
def web(shell: Shell, with_daemon: bool) -> None:
    """Serve the API and the pages in the foreground until SIGTERM or SIGINT.

    `sipguard run` does so by itself, unless [web] says enabled = false.
    """
    if with_daemon:
        yield_to_calls()
        threading.Thread(target=_end_with_daemon, daemon=True).start()
    import asyncio

    from sipguard.web import server

    with store_failures(shell.config.database.path):
        try:
            asyncio.run(server.serve(shell.config))
        except server.CannotServeError as error:
            raise WrongError(str(error)) from None


def yield_to_calls() -> None:
    """Be nice; where a service may not, there are pages that are as eager as calls, not none."""
    with suppress(OSError):
        os.nice(NICENESS)


def _end_with_daemon() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
