"""The order in which the pages say gateways are tried is the one in which the proxy tries them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from sipguard.model.gateway import Route, RouteMode
from sipguard.model.verdict import Permit
from tests.policy.world import LONDON, World, gateway_ids, route, routing_gateway

LIBRARY = Path(__file__).resolve().parents[2] / "sipguard" / "web" / "ui" / "lib" / "routes.js"
CASES, GATEWAYS = 300, 6
PROGRAM = """
import(process.argv[1]).then(({ routesFor }) => {
  const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const told = cases.map(({ gateways, number }) => routesFor(gateways, number));
  const ids = (rows) => rows.filter((row) => !row.skipped).map((row) => row.gateway.id);
  console.log(JSON.stringify(told.map(ids)));
});
"""


def case(chance: random.Random) -> tuple[World, list[Route]]:
    """Some gateways, some locked; routes of fitting and other prefixes, no two of equal rank."""
    keys = range(1, GATEWAYS + 1)
    ranks = random.Random(chance.random()).sample(range(1, 100), 12)
    routes = [
        route(
            key,
            chance.choice(keys),
            chance.choice(["", "4", "44", "4420", "442079", "33", "4433"]),
            priority=rank,
            mode=chance.choice(list(RouteMode)),
        )
        for key, rank in enumerate(ranks, 1)
    ]
    gateways = [routing_gateway(key, locked=chance.random() < 0.2) for key in keys]
    return World(gateways=gateways, routes=routes), routes


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_pages_and_the_proxy_agree() -> None:
    chance = random.Random(7)
    worlds = [case(chance) for _ in range(CASES)]
    asked = [
        {
            "number": LONDON,
            "gateways": [
                {
                    "id": gateway.id,
                    "locked": gateway.locked,
                    "capacity": gateway.capacity,
                    "routes": [
                        {"prefix": one.prefix, "priority": one.priority, "weight": 1, "mode": one.mode.value}
                        for one in routes
                        if one.gateway_key == gateway.key
                    ],
                }
                for gateway in world.gateways
            ],
        }
        for world, routes in worlds
    ]
    command = ["node", "-e", PROGRAM, str(LIBRARY)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    verdicts = [world.judge(LONDON) for world, _ in worlds]
    expected = [gateway_ids(verdict) if isinstance(verdict, Permit) else [] for verdict in verdicts]
    assert told == expected
    assert sum(len(one) > 1 for one in told) > CASES / 10
