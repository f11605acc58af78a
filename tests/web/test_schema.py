"""Every route under schemathesis: no failure inside, no answer that the OpenAPI document does not tell of.

SCHEMA_EXAMPLES=200 (`make api-fuzz`) sends as many requests to each route; a few are sent in `make test`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sipguard.web.connection import Connection
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
def served(cheap_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A world behind a real socket."""
    with world(tmp_path_factory.mktemp("world")) as made, socket.create_server(("127.0.0.1", 0)) as listener:
        options = uvicorn.Config(
            made.client.app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield made, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def test_no_route_answers_what_is_not_documented(served: tuple[World, str]) -> None:
    made, url = served
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
