"""TLS: what the certificate of a routing gateway must be for, and by which a mapping gateway is known."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE routing_gateway ADD COLUMN tls_name TEXT CHECK (tls_name <> '')")
    op.execute(
        "ALTER TABLE routing_gateway ADD COLUMN tls_verify INTEGER NOT NULL DEFAULT 1"
        " CHECK (tls_verify IN (0, 1))"
    )
    op.execute(
        "CREATE TABLE mapping_gateway_certificate ("
        "name TEXT PRIMARY KEY CHECK (name <> ''),"
        " gateway_key INTEGER NOT NULL REFERENCES mapping_gateway (key)) STRICT, WITHOUT ROWID"
    )


def downgrade() -> None:
    op.execute("DROP TABLE mapping_gateway_certificate")
    for column in ("tls_verify", "tls_name"):
        op.execute(f"ALTER TABLE routing_gateway DROP COLUMN {column}")
