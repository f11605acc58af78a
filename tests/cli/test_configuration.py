"""check-config."""

from __future__ import annotations

from pathlib import Path

from sipguard.config import effective, load
from tests.cli.conftest import Installation

SHIPPED = Path(__file__).parents[2] / "config" / "sipguard.toml"


def test_what_is_printed_is_a_configuration_again_and_means_the_same(bare: Installation) -> None:
    bare.config.write_text(
        SHIPPED.read_text()
        .replace("numbers = []", 'numbers = ["999", "112"]')
        .replace("gateways = []", 'gateways = ["A \\"B\\""]')
        + '[[sip.listen]]\nhost = "::"\nadvertise_host = "sip.example.net"\nadvertise_port = 5070\n'
    )
    before = effective(load(bare.config))
    printed = bare.says("check-config")
    assert printed.startswith(f"# {bare.config} is in order.")
    bare.config.write_text(printed)
    assert effective(load(bare.config)) == before


def test_it_opens_and_makes_nothing(bare: Installation) -> None:
    bare.says("check-config")
    assert [file.name for file in bare.config.parent.iterdir()] == ["sipguard.toml"]
