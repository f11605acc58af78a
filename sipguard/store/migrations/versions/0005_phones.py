"""Phones, and credentials for them and for mapping gateways that are known by a password."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Hexadecimal digits of the length of each hash.
TABLES = (
    """
CREATE TABLE phone (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    account_key INTEGER NOT NULL REFERENCES account (key),
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    call_limit INTEGER CHECK (call_limit >= 0),
    cps_limit INTEGER CHECK (cps_limit >= 0),
    contact_limit INTEGER NOT NULL CHECK (contact_limit >= 1),
    caller_check TEXT NOT NULL CHECK (caller_check IN ('force', 'refuse')),
    country_code TEXT CHECK (country_code NOT GLOB '*[^0-9]*'),
    national_prefix TEXT CHECK (national_prefix NOT GLOB '*[^0-9]*'),
    international_prefixes TEXT NOT NULL CHECK (json_valid(international_prefixes))
) STRICT
""",
    """
CREATE TABLE phone_number (
    number TEXT NOT NULL PRIMARY KEY CHECK (length(number) BETWEEN 1 AND 18 AND number NOT GLOB '*[^0-9]*'),
    phone_key INTEGER NOT NULL REFERENCES phone (key),
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT
""",
    """
CREATE TABLE phone_source (
    phone_key INTEGER NOT NULL REFERENCES phone (key),
    network TEXT NOT NULL CHECK (network <> ''),
    PRIMARY KEY (phone_key, network)
) STRICT
""",
    """
CREATE TABLE credential (
    username TEXT NOT NULL PRIMARY KEY CHECK (username <> ''),
    realm TEXT NOT NULL CHECK (realm <> ''),
    ha1_md5 TEXT NOT NULL CHECK (length(ha1_md5) = 32 AND ha1_md5 NOT GLOB '*[^0-9a-f]*'),
    ha1_sha256 TEXT NOT NULL CHECK (length(ha1_sha256) = 64 AND ha1_sha256 NOT GLOB '*[^0-9a-f]*'),
    ha1_sha512_256 TEXT NOT NULL
        CHECK (length(ha1_sha512_256) = 64 AND ha1_sha512_256 NOT GLOB '*[^0-9a-f]*'),
    phone_key INTEGER REFERENCES phone (key),
    mapping_gateway_key INTEGER REFERENCES mapping_gateway (key),
    CHECK ((phone_key IS NULL) <> (mapping_gateway_key IS NULL))
) STRICT
""",
    """
CREATE TABLE secret (
    name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    value BLOB NOT NULL
) STRICT
""",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("secret", "credential", "phone_source", "phone_number", "phone"):
        op.execute(f"DROP TABLE {table}")
