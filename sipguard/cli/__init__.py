"""The command line, one file per noun. What all commands share is in shell.py.

Whatever takes long to import (SQLAlchemy, the engine, rich) is imported inside the command that needs it, so
that every command starts as fast as it can.
"""

from __future__ import annotations

from pathlib import Path

import click

import sipguard
from sipguard.cli import (
    account,
    account_manage,
    alert,
    authorization,
    backup,
    call,
    card,
    cdr,
    configuration,
    credential,
    daemon,
    database,
    gateway,
    gateway_edit,
    ledger,
    login,
    network,
    payment,
    phone,
    rate,
    registration,
    section,
    stats,
    trace,
    vos3000,
    web,
)
from sipguard.cli.shell import Commands, Shell, default_config_file


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="SIPGUARD_CONFIG",
    help="Configuration file; else config/sipguard.toml, else /etc/sipguard/sipguard.toml.",
)
@click.version_option(sipguard.__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """Judge, forward, cut and charge SIP calls.

    \b
    Exit codes:
      0  done
      1  something was found that is wrong, or the daemon said no
      2  the command or the configuration cannot be used as given
      3  the daemon is not running, or the database is missing or unusable
    """
    context.obj = Shell(file or default_config_file())


for command in (
    daemon.run,
    daemon.status,
    database.init,
    backup.backup,
    backup.restore,
    configuration.check_config,
    network.config,
    vos3000.import_,
    account_manage.account,
    account.balance,
    authorization.authorization,
    authorization.template,
    authorization.approval,
    section.section,
    section.destination_set,
    section.audit,
    phone.phone,
    phone.range_,
    card.card,
    credential.credential,
    call.call,
    registration.registration,
    cdr.cdr,
    ledger.ledger,
    payment.payment,
    payment.statement,
    rate.rate,
    gateway.gateway,
    gateway_edit.trunk,
    stats.stats,
    alert.alert,
    trace.trace,
    login.login,
    web.web,
):
    main.add_command(command)
