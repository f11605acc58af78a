"""Runs the migrations on the connection that store.database hands over, all of them in its transaction."""

from __future__ import annotations

from alembic import context

from sipguard.store.metadata import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
