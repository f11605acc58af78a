"""gateway list on the demo data, where no daemon runs."""

from __future__ import annotations

from tests.cli.conftest import Installation


def test_without_a_daemon_only_what_is_configured_is_known(installed: Installation) -> None:
    first, second = installed.json("gateway", "list")
    assert (first["id"], first["host"], first["port"], first["transport"]) == (
        "Vendor-A",
        "127.0.0.10",
        5060,
        "udp",
    )
    assert (second["id"], second["state"], second["why"], second["addresses"]) == ("Vendor-B", None, None, [])
    said = installed.says("gateway", "list")
    assert "127.0.0.11:5060 udp" in said
