"""Logins, what they are known by (sessions, API keys), and how often somebody tried."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text

from sipguard.store.metadata import metadata

login = Table(
    "login",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("username", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("account_key", ForeignKey("account.key")),
    Column("password_hash", Text, nullable=False),
    Column("totp_secret", Text),
    Column("totp_last_step", Integer),
    Column("locked", Boolean, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("changed_ms", Integer, nullable=False),
    Column("totp_pending", Text),
)

login_attempt = Table(
    "login_attempt",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("username", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("network", Text, nullable=False),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("login_key", ForeignKey("login.key"), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
)

login_device = Table(
    "login_device",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("login_key", ForeignKey("login.key"), nullable=False),
    Column("seen_ms", Integer, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("login_key", ForeignKey("login.key"), nullable=False),
    Column("csrf_token", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("seen_ms", Integer, nullable=False),
    Column("expires_ms", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("login_key", ForeignKey("login.key"), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("expires_ms", Integer),
    Column("seen_ms", Integer),
    Column("nouns", JSON(none_as_null=True)),
)
