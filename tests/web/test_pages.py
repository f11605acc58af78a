"""The files of the pages: what is served, and what a browser is allowed to do with it."""

from __future__ import annotations

import re

import pytest

from sipguard.web import pages
from tests.web.conftest import Web

HTML = (pages.FOLDER / "index.html").read_text()
SCRIPTS = [path for path in pages.FOLDER.rglob("*.js") if "vendor" not in path.parts]


def test_every_address_of_a_page_is_answered_with_the_frame(web: Web) -> None:
    for path in ("/", "/overview", "/accounts/north/settings"):
        answer = web.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert answer.text == HTML


@pytest.mark.parametrize("path", ["/ui/%2e%2e/app.py", "/ui/", "/ui/nothing.js", "/api/v1/nothing"])
def test_nothing_else_is_served(web: Web, path: str) -> None:
    assert web.client.get(path).status_code == 404


def test_a_file_that_has_not_changed_is_not_sent_again(web: Web) -> None:
    first = web.client.get("/ui/app.js")
    assert first.headers["content-encoding"] == "gzip"
    again = web.client.get("/ui/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_the_pages_hold_nothing_that_their_policy_forbids() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", HTML)
    assert SCRIPTS
    for path in SCRIPTS:
        text = path.read_text()
        assert not re.search(r"\beval\(|new Function\(|innerHTML|dangerouslySetInnerHTML|\sstyle=", text), (
            path
        )


def test_every_module_that_is_named_is_there() -> None:
    for path in SCRIPTS:
        for name in re.findall(r'(?:from |import\()"([./][^"]+)"', path.read_text()):
            found = pages.FOLDER / name.removeprefix("/ui/") if name.startswith("/") else path.parent / name
            assert found.exists(), f"{path.name}: {name}"
