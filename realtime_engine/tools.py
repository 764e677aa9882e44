"""Functions that the model may call, and how they are run.

What the model is told of a function comes from the function itself (`realtime_engine.signatures`). What the model
sends is converted strictly; whatever goes wrong becomes a text that it can read, so that it can mend its call, or say
so, and the conversation goes on.
"""

import inspect
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, cast

import msgspec
import trio
from msgspec import Struct
from msgspec.json import Decoder

from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError, first
from realtime_engine.inputs import ToolResult
from realtime_engine.options import ToolSchema
from realtime_engine.signatures import ToolFunction, arguments_of, schema_of

TIMEOUT: Final = 30.0
"""Seconds that a call may take, its wait for a place included."""

AT_ONCE: Final = 8
"""Calls of one conversation that run at the same time; more wait for a place."""

WAITING: Final = 64
"""Calls of one conversation that may wait for a place; who calls more is not waiting for results."""

THREADS: Final = 64
"""Threads of all conversations together, those included that were given up and have not ended."""

LONGEST: Final = 256_000
"""Characters that a result may have (protocol.md, section 11: text content)."""


class _Refused(Exception):  # noqa: N818 - it never leaves this file
    """A call that is not run, or a result that is not passed on; the text is for the model."""


class Runner(Protocol):
    """What runs the functions of a conversation: `Tools`, or a recording that knows what they returned."""

    @property
    def schemas(self) -> tuple[ToolSchema, ...]:
        """What the model is told of them."""

    def anew(self) -> "Runner":
        """The same for another conversation."""

    async def run_in_time(self, call: RunTool) -> ToolResult:
        """Run a call. Whatever goes wrong is a result; only a cancellation is raised."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function, and what its arguments must be.

    Attributes:
        function: The function, async or not.
        arguments: Reads a struct with a field for each parameter that the model fills.
        schema: What the model is told.
        filled: What the engine fills in, by name.
    """

    function: ToolFunction
    arguments: Decoder[Struct]
    schema: ToolSchema
    filled: dict[str, object]

    @classmethod
    def of(cls, function: ToolFunction, *, options: object = None) -> "Tool":
        """Read a function's signature.

        Args:
            function: The function.
            options: Given to each parameter of this type, or of one that it is made from; the model sees nothing of it.

        Raises:
            UsageError: A parameter has no type, or one that JSON cannot carry, or cannot be given by name; or the
                function's name is none that a model can call, or it has none; or it yields.
        """
        if not hasattr(function, "__name__"):  # a partial function, or an object that can be called
            raise UsageError(f"{function!r} has no name by which the model could call it: define a function around it")
        try:
            arguments, by_engine = arguments_of(function, filled=None if options is None else type(options))
            decoder = Decoder(arguments)
            schema = schema_of(function, arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            why = str(error).rpartition("\n")[2]  # msgspec says first what its own callers could do
            raise UsageError(f"the tool {function.__name__!r} cannot be offered to the model: {why}") from error
        return cls(function, decoder, schema, dict.fromkeys(by_engine, options))

    @property
    def is_async(self) -> bool:
        """Whether it is awaited, or run in a thread."""
        return inspect.iscoroutinefunction(inspect.unwrap(self.function))

    def bind(self, arguments: str) -> Callable[[], object]:
        """The function with the model's arguments.

        Raises:
            msgspec.DecodeError: They are no JSON, or not what the function takes.
        """
        given = self.arguments.decode(arguments or "{}")
        chosen = {name: getattr(given, name) for name in given.__struct_fields__}
        return partial(self.function, **chosen, **self.filled)


class Tools:
    """The functions of one conversation.

    Args:
        functions: No two of one name.
        options: See `Tool.of`.
        timeout: See `TIMEOUT`.
        at_once: See `AT_ONCE`.

    Raises:
        UsageError: A function cannot be offered, or its name is taken.
    """

    def __init__(
        self,
        functions: Iterable[ToolFunction] = (),
        *,
        options: object = None,
        timeout: float = TIMEOUT,
        at_once: int = AT_ONCE,
    ) -> None:
        self._tools: dict[str, Tool] = {}
        self._options = options
        self._timeout = timeout
        self._places = trio.CapacityLimiter(at_once)
        self._threads = trio.CapacityLimiter(THREADS)
        for function in functions:
            self.add(function)

    @property
    def schemas(self) -> tuple[ToolSchema, ...]:
        """What the model is told of them, in the order in which they were added."""
        return tuple(tool.schema for tool in self._tools.values())

    def add(self, function: ToolFunction) -> Tool:
        """Add a function.

        Raises:
            UsageError: It cannot be offered, or its name is taken.
        """
        tool = Tool.of(function, options=self._options)
        if tool.schema.name in self._tools:
            raise UsageError(f"there is a tool {tool.schema.name!r} already: remove it first, or rename one")
        self._tools[tool.schema.name] = tool
        return tool

    def remove(self, name: str) -> None:
        """Take a function away; calls of it that run go on.

        Raises:
            UsageError: There is none of this name.
        """
        if self._tools.pop(name, None) is None:
            raise UsageError(f"there is no tool {name!r}; there are: {', '.join(self._tools) or 'none'}")

    def anew(self) -> "Tools":
        """The same functions for another conversation, which has places of its own; the threads are for all."""
        tools = copy(self)
        tools._tools = dict(self._tools)
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
        except BaseException as error:  # noqa: BLE001 - a tool may raise anything; the model is told
            return _failure(call, error)

    async def run_in_time(self, call: RunTool) -> ToolResult:
        """Run a call on the real clock: an async function as it is, any other in a thread.

        A thread whose time is over is left alone; it keeps its place until it ends.
        """
        try:
            bound = self._bind(call)
            with trio.move_on_after(self._timeout):
                return ToolResult(call.call_id, await self._await(call, bound))
            raise _Refused(f"{call.name} took longer than {self._timeout:g} s, and was given up")
        except BaseException as error:  # noqa: BLE001 - as above
            return _failure(call, error)

    async def _await(self, call: RunTool, bound: Callable[[], object]) -> str:
        if self._places.statistics().tasks_waiting >= WAITING:
            raise _Refused(f"{call.name} was not called: {WAITING} calls wait already; call fewer at a time")
        if not self._tools[call.name].is_async:
            places = cast("trio.CapacityLimiter", _Places(self._places, self._threads))  # as much of one as trio needs
            return await trio.to_thread.run_sync(_outcome, bound, abandon_on_cancel=True, limiter=places)
        async with self._places:
            result = bound()
            return _text(await result if inspect.isawaitable(result) else result)

    def _bind(self, call: RunTool) -> Callable[[], object]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise _Refused(f"there is no function {call.name!r}; there are: {', '.join(self._tools) or 'none'}")
        try:
            return tool.bind(call.arguments)
        except msgspec.DecodeError as error:
            raise _Refused(f"wrong arguments for {call.name}: {error}") from error


class _Places:
    """A place of the conversation, and one among the threads of all, until the thread ends (`trio.to_thread`)."""

    def __init__(self, *limiters: trio.CapacityLimiter) -> None:
        self._limiters = limiters
        self._taken: list[trio.CapacityLimiter] = []

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        try:
            for limiter in self._limiters:
                await limiter.acquire_on_behalf_of(borrower)
                self._taken.append(limiter)
        except trio.Cancelled:
            self.release_on_behalf_of(borrower)
            raise

    def release_on_behalf_of(self, borrower: object) -> None:
        while self._taken:
            self._taken.pop().release_on_behalf_of(borrower)


def _outcome(bound: Callable[[], object]) -> str:
    """Call a function in its thread, and write its result there too, for it may be large."""
    try:
        return _text(bound())
    except KeyboardInterrupt as error:  # no signal comes to a thread: it is the function's own
        raise _Refused(f"the function has raised {error!r}") from error


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


def _failure(call: RunTool, error: BaseException) -> ToolResult:
    """What the model is told of an error, unless it is not the function's own: that goes on."""
    if _comes_from_outside(error):
        raise error
    problem = first(error)
    text = str(problem) if isinstance(problem, _Refused) else f"{call.name} failed: {_in_words(problem)}"
    return ToolResult(call.call_id, text.encode(errors="replace").decode()[:LONGEST], failed=True)


def _comes_from_outside(error: BaseException) -> bool:
    """Whether it is a cancellation, or Ctrl-C, alone or among others."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_comes_from_outside, error.exceptions))
    return isinstance(error, trio.Cancelled | KeyboardInterrupt)


def _in_words(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001 - it cannot even say what it is
        return name
