"""Functions that the model may call: the public functions of a Python module.

What the model is told of a function comes from the function itself: its name, its docstring, and a JSON schema
made from its annotations. What the model sends is converted strictly; whatever goes wrong becomes a text that it
can read, so that it can mend its call, or say so.

    def weather(city: str, days: int = 1) -> dict[str, str]:
        \"\"\"The weather of the next days.\"\"\"
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias, cast, get_type_hints

import msgspec
import trio
from msgspec import Raw, Struct

from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.inputs import ToolResult
from realtime_engine.options import ToolSchema

TIMEOUT: Final = 30.0
"""Seconds that a call may take, its wait for a place included."""

AT_ONCE: Final = 8
"""Calls of one conversation that run at the same time; more wait for a place."""

LONGEST: Final = 256_000
"""Characters that a result may have (protocol.md, section 11: text content)."""

ToolFunction: TypeAlias = Callable[..., object]
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class _Refused(Exception):  # noqa: N818 - it never leaves this file
    """A call that is not run, or a result that is not passed on; the text is for the model."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function, and what its arguments must be.

    Attributes:
        function: The function, async or not.
        arguments: A struct with a field for each parameter.
        schema: What the model is told.
    """

    function: ToolFunction
    arguments: type[Struct]
    schema: ToolSchema

    @classmethod
    def of(cls, function: ToolFunction) -> "Tool":
        """Read a function's signature.

        Raises:
            UsageError: A parameter has no type, or one that JSON cannot carry, or cannot be given by name.
        """
        name = function.__name__
        try:
            arguments = _arguments(name, function)
            schema = _schema(arguments)
        except (NameError, TypeError, ValueError) as error:
            raise UsageError(f"the tool {name!r} cannot be offered to the model: {error}") from error
        return cls(
            function, arguments, ToolSchema(name=name, description=inspect.getdoc(function) or "", parameters=schema)
        )

    @property
    def is_async(self) -> bool:
        """Whether it is awaited, or run in a thread."""
        return inspect.iscoroutinefunction(self.function)

    def bind(self, arguments: str) -> Callable[[], object]:
        """The function with the model's arguments.

        Raises:
            msgspec.DecodeError: They are no JSON, or not what the function takes.
        """
        given = msgspec.json.decode(arguments or "{}", type=self.arguments)
        return partial(self.function, **{name: getattr(given, name) for name in self.arguments.__struct_fields__})


class Tools:
    """The functions of one conversation.

    Attributes:
        schemas: What the model is told of them, in the order of their module.
    """

    def __init__(self, functions: Iterable[ToolFunction], *, timeout: float = TIMEOUT, at_once: int = AT_ONCE) -> None:
        self._tools = {tool.schema.name: tool for tool in map(Tool.of, functions)}
        self._timeout = timeout
        self._places = trio.CapacityLimiter(at_once)
        self.schemas = tuple(tool.schema for tool in self._tools.values())

    def anew(self) -> "Tools":
        """The same functions for another conversation, which has its own places."""
        tools = copy(self)
        tools._places = trio.CapacityLimiter(self._places.total_tokens)
        return tools

    def run(self, call: RunTool) -> ToolResult:
        """Run a call here and now, as `realtime_engine.simulate` does, whose clock stands still meanwhile.

        What is not async cannot be stopped, and so has no timeout here.
        """
        tool = self._tools.get(call.name)
        if tool is not None and tool.is_async:
            return trio.run(self.run_in_time, call)
        try:
            return ToolResult(call.call_id, _text(self._bind(call)()))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told
            return _failure(call, error)

    async def run_in_time(self, call: RunTool) -> ToolResult:
        """Run a call on the real clock: an async function as it is, any other in a thread.

        A thread whose time is over is left alone; it keeps its place until it ends.
        """
        try:
            bound = self._bind(call)
            with trio.move_on_after(self._timeout):
                return ToolResult(call.call_id, _text(await self._await(call, bound)))
            raise _Refused(f"{call.name} took longer than {self._timeout:g} s, and was given up")
        except Exception as error:  # noqa: BLE001 - as above
            return _failure(call, error)

    async def _await(self, call: RunTool, bound: Callable[[], object]) -> object:
        if not self._tools[call.name].is_async:
            return await trio.to_thread.run_sync(bound, abandon_on_cancel=True, limiter=self._places)
        async with self._places:
            return await cast("Awaitable[object]", bound())

    def _bind(self, call: RunTool) -> Callable[[], object]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise _Refused(f"there is no function {call.name!r}; there are: {', '.join(self._tools)}")
        try:
            return tool.bind(call.arguments)
        except msgspec.DecodeError as error:
            raise _Refused(f"wrong arguments for {call.name}: {error}") from error


def load_tools(module: str) -> Tools:
    """The functions of a module: an import path, looked for in the current folder too, or a ``.py`` file.

    Raises:
        UsageError: It is not there, fails, or has no public function that the model could call.
    """
    file = Path(module) if module.endswith(".py") else None
    if file is not None and not file.is_file():
        raise UsageError(f"--tools {module}: there is no such file")
    try:
        loaded = _import(module) if file is None else _load_file(file)
    except (Exception, SystemExit) as error:
        raise UsageError(f"--tools {module}: cannot be imported: {type(error).__name__}: {error}") from error
    functions = [
        value
        for name, value in vars(loaded).items()
        if inspect.isfunction(value) and value.__module__ == loaded.__name__ and not name.startswith("_")
    ]
    if not functions:
        raise UsageError(f"--tools {module}: no public function is defined there")
    return Tools(functions)


def _import(name: str) -> ModuleType:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return import_module(name)


def _load_file(path: Path) -> ModuleType:
    """Run a file as a module of its own, so that it can be named as it likes; what lies beside it can be imported."""
    name = f"engine_tools_{path.stem}"
    module = sys.modules[name] = ModuleType(name)
    if (beside := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, beside)
    SourceFileLoader(name, str(path)).exec_module(module)
    return module


def _arguments(name: str, function: ToolFunction) -> type[Struct]:
    """A struct with a field for each parameter.

    Raises:
        NameError: An annotation names what is not there.
        TypeError: A parameter cannot be given by name, or has no type.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: list[tuple[str, type] | tuple[str, type, object]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _BY_NAME:
            raise TypeError(f"{parameter} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"the parameter {parameter.name!r} has no type")
        required = parameter.default is parameter.empty
        hint = hints[parameter.name]
        fields.append((parameter.name, hint) if required else (parameter.name, hint, parameter.default))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[Struct]) -> Raw:
    """The JSON schema of an object with these fields, in one piece."""
    (reference,), parts = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema = parts.pop(reference["$ref"].removeprefix("#/$defs/"))
    del schema["title"]
    return Raw(msgspec.json.encode(schema | ({"$defs": parts} if parts else {})))


def _text(result: object) -> str:
    """What the model gets: a text as it is, anything else as JSON.

    Raises:
        _Refused: JSON cannot carry it, or it is too long.
    """
    try:
        text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _Refused(f"the result cannot be written as JSON: {error}") from error
    if len(text) > LONGEST:
        raise _Refused(f"the result has {len(text)} characters; at most {LONGEST} can be passed on")
    return text.encode(errors="replace").decode()  # half of a surrogate pair is no text


def _failure(call: RunTool, error: Exception) -> ToolResult:
    text = str(error) if isinstance(error, _Refused) else f"{call.name} failed: {type(error).__name__}: {error}"
    return ToolResult(call.call_id, text.encode(errors="replace").decode()[:LONGEST], failed=True)
