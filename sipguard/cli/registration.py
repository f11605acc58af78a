"""registration list: which phones have registered, from where, and for how long."""

from __future__ import annotations

import time

import click

from sipguard.cli.shell import Shell, json_option, plain, show, show_json


@click.group()
def registration() -> None:
    """Registrations of phones."""


@registration.command("list")
@click.option("--phone", "phone_id", metavar="PHONE", help="Only those of this phone.")
@json_option
@click.pass_obj
def list_(shell: Shell, phone_id: str | None, as_json: bool) -> None:
    """List the contacts that phones have registered and that have not expired, as of a second ago."""
    from sipguard.store import contact as store

    now_ms = time.time_ns() // 1_000_000
    listed = [
        one
        for one in shell.read(store.listed)
        if one.contact.expires_ms > now_ms and phone_id in (None, one.phone_id)
    ]
    if as_json:
        show_json(
            [
                {
                    "phone_id": phone,
                    "contact": contact.uri,
                    "q": contact.q / 1000,
                    "expires_ms": contact.expires_ms,
                    "registered_ms": contact.registered_ms,
                    "source": f"{contact.host}:{contact.port}",
                    "transport": contact.transport,
                    "path": contact.path,
                    "instance": contact.instance,
                    "reg_id": contact.reg_id,
                    "user_agent": contact.user_agent,
                }
                for phone, contact in listed
            ]
        )
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for title in ("Phone", "Contact", "From", "Left", "q", "User agent"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("Left", "q") else "left")
    for phone, contact in listed:
        table.add_row(
            plain(phone),
            plain(contact.uri),
            f"{contact.transport} {contact.host}:{contact.port}",
            f"{(contact.expires_ms - now_ms) // 1000} s",
            f"{contact.q / 1000:g}",
            plain(contact.user_agent),
        )
    show(table)
