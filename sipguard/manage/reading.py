"""Raw TOML to the structs of form.py. Unlike msgspec.convert it goes on after the first mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from sipguard.manage.leaf import Leaf

S = TypeVar("S", bound=msgspec.Struct)

BROKEN = object()
"""Stands for a value that was complained about."""


class Reader:
    """Reads one file and gathers what is wrong with it, each problem with the path of its place."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def complain(self, path: str, found: object, expected: str) -> None:
        self.problems.append(f"{path}: found {_shown(found)}, expected {expected}")

    def missing(self, path: str, expected: str) -> None:
        self.problems.append(f"{path}: found nothing, expected {expected}")

    def struct(self, raw: object, form: type[S], path: str) -> S | None:
        """`raw` as a `form`; None where any part of it was wrong."""
        if not isinstance(raw, Mapping):
            self.complain(path, raw, "a table")
            return None
        known = {info.encode_name: info for info in fields(form)}
        for name in raw.keys() - known.keys():
            self._unknown(_join(path, name), name, known)
        values = {
            info.name: self._field(raw, info, _join(path, name))
            for name, info in known.items()
            if info.required or name in raw
        }
        broken = raw.keys() - known.keys() or any(value is BROKEN for value in values.values())
        return None if broken else form(**values)

    def value(self, raw: object, kind: Any, path: str) -> Any:
        """`raw` as a `kind` of any type that stands in form.py; BROKEN where it is not."""
        kind = _without_none(kind)
        if get_origin(kind) is tuple:
            return self._tuple(raw, get_args(kind)[0], path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found = self.struct(raw, kind, path)
            return BROKEN if found is None else found
        try:
            if isinstance(kind, type) and issubclass(kind, Leaf):
                return kind.parse(raw)
            return msgspec.convert(raw, kind, strict=True)
        except (ValueError, TypeError, OverflowError):
            self.complain(path, raw, _expected(kind))
            return BROKEN

    def _field(self, raw: Mapping[str, object], info: FieldInfo, path: str) -> Any:
        if info.encode_name in raw:
            return self.value(raw[info.encode_name], info.type, path)
        self.missing(path, _expected(_without_none(info.type)))
        return BROKEN

    def _tuple(self, raw: object, kind: Any, path: str) -> Any:
        if not isinstance(raw, list):
            self.complain(path, raw, "a list")
            return BROKEN
        values = tuple(self.value(item, kind, f"{path}[{index}]") for index, item in enumerate(raw))
        return BROKEN if any(value is BROKEN for value in values) else values

    def _unknown(self, path: str, name: str, known: Mapping[str, FieldInfo]) -> None:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        self.problems.append(f"{path}: found a key that means nothing here, {hint}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return kind


def _expected(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(json.dumps(member.value) for member in kind)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(json.dumps, get_args(kind)))
    if get_origin(kind) is Annotated:
        meta = get_args(kind)[1]
        return f"a whole number from {meta.ge} to {meta.le}"
    if get_origin(kind) is tuple:
        return "a list"
    if isinstance(kind, type) and issubclass(kind, Leaf):
        return kind.expected
    return {str: "text in quotes", bool: "true or false", int: "a whole number"}[kind]


def _shown(value: object) -> str:
    """As it would stand in the file, not too much of it."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
