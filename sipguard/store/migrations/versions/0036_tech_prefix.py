"""Tech prefixes: a source may be several mapping gateways', if tech prefixes tell them apart.

Of the gateways of one network no two have a prefix in common, and one at most has none: triggers hold it, as
the primary key of `network` alone did.
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_OLD = """CREATE TABLE mapping_gateway_source_new (
    network TEXT PRIMARY KEY,
    gateway_key INTEGER NOT NULL REFERENCES mapping_gateway (key)
) STRICT, WITHOUT ROWID"""
_NEW = """CREATE TABLE mapping_gateway_source_new (
    network TEXT NOT NULL,
    gateway_key INTEGER NOT NULL REFERENCES mapping_gateway (key),
    PRIMARY KEY (network, gateway_key)
) STRICT, WITHOUT ROWID"""
_INDEX = "CREATE INDEX mapping_gateway_source_gateway ON mapping_gateway_source (gateway_key)"

# What one gateway dials could be another's: both have no prefix, or one that is the same.
_ALIKE = """(json_array_length({0}) = 0 AND json_array_length({1}) = 0
    OR EXISTS (SELECT 1 FROM json_each({0}) one JOIN json_each({1}) other ON one.value = other.value))"""
_MESSAGE = "a source is two mapping gateways'', and no tech prefix tells them apart"
_SOURCE_IS_ALIKE = """EXISTS (
    SELECT 1 FROM mapping_gateway_source held
    JOIN mapping_gateway theirs ON theirs.key = held.gateway_key
    JOIN mapping_gateway mine ON mine.key = NEW.gateway_key
    WHERE held.network = NEW.network AND held.gateway_key <> NEW.gateway_key AND {0})"""
_PREFIX_IS_ALIKE = """EXISTS (
    SELECT 1 FROM mapping_gateway_source mine
    JOIN mapping_gateway_source held ON held.network = mine.network AND held.gateway_key <> NEW.key
    JOIN mapping_gateway theirs ON theirs.key = held.gateway_key
    WHERE mine.gateway_key = NEW.key AND {0})"""


def upgrade() -> None:
    op.execute(
        "ALTER TABLE mapping_gateway ADD COLUMN tech_prefixes TEXT NOT NULL DEFAULT '[]'"
        " CHECK (json_valid(tech_prefixes) AND json_type(tech_prefixes) = 'array')"
    )
    _rebuild(_NEW)
    op.execute(_INDEX)
    source = _SOURCE_IS_ALIKE.format(_ALIKE.format("mine.tech_prefixes", "theirs.tech_prefixes"))
    prefix = _PREFIX_IS_ALIKE.format(_ALIKE.format("NEW.tech_prefixes", "theirs.tech_prefixes"))
    for name, when, alike in (
        ("source_insert", "INSERT ON mapping_gateway_source", source),
        ("source_update", "UPDATE ON mapping_gateway_source", source),
        ("prefix", "UPDATE OF tech_prefixes ON mapping_gateway", prefix),
    ):
        op.execute(
            f"CREATE TRIGGER mapping_gateway_{name}_is_one_s BEFORE {when} WHEN {alike}"
            f" BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
        )


def downgrade() -> None:
    """Fails where a source is several gateways'."""
    op.execute("DROP TRIGGER mapping_gateway_prefix_is_one_s")
    _rebuild(_OLD)
    op.execute("ALTER TABLE mapping_gateway DROP COLUMN tech_prefixes")


def _rebuild(create: str) -> None:
    """The table with another primary key; the triggers that feed its changes as they were."""
    triggers = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'mapping_gateway_source'"
        " AND name LIKE '%_is_fed'"
    )
    fed = [row[0] for row in triggers]
    op.execute(create)
    op.execute(
        "INSERT INTO mapping_gateway_source_new SELECT network, gateway_key FROM mapping_gateway_source"
    )
    op.execute("DROP TABLE mapping_gateway_source")
    op.execute("ALTER TABLE mapping_gateway_source_new RENAME TO mapping_gateway_source")
    for sql in fed:
        op.get_bind().exec_driver_sql(sql)
