"""The change feed names the rows that have changed, whoever changes them: triggers write it.

A row of the feed that has `first` and `last` stands for all keys of its noun between them, both included.
What is named is to be read again; what is not there then is gone. Consecutive keys that change one after
the other share a row, which moves to the end of the feed each time: so a bulk load leaves a row for a
thousand. No wider, for who follows reads a row that has moved as a whole.

Of what belongs to something else (a source of a mapping gateway, a ledger account of an account) the owner is
named. Balances are no configuration: a call changes no row of the feed.

Who changes very many rates at once has a row in `feed_pause` for the length of the transaction, and names the
rate tables as `rates_of` instead.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0021"
branch_labels = None
depends_on = None

_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

FEED = (
    "ALTER TABLE change ADD COLUMN first INTEGER",
    "ALTER TABLE change ADD COLUMN last INTEGER CHECK ((first IS NULL) = (last IS NULL))",
    "CREATE TABLE feed_pause (noun TEXT PRIMARY KEY CHECK (noun = 'rate')) STRICT, WITHOUT ROWID",
)

# table, noun, column that names the row of the noun
FOLLOWED = (
    ("account", "account", "key"),
    ("section", "section", "account_key"),
    ("rate_table", "rate_table", "key"),
    ("rate", "rate", "key"),
    ("routing_gateway", "routing_gateway", "key"),
    ("route", "route", "key"),
    ("mapping_gateway", "mapping_gateway", "key"),
    ("mapping_gateway_source", "mapping_gateway", "gateway_key"),
    ("mapping_gateway_certificate", "mapping_gateway", "gateway_key"),
    ("mapping_gateway_route", "mapping_gateway", "gateway_key"),
    ("phone", "phone", "key"),
    ("phone_number", "phone", "phone_key"),
    ("phone_source", "phone", "phone_key"),
)
UNLESS_PAUSED = "WHEN NOT EXISTS (SELECT 1 FROM feed_pause)"

# table, columns that are unique, what else has to hold: INSERT OR REPLACE takes the row away that has them
# already, and by default tells no trigger of it.
REPLACED = (
    ("account", "id", "1"),
    ("rate_table", "id", "1"),
    ("rate", "table_key, prefix, days, from_minute, till_minute, valid_from", "removed_ms IS NULL"),
    ("phone", "id", "1"),
    ("phone_number", "number", "1"),
)

_OF_LEDGER = "OF key, kind, account_key, routing_gateway_key, currency"
_OWNERS = (
    # noun, condition, key
    ("account", "{0}.account_key IS NOT NULL", "{0}.account_key"),
    ("routing_gateway", "{0}.routing_gateway_key IS NOT NULL", "{0}.routing_gateway_key"),
    ("house", "{0}.account_key IS NULL AND {0}.routing_gateway_key IS NULL", "0"),
)
_ROWS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}


def upgrade() -> None:
    for statement in FEED:
        op.execute(statement)
    for table, noun, column in FOLLOWED:
        for action, rows in _ROWS.items():
            notes = "".join(
                _note(
                    noun,
                    action if column == "key" else "update",
                    f"{row}.{column}",
                    f"OLD.{column} <> NEW.{column}" if (action, row) == ("update", "OLD") else "1",
                )
                for row in rows
            )
            _trigger(table, action, f"ON {table} {UNLESS_PAUSED if table == 'rate' else ''}", notes)
    owners = {table: (noun, column) for table, noun, column in FOLLOWED}
    for table, unique, condition in REPLACED:
        noun, column = owners[table]
        new = ", ".join(f"NEW.{name}" for name in unique.split(", "))
        there = f"SELECT {column} FROM {table} WHERE ({unique}) = ({new}) AND {condition}"  # noqa: S608
        paused = " AND NOT EXISTS (SELECT 1 FROM feed_pause)" if table == "rate" else ""
        when = f"BEFORE INSERT ON {table} WHEN EXISTS ({there}){paused}"
        op.execute(
            f"CREATE TRIGGER {table}_replace_is_fed {when} BEGIN\n"
            f"{_note(noun, 'update', f'({there})', '1')}END"
        )
    for action, rows in _ROWS.items():
        notes = "".join(
            _note(noun, "update", key.format(row), condition.format(row))
            for row in rows
            for noun, condition, key in _OWNERS
        )
        _trigger(
            "ledger_account", action, f"{_OF_LEDGER if action == 'update' else ''} ON ledger_account", notes
        )
        # By their names: they have no other key that lasts.
        notes = "".join(
            f"INSERT INTO change (at_ms, noun, action, id)"
            f" SELECT {_NOW}, 'credential', '{action}', {row}.username"
            f"{' WHERE OLD.username <> NEW.username' if (action, row) == ('update', 'OLD') else ''};\n"
            for row in rows
        )
        _trigger("credential", action, "ON credential", notes)
    op.execute(
        "CREATE TRIGGER rate_stays_in_its_table BEFORE UPDATE ON rate"
        " WHEN NEW.key <> OLD.key OR NEW.table_key <> OLD.table_key"
        " BEGIN SELECT RAISE(ABORT, 'rate: a row never changes, it is removed and another one added'); END"
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")


def _trigger(table: str, action: str, on: str, statements: str) -> None:
    op.execute(f"CREATE TRIGGER {table}_{action}_is_fed AFTER {action.upper()} {on} BEGIN\n{statements}END")


def _note(noun: str, action: str, key: str, condition: str) -> str:
    """Name a row at the end of the feed. Within a trigger, changes() is of the statement before."""
    here = f"noun = '{noun}' AND {key} BETWEEN first - 1 AND last + 1 AND last - first < 1000"
    return (
        f"UPDATE change SET revision = revision + 1, at_ms = {_NOW},"  # noqa: S608
        f" first = min(first, {key}), last = max(last, {key}),"
        f" action = iif(action = '{action}', action, 'update'),"
        f" id = min(first, {key}) || iif(first = last AND {key} = first, '', '-' || max(last, {key}))"
        f" WHERE revision = (SELECT max(revision) FROM change) AND {here} AND {condition};\n"
        "INSERT INTO change (at_ms, noun, action, id, first, last)"
        f" SELECT {_NOW}, '{noun}', '{action}', {key}, {key}, {key} WHERE changes() = 0 AND {condition};\n"
    )
