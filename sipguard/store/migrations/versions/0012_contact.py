"""Contacts: where phones have registered."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE contact (
    phone_key INTEGER NOT NULL REFERENCES phone (key),
    key TEXT NOT NULL CHECK (key <> ''),
    uri TEXT NOT NULL CHECK (uri <> ''),
    q INTEGER NOT NULL CHECK (q BETWEEN 0 AND 1000),
    expires_ms INTEGER NOT NULL,
    sip_call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL CHECK (cseq >= 0),
    instance TEXT NOT NULL,
    reg_id INTEGER CHECK (reg_id >= 1),
    path TEXT NOT NULL CHECK (json_valid(path)),
    host TEXT NOT NULL,
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    listener INTEGER NOT NULL CHECK (listener >= 0),
    transport TEXT NOT NULL CHECK (transport IN ('udp', 'tcp', 'tls')),
    user_agent TEXT NOT NULL,
    registered_ms INTEGER NOT NULL,
    PRIMARY KEY (phone_key, key)
) STRICT
"""
    )


def downgrade() -> None:
    op.execute("DROP TABLE contact")
