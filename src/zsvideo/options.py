"""Typed options: every config group is a dataclass that is checked once, where the config enters.

A group is declared with `options`, a field with its type, default and docstring; `parse` makes the
typed value of a composed config, or says in one line what is wrong with which option. The page of
options in the documentation is made from the same docstrings.
"""

import dataclasses
import functools
from collections.abc import Mapping
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    Strict,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from zsvideo.errors import UserError

T = TypeVar("T")

Switch = Annotated[bool, Strict()]
MOST = 10**9  # of anything: a larger number would have no end
Whole = Annotated[int, Strict(), Field(ge=-MOST, le=MOST)]
Count = Annotated[int, Strict(), Field(ge=1, le=MOST)]
NotNegative = Annotated[int, Strict(), Field(ge=0, le=MOST)]
Number = Annotated[float, Strict(), Field(ge=0, le=MOST, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0)]


def between(low: float, high: float) -> BeforeValidator:
    """Give the check of a number that has to lie between two others."""

    def check(value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(value)

    return BeforeValidator(check)


Share = Annotated[float, between(0, 1)]
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]


def _text(value: Any) -> Any:
    if isinstance(value, float) and not abs(value) <= MOST:
        raise ValueError("must be text")
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be empty")
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]
"""A name, path or list entry; one of digits alone is a name too."""

WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list: [A,B]",
    "tuple_type": "must be a list: [A,B]",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "dataclass_type": "must be a data set, such as source@pretrain.source=synthetic",
    "dict_type": "must be a mapping: {KEY: VALUE}",
    "missing": "is not set; give a value",
    "missing_argument": "is not set; give a value",
}
BOUNDS = {
    "greater_than_equal": "ge",
    "greater_than": "gt",
    "less_than_equal": "le",
    "less_than": "lt",
}
SAID = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def options(group: type[T]) -> type[T]:
    """Declare a config group: a frozen dataclass whose fields are checked, unknown ones refused.

    A class attribute `group` names it in messages; with an attribute `extra` of `allow` it takes
    unknown fields too.
    """
    extra: Literal["allow", "forbid"] = getattr(group, "extra", "forbid")
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True, use_attribute_docstrings=True)
    typed: Any = dataclass(frozen=True, config=config)(group)
    construct, names = typed.__init__, [field.name for field in dataclasses.fields(typed)]

    @functools.wraps(construct)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        values |= dict(zip(names, args, strict=False))
        try:
            construct(self, **values)
        except ValidationError as error:
            raise UserError(invalid_option(error, getattr(typed, "group", ""))) from None

    typed.__init__ = checked
    return typed  # type: ignore[no-any-return]


def parse(group: type[T] | Any, values: Mapping[str, Any], prefix: str = "") -> T:
    """Make the typed value of a group.

    Args:
        group: a class declared with `options`, or a union of such classes.
        values: the composed config, as plain data.
        prefix: the name of the group, for messages.

    Raises:
        UserError: an option has a value that is not allowed, or there is no such option.
    """
    try:
        return TypeAdapter(group).validate_python(dict(values))  # type: ignore[no-any-return]
    except ValidationError as error:
        raise UserError(invalid_option(error, prefix)) from None


def check_value(annotation: Any, value: Any, name: str) -> None:
    """Check a value by the annotation of an argument, of which pydantic need not know anything.

    Args:
        annotation: its type.
        value: plain data.
        name: of the option, for messages.

    Raises:
        UserError: the value is of another type, or a number beyond `MOST`.
    """
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    try:
        adapter = TypeAdapter(annotation, config=None if is_typed(annotation) else config)
        adapter.validate_python(value)
    except PydanticSchemaGenerationError:
        pass
    except ValidationError as error:
        raise UserError(invalid_option(error, name, whole=True)) from None
    if isinstance(value, int | float) and not abs(value) <= MOST:
        raise UserError(f"{name}={value} must be a number of at most {MOST:g}")


def is_typed(annotation: Any) -> bool:
    """Tell whether a type brings a configuration of its own, which pydantic lets nobody change."""
    return dataclasses.is_dataclass(annotation) or hasattr(annotation, "__pydantic_config__")


def invalid_option(error: ValidationError, prefix: str = "", whole: bool = False) -> str:
    """Say in one line which option is wrong, and what is allowed.

    Args:
        error: of pydantic.
        prefix: the name of the group, for the message.
        whole: that is the name of the option.
    """
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: detail["type"] not in ("literal_error", "value_error"))
    same = [detail for detail in details if detail["loc"] == first["loc"]]
    context = first.get("ctx") or {}
    # Beside names of options a place holds names of types, such as `literal['a']`, of a union.
    parts = [str(p) for p in first["loc"] if isinstance(p, int) or p.isidentifier()] * (not whole)
    name = ".".join(part for part in ([prefix] if prefix else []) + parts)
    kind = first["type"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"there is no option {name}; `--cfg job` prints all of them"
    if kind in ("missing", "missing_argument"):
        return f"{name} {WORDS[kind]}: {name}=..."
    shown = f"{name}={as_typed_value(first['input'])}"
    same = details if whole else same
    if kind == "literal_error":
        allowed = context["expected"].replace(" or ", ", ").replace("'", "")
        return f"{shown} is unknown; allowed: {allowed}"
    if kind == "union_tag_invalid":
        tag = str(context["discriminator"]).strip("'")
        return f"{name}.{tag}={context['tag']} is unknown; allowed: {context['expected_tags']}"
    if kind == "value_error":
        reason = context["error"]
        return str(reason) if isinstance(reason, UserError) else f"{shown} {reason}"
    if kind in BOUNDS:
        return f"{shown} must be {SAID[BOUNDS[kind]]} {context[BOUNDS[kind]]:g}"
    words = [WORDS.get(detail["type"], detail["msg"]) for detail in same]
    return f"{shown} {' or '.join(dict.fromkeys(words))}"


def as_typed_value(value: Any) -> str:
    """Write a value as an option's value is typed."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)


def described(group: Any) -> list[tuple[str, str, str, str]]:
    """List the fields of a group: name, allowed values, default, docstring; for documentation."""
    rows = []
    for name, field in group.__pydantic_fields__.items():
        if field.annotation is Any:
            continue  # typed elsewhere
        default = (
            ""
            if field.is_required()
            else as_typed_value(field.get_default(call_default_factory=True))
        )
        rows.append(
            (name, kind(field.annotation), default, " ".join((field.description or "").split()))
        )
    return rows


def kind(annotation: Any) -> str:
    """Write a type for people: what values are allowed."""
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    if annotation in names:
        return names[annotation]
    if annotation is type(None):
        return "null"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{as_typed_value(value)}`" for value in inner)
    if origin is Annotated:
        return kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(kind(one) for one in inner))
    if origin is list:
        return f"list of {kind(inner[0])}"
    if origin is dict:
        return "mapping"
    return "any"


def plain(value: Any) -> Any:
    """Turn a typed value into plain data: dicts, lists, text, numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value
