"""The web pages: files of sipguard/web/ui, kept in memory, compressed once, under a strict content policy."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from sipguard.web.problem import ProblemError

FOLDER = Path(__file__).parent / "ui"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing evaluated, nothing from elsewhere (CSP Level 3)."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_COMPRESSED_FROM = 1_000
_MISSING = (
    "The libraries of the pages are not installed. In a source tree `make build` fetches them; "
    "the API under /api/v1 works without.\n"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def load(folder: Path = FOLDER) -> dict[str, File]:
    """Every file below `folder` that a browser may ask for, by its path there.

    They are looked up by name, so no path of a request ever reaches the file system.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            compressed = gzip.compress(content, 9, mtime=0)
            files[path.relative_to(folder).as_posix()] = File(content, compressed, _TYPES[path.suffix], etag)
    return files


def router() -> APIRouter:
    """Routes of the pages. Whatever is no file and not of the API is a page: scripts find out which."""
    routes = APIRouter(include_in_schema=False)
    files = load()
    installed = "vendor/preact.js" in files

    @routes.get("/ui/{name:path}")
    async def file(request: Request, name: str) -> Response:
        found = files.get(name)
        if found is None or name == "index.html":
            raise ProblemError(404, "there is no such file")
        return _answer(request, found)

    @routes.get("/{path:path}")
    async def page(request: Request, path: str) -> Response:
        if path.startswith("api/"):
            raise ProblemError(404, "there is nothing here")
        if not installed:
            return Response(_MISSING, 503, media_type="text/plain")
        return _answer(request, files["index.html"])

    return routes


def _answer(request: Request, file: File) -> Response:
    headers = {
        "Content-Security-Policy": CONTENT_POLICY,
        "Cache-Control": "no-cache",
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    small = len(file.content) >= _COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", "")
    if small:
        headers["Content-Encoding"] = "gzip"
    return Response(file.compressed if small else file.content, headers=headers, media_type=file.media_type)
