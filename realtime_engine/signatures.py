"""What the model is told of a function: its name, and what its docstring and its annotations say.

No function is called here.

    def weather(city: str, days: int = 1) -> dict[str, float]:
        \"\"\"The weather of the next days.\"\"\"
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw, Struct

from realtime_engine.options import ToolSchema

ToolFunction: TypeAlias = Callable[..., object]

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the Realtime API takes as the name of a function."""

_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PARAMETERS: Final = re.compile(r"^(?:Args|Arguments|Parameters):[ \t]*\n((?:[ \t]+.*(?:\n|$)|\n)*)", re.MULTILINE)
_ENTRY: Final = re.compile(r"\n(?=\S)")  # within the section, which has no margin then
_NAMED: Final = re.compile(r"(\w+)(?: *\(.*?\))?:")


class Documented(NamedTuple):
    """A docstring: what it says of the function, and of its parameters by their names."""

    function: str
    parameters: Mapping[str, str]


def arguments_of(function: ToolFunction, *, filled: type | None = None) -> tuple[type[Struct], Sequence[str]]:
    """A struct with a field for each parameter that the model fills, and the names of those that the engine fills.

    Args:
        function: The function.
        filled: What the engine fills: each parameter of this type, or of one that it is made from, or of none instead.

    Raises:
        TypeError: A parameter cannot be given by name, has no type, or one that cannot be found.
    """
    hints = _hints(function)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    by_engine: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _BY_NAME:
            raise TypeError(f"{parameter} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"the parameter {parameter.name!r} has no type")
        hint, default = hints[parameter.name], parameter.default
        if filled is not None and any(each in filled.__mro__[:-1] for each in _alternatives(hint)):
            by_engine.append(parameter.name)
        elif default is parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, msgspec.field(default_factory=_Always(default))))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True), by_engine


def schema_of(function: ToolFunction, arguments: type[Struct]) -> ToolSchema:
    """What the model is told.

    Raises:
        TypeError: JSON cannot carry what the function takes, or it gives one thing after the other.
        ValueError: Its name is none that a model can call.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("it yields, and a call has one result")
    if not _NAME.fullmatch(function.__name__):
        raise ValueError("a function of the Realtime API has a name of 1 to 64 letters a to z, digits and _")
    documented = read_docstring(inspect.getdoc(function) or "")
    (reference,), parts = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema = parts.pop(reference["$ref"].removeprefix("#/$defs/"))
    del schema["title"]
    for field in msgspec.structs.fields(arguments):
        told: dict[str, object] = schema["properties"][field.name]
        if field.name in documented.parameters:
            told.setdefault("description", documented.parameters[field.name])
        if isinstance(field.default_factory, _Always):
            field.default_factory.show(told)
    parameters = Raw(msgspec.json.encode(schema | ({"$defs": parts} if parts else {})))
    return ToolSchema(name=function.__name__, description=documented.function, parameters=parameters)


def read_docstring(text: str) -> Documented:
    """Take the section ``Args:`` out of a docstring without margin: what it says of each parameter, in one line."""
    section = _PARAMETERS.search(text)
    if section is None:
        return Documented(text.strip(), {})
    parameters = {}
    for entry in _ENTRY.split(inspect.cleandoc("\n" + section[1])):
        named = _NAMED.match(entry)
        if named is not None:
            parameters[named[1]] = " ".join(entry[named.end() :].split())
    before, after = text[: section.start()].strip(), text[section.end() :].strip()
    return Documented("\n\n".join(part for part in (before, after) if part), parameters)


class _Always:
    """A default as Python has it: always that very object, and one that need not be of the parameter's type."""

    def __init__(self, default: object) -> None:
        self._default = default

    def __call__(self) -> object:
        return self._default

    def show(self, told: dict[str, object]) -> None:
        """Tell the model the default, if JSON can carry it."""
        with suppress(TypeError, ValueError, RecursionError):
            told["default"] = Raw(msgspec.json.encode(self._default))


def _alternatives(hint: object) -> Sequence[object]:
    """A type, or those of which there is to be one."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _hints(function: ToolFunction) -> dict[str, Any]:
    """The types of the parameters, wherever they are written.

    Raises:
        TypeError: One cannot be found.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (AttributeError, NameError, SyntaxError) as error:
        raise TypeError(f"{error}; a type must be there when the module has been loaded") from error
