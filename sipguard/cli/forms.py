"""Forms of management as options of commands: each field by its own name, so that whoever knows the API knows
the command line. Amounts ("_micros") are written as decimals, under their name without that.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

import click

from sipguard.cli.shell import UsageError, plain, show, show_json
from sipguard.model.money import format_micros, parse_micros

if TYPE_CHECKING:
    from sipguard.manage.values import Form

F = TypeVar("F", bound="Form")

_MICROS = "_micros"


def options(form: Callable[[], type[Form]], *, leave_out: Iterable[str] = (), clears: bool = False) -> Any:
    """Add an option for each field. `form` is called late, because forms take long to import.

    `leave_out`: fields that are arguments of the command; `clears`: with --clear FIELD for what may be null.
    """

    class Lazy(click.Command):
        def get_params(self, ctx: click.Context) -> list[click.Parameter]:
            if not getattr(self, "_filled", False):
                self._filled = True
                model = form()
                made = [_option(name, model) for name in model.model_fields if name not in leave_out]
                if clears:
                    names = [_shown(name) for name, field in model.model_fields.items() if _optional(field)]
                    told = "Have none of this any more. May be given several times."
                    made.append(click.Option(["--clear"], multiple=True, type=click.Choice(names), help=told))
                self.params[:] = [
                    *self.params[: _arguments(self.params)],
                    *made,
                    *self.params[_arguments(self.params) :],
                ]
            return super().get_params(ctx)

        def make_parser(self, ctx: click.Context) -> Any:
            self.get_params(ctx)
            return super().make_parser(ctx)

    return Lazy


def formed(form: type[F], values: Mapping[str, Any]) -> F:
    """The form of what was given. Raises UsageError that names all that is wrong."""
    from sipguard.manage.errors import InvalidError
    from sipguard.manage.values import read

    try:
        return read(form, given(form, values))
    except InvalidError as error:
        raise UsageError(str(error)) from None


def given(form: type[Form], values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options was given, as the form wants it. Raises UsageError."""
    told: dict[str, Any] = {}
    for name in form.model_fields:
        value = values.get(name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            value = list(value)
        if name.endswith(_MICROS):
            try:
                value = parse_micros(str(value))
            except ValueError as error:
                raise UsageError(f"{_shown(name)}: {error}") from None
        told[name] = value
    for shown in values.get("clear", ()):
        name = next(each for each in form.model_fields if _shown(each) == shown)
        told[name] = [] if _kind(form.model_fields[name].annotation)[1] else None
    return told


def show_objects(found: Sequence[Any], columns: Sequence[str], as_json: bool, *, one: bool = False) -> None:
    """Objects as JSON, or as a table of some of their fields."""
    rows = [asdict(each) for each in found]
    if as_json:
        show_json(rows[0] if one else rows)
        return
    from rich import box
    from rich.table import Table

    table = Table(*(_shown(name) for name in columns), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(plain(_text(name, row[name])) for name in columns))
    show(table)


def _text(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith(_MICROS):
        return format_micros(value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _option(name: str, model: type[Form]) -> click.Option:
    field = model.model_fields[name]
    kind, many = _kind(field.annotation)
    flag = _shown(name).replace("_", "-")
    more: dict[str, Any] = {"help": field.description, "default": None}
    if kind is bool:
        return click.Option([f"--{flag}/--no-{flag}", name], **more)
    if many:
        return click.Option([f"--{flag}", name], multiple=True, help=field.description)
    # Ids and amounts are text; numbers are read by the form, which says what it expects.
    more["type"] = int if kind is int and not name.endswith(_MICROS) else str
    return click.Option([f"--{flag}", name], required=field.is_required(), **more)


def _shown(name: str) -> str:
    return name.removesuffix(_MICROS)


def _optional(field: Any) -> bool:
    return type(None) in get_args(field.annotation) or _kind(field.annotation)[1]


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be many."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _kind(next(each for each in get_args(annotation) if each is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _kind(annotation.__origin__)
    if origin is list:
        return _kind(get_args(annotation)[0])[0], True
    return annotation, False


def _arguments(params: Sequence[click.Parameter]) -> int:
    return sum(isinstance(each, click.Argument) for each in params)
