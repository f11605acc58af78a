"""The migrations of the schema, run by Alembic; a file's name begins with the schema that it leads to."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(conn: Connection) -> None:
    """Bring the database of `conn` to the current schema, within its transaction."""
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def revisions() -> list[str]:
    """Every schema that the migrations lead to, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
