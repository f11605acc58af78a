"""The reference of the API as one page, made from the OpenAPI document: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

from sipguard.web.document import METHODS

POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"


def router() -> APIRouter:
    """The route of the page. Made when it is first asked for, and kept."""
    routes = APIRouter(include_in_schema=False)
    made: list[bytes] = []

    @routes.get("/api/docs")
    async def reference(request: Request) -> Response:
        if not made:
            made.append(page(request.app.openapi()).encode())
        return Response(made[0], headers={"Content-Security-Policy": POLICY}, media_type="text/html")

    return routes


def page(document: dict[str, Any]) -> str:
    """The whole reference as HTML."""
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    title = f"{document['info']['title']} {document['info']['version']}: API"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield '<link rel="stylesheet" href="/ui/style.css"></head><body><main>'
    yield f"<h1>{escape(title)}</h1>"
    for paragraph in document["info"].get("description", "").split("\n\n"):
        yield f"<p>{escape(paragraph)}</p>"
    yield '<p><a href="/api/v1/openapi.json">The same for programs (OpenAPI)</a></p>'
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["other"])[0]
                by_tag.setdefault(tag, []).append((method.upper(), path, item[method]))
    yield "<nav><ul>"
    for tag in by_tag:
        yield f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>'
    yield "</ul></nav>"
    for tag, operations in by_tag.items():
        yield f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2>'
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
        yield "</section>"
    yield '<section id="forms"><h2>Forms</h2>'
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield from _schema(name, schema)
    yield "</section></main></body></html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h3><code>{method} {escape(path)}</code></h3><p>{escape(operation.get('description', ''))}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><thead><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr></thead><tbody>"
        for one in parameters:
            needed = "" if one.get("required") else " (may be left out)"
            yield _row(
                one["name"], one["in"] + needed, _type(one["schema"]), escape(one.get("description", ""))
            )
        yield "</tbody></table>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield f"<p>Body: {_type(body['schema'])}</p>"
    yield "<table><thead><tr><th>Answer</th><th></th><th></th><th></th></tr></thead><tbody>"
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        kinds = ", ".join(_type(one.get("schema", {})) or escape(media) for media, one in content.items())
        yield _row(status, answer["description"], kinds, "")
    yield "</tbody></table>"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="form-{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
    needed = schema.get("required", ())
    if schema.get("properties"):
        yield "<table><thead><tr><th>Field</th><th></th><th>Type</th><th></th></tr></thead><tbody>"
        for field, one in schema["properties"].items():
            word = "needed" if field in needed else ""
            yield _row(field, word, _type(one), escape(one.get("description", "")))
        yield "</tbody></table>"


def _row(name: str, place: str, kind: str, text: str) -> str:
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(place)}</td><td>{kind}</td><td>{text}</td></tr>"
    )


def _type(schema: dict[str, Any]) -> str:
    """A type as HTML, with a link where it has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#form-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "")))
