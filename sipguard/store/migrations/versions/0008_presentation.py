"""What gateways are shown of the caller, and of the way to it; which numbers a trunk may present."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = (
    ("routing_gateway", "trusted", "INTEGER NOT NULL DEFAULT 0 CHECK (trusted IN (0, 1))"),
    ("routing_gateway", "hides_topology", "INTEGER NOT NULL DEFAULT 0 CHECK (hides_topology IN (0, 1))"),
    ("routing_gateway", "hides_call_id", "INTEGER NOT NULL DEFAULT 0 CHECK (hides_call_id IN (0, 1))"),
    (
        "routing_gateway",
        "caller_format",
        "TEXT NOT NULL DEFAULT 'as_received'"
        " CHECK (caller_format IN ('as_received', 'e164', 'digits', 'national'))",
    ),
    (
        "routing_gateway",
        "asserts",
        "TEXT NOT NULL DEFAULT 'passed' CHECK (asserts IN ('passed', 'pai', 'rpid'))",
    ),
    ("routing_gateway", "country_code", "TEXT CHECK (country_code NOT GLOB '*[^0-9]*')"),
    (
        "routing_gateway",
        "national_prefix",
        "TEXT NOT NULL DEFAULT '' CHECK (national_prefix NOT GLOB '*[^0-9]*')",
    ),
    (
        "routing_gateway",
        "international_prefix",
        "TEXT NOT NULL DEFAULT '00' CHECK (international_prefix NOT GLOB '*[^0-9]*')",
    ),
    ("mapping_gateway", "caller_number", "TEXT CHECK (caller_number NOT GLOB '*[^0-9]*')"),
    (
        "mapping_gateway",
        "caller_prefixes",
        "TEXT CHECK (caller_prefixes IS NULL OR json_valid(caller_prefixes))",
    ),
)


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def downgrade() -> None:
    for table, name, _ in COLUMNS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
