"""What is shipped for Prometheus, Grafana and systemd names what there is, and can be read by them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sipguard.config import load
from sipguard.watch.metrics import COUNTERS, GAUGES, Exposition, Snapshot

CONFIG = Path(__file__).parents[1] / "config"
DASHBOARD = CONFIG / "grafana" / "sipguard.json"
RULES = CONFIG / "prometheus" / "sipguard.rules.yml"
UNITS = sorted((CONFIG / "systemd").glob("*.service"))

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)

PROCESS = {"process_cpu_seconds", "process_resident_memory_bytes", "up"}
"""Of Prometheus itself, and of its client library."""


def metrics() -> dict[str, set[str]]:
    """Every metric that /metrics may tell, without _total, with its labels."""
    snapshot = Snapshot(
        gauges=dict.fromkeys(GAUGES, 0),
        counters=dict.fromkeys(COUNTERS, 0),
        calls={"live": 0},
        outcomes={"answered": 0},
        refusals={"no_rate": 0},
        cuts={"operator": 0},
        statuses={200: 0},
        durations=(0,) * 12,
        duration_ms=0,
        pdds=(0,) * 11,
        pdd_ms=0,
        charges={"USD": 0},
        costs={"USD": 0},
        logins={"wrong": 0},
        notices={},
        alerts={"capacity": 0},
        gateways=(),
        gateway_counts={},
        disks={"redo": CONFIG},
    )
    text = Exposition().render(snapshot).decode()
    found = {
        name.removesuffix("_total"): {"instance", "job"} for name in re.findall(r"^# TYPE (\w+)", text, re.M)
    }
    for name, labels in re.findall(r"^(\w+)\{([^}]*)\}", text, re.M):
        found[_family(name)] |= set(re.findall(r"(\w+)=", labels))
    for name in found:
        if name.startswith("sipguard_gateway_"):
            found[name] |= {"kind", "gateway"} | ({"outcome"} if name.endswith("seizures") else set())
    return found


def _family(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


def named(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Metrics of an expression with the labels that they are chosen by."""
    for name, _, labels in re.findall(r"\b((?:sipguard|process)_\w+|up)\b(\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", labels))


def check(expression: str, known: dict[str, set[str]]) -> None:
    for name, labels in named(expression):
        family = _family(name)
        if family in PROCESS:
            continue
        assert family in known, f"{name} is no metric: {expression}"
        assert labels <= known[family], f"{name} has no label {labels - known[family]}: {expression}"


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_every_query_of_the_dashboard_names_a_metric_and_labels_that_there_are() -> None:
    known = metrics()
    assert panels()
    for panel in panels():
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert list(named(target["expr"])), target
            check(target["expr"], known)
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                names = [_family(name) for name, _ in named(target["expr"])]
                assert any(label in known[name] for name in names), f"{panel['title']}: {label}"


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_a_query_of_something_else_is_found() -> None:
    with pytest.raises(AssertionError, match="is no metric"):
        check("rate(sipguard_call_total[1m])", metrics())
    with pytest.raises(AssertionError, match="has no label"):
        check('sipguard_calls{account="x"}', metrics())


def test_every_rule_names_metrics_that_there_are() -> None:
    known = metrics()
    text = re.sub(r"sipguard:\w+(:\w+)?", "", RULES.read_text())
    expressions = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", text)
    assert len(expressions) == text.count("expr:")
    for block, line in expressions:
        check(block or line, known)


@needs_promtool
def test_promtool_reads_the_configuration_and_the_rules_do_what_they_say() -> None:
    for arguments in (
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "sipguard.rules.test.yml"),
    ):
        done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """As rules, which promtool parses."""
    rules = [
        {"record": f"q:{number}", "expr": re.sub(r"\$__rate_interval", "1m", target["expr"])}
        for number, target in enumerate(target for panel in panels() for target in panel["targets"])
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))  # JSON is YAML
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_the_units_and_finds_them_hardened(unit: Path, tmp_path: Path) -> None:
    # A program that there is, in place of the one that is not installed here.
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/usr/bin/sipguard", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if unit.name in line]
    assert told == []
    offline = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(copy)]
    done = subprocess.run(offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_configuration_of_the_image_can_be_used() -> None:
    config = load(CONFIG / "docker" / "sipguard.toml")
    dockerfile = (CONFIG / "docker" / "Dockerfile").read_text()
    assert f"127.0.0.1:{config.stats.port}/healthz" in dockerfile
    for path in (config.database.path.parent, config.control.socket.parent):
        assert f" {path}" in dockerfile, f"{path} is made for the user that it runs as"
