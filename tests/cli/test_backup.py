"""backup and restore: what was is again, nothing is lost, and no log of another life is applied."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sipguard.store import lock
from tests.cli.conftest import Installation


def rename(site: Installation, name: str) -> None:
    with closing(sqlite3.connect(site.database)) as file, file:
        file.execute("UPDATE account SET name = ? WHERE id = 'Customer-001'", [name])


def name_of(site: Installation) -> str:
    with closing(sqlite3.connect(site.database)) as file:
        found: str = file.execute("SELECT name FROM account WHERE id = 'Customer-001'").fetchone()[0]
        return found


def test_what_was_is_again(installed: Installation, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    rename(installed, "before")
    assert "everything adds up" in installed.says("backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.glob("copy.db?*")] == [], "one file, nothing beside it"
    rename(installed, "after")
    installed.says("restore", str(copy))
    assert name_of(installed) == "before"
    assert installed.run("ledger", "verify").exit_code == 0
    (kept,) = installed.database.parent.glob("*.before-restore-1")
    with closing(sqlite3.connect(kept)) as file:
        assert file.execute("SELECT count(*) FROM account WHERE name = 'after'").fetchone() == (1,)
    with closing(sqlite3.connect(copy)) as one, closing(sqlite3.connect(installed.database)) as other:
        ids = [file.execute("SELECT log_id FROM redo_position").fetchone() for file in (one, other)]
    with closing(sqlite3.connect(kept)) as file:
        ids.append(file.execute("SELECT log_id FROM redo_position").fetchone())
    assert len(set(ids)) == 3, "a log of one is never taken for that of another"


def test_a_backup_is_not_written_over_anything(installed: Installation, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("keep")
    assert installed.run("backup", str(file)).exit_code == 3
    assert file.read_text() == "keep"


def test_what_is_no_backup_is_not_restored(installed: Installation, tmp_path: Path) -> None:
    rename(installed, "before")
    for content in (b"", b"not a database", b"SQLite format 3\0" + b"\0" * 5_000):
        file = tmp_path / "bad"
        file.write_bytes(content)
        assert installed.run("restore", str(file)).exit_code == 3
    copy = tmp_path / "copy.db"
    installed.says("backup", str(copy))
    with closing(sqlite3.connect(copy)) as opened, opened:
        opened.execute("UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE key = 1")
    assert installed.run("restore", str(copy)).exit_code == 1
    assert name_of(installed) == "before"


def test_nothing_is_restored_under_a_running_daemon(installed: Installation, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    installed.says("backup", str(copy))
    with lock.alone(installed.database):
        assert installed.run("restore", str(copy)).exit_code == 3
