"""What all commands share: help, exit codes, plain words, a quick start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sipguard
from sipguard.cli import main
from tests.cli.conftest import Installation

READING = [
    ("account", "list"),
    ("balance", "Customer-001"),
    ("cdr", "list"),
    ("cdr", "show", "1"),
    ("ledger", "verify"),
]


def test_every_command_is_listed_with_a_sentence(bare: Installation) -> None:
    text = bare.says("--help")
    for name, command in main.commands.items():
        assert f"  {name}  " in text
        assert command.help
    assert "Exit codes:" in text


def test_help_needs_no_configuration(tmp_path: Path, bare: Installation) -> None:
    bare.config.unlink()
    for command in main.commands:
        assert "Usage:" in bare.says(command, "--help")


def test_version(bare: Installation) -> None:
    assert bare.says("--version").split()[-1] == sipguard.__version__


def test_python_runs_the_package(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "sipguard", "--config", str(tmp_path / "none.toml"), "check-config"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"sipguard: {tmp_path}/none.toml: cannot be read: No such file or directory\n"


def test_a_start_imports_nothing_that_takes_long() -> None:
    slow = ["sqlalchemy", "alembic", "asyncio", "rich", "structlog", "uvloop", "sipguard._engine"]
    program = f"import sipguard.cli, sys; print(*(set({slow}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("arguments", [("nonsense",), ("cdr", "list", "--limit", "0"), ("balance",)])
def test_a_wrong_command_line(arguments: tuple[str, ...], bare: Installation) -> None:
    result = bare.run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("arguments", [("run",), ("status",), ("init",), ("check-config",), *READING])
def test_a_wrong_configuration(arguments: tuple[str, ...], bare: Installation) -> None:
    bare.config.write_text("[sip]\nlisten = 5060\n")
    expected = f"{bare.config}: sip.listen: found 5060, expected at least one [[sip.listen]] table"
    assert bare.refuses(*arguments) == (2, expected)


@pytest.mark.parametrize("arguments", [("run",), *READING])
def test_no_database(arguments: tuple[str, ...], bare: Installation) -> None:
    expected = f"{bare.database}: there is no database; make one with: sipguard init"
    assert bare.refuses(*arguments) == (3, expected)


@pytest.mark.parametrize("arguments", READING)
def test_a_file_that_is_no_database(arguments: tuple[str, ...], bare: Installation) -> None:
    bare.database.parent.mkdir()
    bare.database.write_text("no database " * 100)
    code, message = bare.refuses(*arguments)
    assert code == 3
    assert message.startswith(f"{bare.database}: ")


@pytest.mark.parametrize("arguments", READING[:-1])
def test_a_damaged_database(arguments: tuple[str, ...], installed: Installation) -> None:
    installed.execute("PRAGMA foreign_keys = OFF; DROP TABLE cdr; DROP TABLE account")
    code, message = installed.refuses(*arguments)
    assert code == 3
    assert message.startswith(f"{installed.database}: no such table: ")
