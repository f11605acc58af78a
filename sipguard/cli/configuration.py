"""check-config."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click

from sipguard.cli.shell import Shell
from sipguard.config import effective


@click.command("check-config")
@click.pass_obj
def check_config(shell: Shell) -> None:
    """Check the configuration file and print what is in force.

    Opens neither a socket nor the database. What it prints is a configuration file again, with every
    default filled in and every path made absolute.
    """
    values = effective(shell.config)
    click.echo(f"# {shell.file} is in order. In force:")
    for line in _toml(values):
        click.echo(line)


def _toml(values: Mapping[str, object], table: str = "") -> Iterator[str]:
    """Nested plain values as TOML; None, which TOML does not have, is left out."""
    nested = {}
    for key, value in values.items():
        if isinstance(value, Mapping) or _is_array_of_tables(value):
            nested[key] = value
        elif value is not None:
            yield f"{key} = {_value(value)}"
    for key, value in nested.items():
        name = f"{table}{key}"
        if isinstance(value, Mapping):
            yield from ("", f"[{name}]", *_toml(value, f"{name}."))
        elif isinstance(value, tuple):
            for element in value:
                yield from ("", f"[[{name}]]", *_toml(element, f"{name}."))


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Mapping)


def _value(value: object) -> str:
    # Of the values that we have, JSON and TOML write all alike.
    return json.dumps(value, ensure_ascii=False)
