"""Every route under schemathesis: no failure inside, no answer that the OpenAPI document does not tell of.

SCHEMA_EXAMPLES=200 (`make api-fuzz`) sends as many requests to each route; a few are sent in `make test`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.served import served
from tests.web.world import Operation, World, world

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "3"))


def nothing_fails_inside(_context: object, response: schemathesis.Response, _case: object) -> None:
    """No 5xx, but for 503 where the proxy is asked: none runs here."""
    assert response.status_code < 500 or response.status_code == 503, response.text


CHECKS = (
    nothing_fails_inside,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
WHO = ("root", "t1-agent", "t1-customer")


@pytest.fixture(scope="module")
def site(cheap_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A world behind a real socket."""
    with world(tmp_path_factory.mktemp("world")) as made, served(made.client.app) as (host, port):
        yield made, f"http://{host}:{port}"


def test_no_route_answers_what_is_not_documented(site: tuple[World, str]) -> None:
    made, url = site
    document = schemathesis.openapi.from_dict(made.document)
    document.config.update(base_url=url)
    failed: list[str] = []
    tried = 0
    for result in document.get_all_operations():
        operation = result.ok()
        ours = next(
            one for one in made.operations if one.name == f"{operation.method.upper()} {operation.path}"
        )
        if ours.streams:
            continue
        tried += 1
        try:
            exercise(made, operation, ours)
        except BaseException as error:  # groups of failures, too: all routes are told of at once
            told = getattr(error, "exceptions", (error,))
            failed.append(f"{ours.name}: " + "; ".join(str(one)[:600] for one in told))
    assert not failed, "\n\n".join(failed)
    assert tried > 50


def exercise(made: World, operation: APIOperation, ours: Operation) -> None:
    """Requests to one route, by everybody. Raises what schemathesis complains of."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), who=st.sampled_from(WHO))
    def sends(case: schemathesis.Case, who: str) -> None:
        headers = {"Authorization": f"Bearer {made.keys[who]}"}
        if ours.is_personal:
            cookie, token = made.sessions[who]
            headers = {"Cookie": f"sipguard_session={cookie}", "X-CSRF-Token": token}
        case.call_and_validate(headers=headers, checks=[*CHECKS])

    sends()
