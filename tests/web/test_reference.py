"""The reference of the API is one page that needs nothing from elsewhere."""

from __future__ import annotations

import re

from tests.web.conftest import Web


def test_every_route_and_form_is_in_the_reference_and_nothing_comes_from_elsewhere(web: Web) -> None:
    answer = web.client.get("/api/docs")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    document = web.client.get("/api/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}</code>" in answer.text
    links = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert links <= set(re.findall(r'id="([^"]+)"', answer.text)), "every link leads somewhere"
    assert "<script" not in answer.text
    assert not re.search(r'(?:href|src)="(?:https?:)?//', answer.text)
