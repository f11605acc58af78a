"""init: a database with a data set in it."""

from __future__ import annotations

import click


@click.command()
def init() -> None:
    """x"""
