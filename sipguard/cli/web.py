"""web: the process of the API and the pages."""

from __future__ import annotations

import click

from sipguard.cli.shell import Shell, store_failures


@click.command()
@click.pass_obj
def web(shell: Shell) -> None:
    """Serve the API and the pages in the foreground until SIGTERM or SIGINT."""
    import asyncio

    from sipguard.web import server

    with store_failures(shell.config.database.path):
        asyncio.run(server.serve(shell.config))
