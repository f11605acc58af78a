"""The configuration file: what it may hold, and what is said about what it may not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sipguard.config import Config, ConfigError, Listener, effective, keys, load

SHIPPED = Path(__file__).parents[1] / "config" / "sipguard.toml"

LISTEN = '[[sip.listen]]\nhost = "127.0.0.1"\n'
REST = '[database]\npath = "a.db"\n[control]\nsocket = "a.sock"\n'
MINIMAL = LISTEN + REST


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sipguard.toml"


def test_the_shipped_file_loads_as_it_stands() -> None:
    config = load(SHIPPED)
    assert config.sip.listen == (Listener(host="127.0.0.1", port=5060),)
    assert config.database.path == SHIPPED.parents[1] / "var" / "sipguard.db"


def test_the_shipped_file_shows_every_key_and_no_other(file: Path) -> None:
    # "#key = value" is a key that is commented out; prose has a space behind its "#".
    text = re.sub(r"^#(?=[a-z_]+ = )", "", SHIPPED.read_text(), flags=re.MULTILINE)
    file.write_text(text)
    load(file)
    assert set(_shown(tomllib.loads(text))) == {key for key, _ in keys() if not key.endswith("[]")}


def test_the_shipped_file_shows_the_defaults(file: Path) -> None:
    file.write_text(MINIMAL)
    shipped, defaults = load(SHIPPED), load(file)
    assert (shipped.calls, shipped.emergency, shipped.numbers, shipped.log) == (
        defaults.calls,
        defaults.emergency,
        defaults.numbers,
        defaults.log,
    )
    assert shipped.sip == defaults.sip
    assert shipped.database.commit_window_ms == defaults.database.commit_window_ms


def test_every_key_in_the_shipped_file_has_a_comment_above_it() -> None:
    lines = SHIPPED.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[a-z_]+ = ", line):
            assert lines[number - 1].startswith("#"), f"line {number + 1}: {line}"


def test_paths_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(MINIMAL.replace('"a.db"', '"../x/a.db"').replace('"a.sock"', '"/run/a.sock"'))
    monkeypatch.chdir("/")
    config = load(file)
    assert config.database.path == file.parents[1] / "x" / "a.db"
    assert config.control.socket == Path("/run/a.sock")


def test_a_wildcard_host_may_advertise_an_address_or_a_name(file: Path) -> None:
    for advertised in ("192.0.2.1", "2001:db8::1", "sip.example.net"):
        file.write_text(f'[[sip.listen]]\nhost = "::"\nadvertise_host = "{advertised}"\n{REST}')
        assert load(file).sip.listen[0].advertise_host == advertised


def test_what_is_in_force_names_every_key(file: Path) -> None:
    file.write_text(MINIMAL)
    told = {key for key, _ in keys() if not key.endswith("[]")}
    # There are no domains, so they have no keys.
    assert set(_shown(effective(load(file)))) == {key for key in told if ".domains[]." not in key}


A_PORT = "expected a port from 1 to 65535"
LONG = "x" * 108

# What the file says, the key that is complained about, and what is said.
BAD: list[tuple[str, str | None, str]] = [
    # The file as a whole.
    ("[sip\n", None, "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"),
    (MINIMAL + "[log]\nlevel = loud\n", None, "not valid TOML: Invalid value (at line 8, column 9)"),
    (MINIMAL + '[sip]\nserver_name = "a"\n[sip]\n', None, "not valid TOML: Cannot declare ('sip',) twice"),
    # Missing.
    ("", "sip", "missing, expected a [sip] table"),
    (REST + "[sip]\n", "sip.listen", "missing, expected at least one [[sip.listen]] table"),
    (
        REST + "[sip]\nlisten = []\n",
        "sip.listen",
        "found an empty array, expected at least one [[sip.listen]]",
    ),
    (REST + "[[sip.listen]]\nport = 5060\n", "sip.listen[0].host", "missing, expected an IP address"),
    (LISTEN + '[control]\nsocket = "a"\n', "database", "missing, expected a [database] table"),
    (MINIMAL.replace("path", "#"), "database.path", "missing, expected the path of the database file"),
    # Unknown.
    (MINIMAL + "[loging]\n", "loging", "unknown key, did you mean log?"),
    (LISTEN + "prot = 5060\n" + REST, "sip.listen[0].prot", "unknown key, did you mean port?"),
    (MINIMAL + "[calls]\nlevel = 1\n", "calls.level", "unknown key here, did you mean log.level?"),
    (MINIMAL + "[calls]\ncolour = 1\n", "calls.colour", "expected one of slice_seconds, free_levels, drain"),
    (MINIMAL + '[log]\n"a\\nb" = 1\n', 'log."a\\nb"', "unknown key, expected one of level, format"),
    (
        MINIMAL + "[colour]\n",
        "colour",
        "expected one of sip, database, control, calls, cdr, stats, series, alerts, emergency, dns,"
        " gateways, numbers, auth, registrar, trace,",
    ),
    # Certificates by name.
    (
        LISTEN + 'domains = [{ names = ["a b"], certificate = "a", key = "b" }]\n' + REST,
        "sip.listen[0].domains[0].names[0]",
        'found "a b", expected a host name',
    ),
    (
        LISTEN + 'domains = [{ names = ["a.example", "A.example"], certificate = "a", key = "b" }]\n' + REST,
        "sip.listen[0].domains",
        'found "a.example", expected each name once',
    ),
    # Of another type.
    ('sip = "x"\n' + REST, "sip", 'found "x", expected a [sip] table'),
    (REST + "[sip]\nlisten = [7]\n", "sip.listen[0]", "found 7, expected a table"),
    (LISTEN + 'port = "5060"\n' + REST, "sip.listen[0].port", f'found "5060", {A_PORT}'),
    (LISTEN + "port = 5060.5\n" + REST, "sip.listen[0].port", f"found 5060.5, {A_PORT}"),
    (LISTEN + "port = true\n" + REST, "sip.listen[0].port", f"found true, {A_PORT}"),
    (
        LISTEN + "advertise_port = []\n" + REST,
        "sip.listen[0].advertise_port",
        f"found an empty array, {A_PORT}",
    ),
    (MINIMAL.replace('"a.db"', "1"), "database.path", "found 1, expected the path"),
    (MINIMAL + "[calls]\nfree_levels = 0\n", "calls.free_levels", "found 0, expected true or false"),
    (
        MINIMAL + "[emergency]\nnumbers = [999]\n",
        "emergency.numbers[0]",
        "found 999, expected 2 to 32 digits",
    ),
    (MINIMAL + '[emergency]\ngateways = "a"\n', "emergency.gateways", 'found "a", expected an array'),
    # Out of range.
    (LISTEN + "port = 0\n" + REST, "sip.listen[0].port", f"found 0, {A_PORT}"),
    (LISTEN + LISTEN + "port = 65536\n" + REST, "sip.listen[1].port", f"found 65536, {A_PORT}"),
    (MINIMAL + "[calls]\nslice_seconds = 0\n", "calls.slice_seconds", "found 0, expected whole seconds"),
    (MINIMAL + "[calls]\ndrain_seconds = -1\n", "calls.drain_seconds", "found -1, expected seconds from 0"),
    (MINIMAL + "[calls]\ndrain_seconds = nan\n", "calls.drain_seconds", "found nan, expected seconds from 0"),
    (MINIMAL + '[log]\nlevel = "loud"\n', "log.level", 'found "loud", expected "debug", "info", "warning"'),
    (MINIMAL.replace('"a.db"', '""'), "database.path", 'found "", expected the path'),
    (MINIMAL.replace('"a.db"', '"a\\u0000b"'), "database.path", "expected the path"),
    (MINIMAL.replace('"a.sock"', f'"/{LONG}"'), "control.socket", "at most 107 bytes (this one has 109)"),
    (f'[sip]\nserver_name = "a b"\n{MINIMAL}', "sip.server_name", "without spaces"),
    (f'[sip]\nserver_name = "a\\r\\nX: y"\n{MINIMAL}', "sip.server_name", "without spaces"),
    (MINIMAL + '[emergency]\nnumbers = ["112", "9 9"]\n', "emergency.numbers[1]", 'found "9 9", expected'),
    # Not fit for what it is for.
    (MINIMAL.replace("127.0.0.1", "localhost"), "sip.listen[0].host", 'found "localhost", expected an IP'),
    (MINIMAL.replace("127.0.0.1", "[::1]"), "sip.listen[0].host", 'found "[::1]", expected an IP address'),
    (MINIMAL.replace("127.0.0.1", "127.0.0.1:5060"), "sip.listen[0].host", "expected an IP address"),
    (
        MINIMAL.replace("127.0.0.1", "0.0.0.0"),
        "sip.listen[0].advertise_host",
        "missing, expected the address",
    ),
    (
        LISTEN + 'advertise_host = "0.0.0.0"\n' + REST,
        "sip.listen[0].advertise_host",
        "expected an address that peers can send to",
    ),
    (
        LISTEN + 'advertise_host = "a b"\n' + REST,
        "sip.listen[0].advertise_host",
        'found "a b", expected an IP address or host name',
    ),
    (LISTEN + LISTEN + REST, "sip.listen[1]", "expected an address other than that of listen[0]"),
    (MINIMAL + '[stats]\nhost = "0.0.0.0"\nport = 1\n', "stats.token", 'found "", expected a token, because'),
    (MINIMAL + '[stats]\nhost = "localhost"\n', "stats.host", 'found "localhost", expected an IP address'),
    (MINIMAL + '[series]\ndestinations = ["+44"]\n', "series.destinations[0]", "expected 1 to 7 digits"),
    (
        MINIMAL + '[alerts.webhook]\nurls = ["ftp://a"]\n',
        "alerts.webhook.urls[0]",
        "expected a URL with http",
    ),
    (MINIMAL + '[alerts.webhook]\nurls = ["http://u:p@a"]\n', "alerts.webhook.urls[0]", "without a user"),
    (MINIMAL + '[alerts.webhook]\nurls = ["http://a"]\n', "alerts.webhook.secret", "expected 16 to 256"),
    (MINIMAL + '[alerts]\nbalance_low = "-1"\n', "alerts.balance_low", "expected an amount such as"),
    (MINIMAL + '[emergency]\nnumbers = ["999"]\n', "emergency.gateways", "expected at least one gateway id"),
]


@pytest.mark.parametrize(("text", "key", "said"), BAD)
def test_an_error_names_the_file_the_key_and_what_was_expected(
    text: str, key: str | None, said: str, file: Path
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.key == key
    message = str(caught.value)
    assert message.startswith(f"{file}: {key}: " if key else f"{file}: ")
    assert said in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_in_another_encoding(file: Path) -> None:
    file.write_bytes(MINIMAL.encode() + "# größer\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 7 is not UTF-8"):
        load(file)


def test_values_made_by_hand_are_checked_too() -> None:
    with pytest.raises(ValueError, match='host: found "nowhere", expected an IP address'):
        Listener(host="nowhere")


def _shown(values: dict[str, object], prefix: str = "") -> list[str]:
    """Every key of a nested document, as `keys` lists them."""
    found = []
    for name, value in values.items():
        found.append(prefix + name)
        if isinstance(value, dict):
            found += _shown(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            found += _shown(value[0], f"{prefix}{name}[].")
    return found


def test_config_is_frozen(file: Path) -> None:
    file.write_text(MINIMAL)
    config: Config = load(file)
    with pytest.raises(AttributeError, match="immutable"):
        config.log.level = "debug"  # type: ignore[misc]
