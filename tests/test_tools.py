"""The model may call functions; whatever goes wrong is a text that it can read, and nothing else stops."""

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal

import msgspec
import pytest
import trio
import trio.lowlevel
import trio.testing

from cli.options import RunOptions
from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.inputs import ToolResult
from realtime_engine.tools import AT_ONCE, LONGEST, TIMEOUT, WAITING, Tools


def call(name: str, arguments: str = "", call_id: str = "call_1") -> RunTool:
    return RunTool(call_id, name, arguments)


class Place(msgspec.Struct):
    """Where."""

    city: str
    country: str = "DE"


@dataclass
class Forecast:
    """What is to come."""

    degrees: float
    words: str


def weather(
    place: Place, days: Annotated[int, msgspec.Meta(ge=1, description="How many days ahead.")] = 1
) -> list[Forecast]:
    """The weather of the next days."""
    return [Forecast(20.5, f"fine in {place.city}")] * days


async def remember(what: str, kind: Literal["name", "date"] = "name") -> None:
    await trio.lowlevel.checkpoint()


def everyone() -> str:
    return "Anna, Berta, Clara"


def run_now(tools: Tools, wanted: RunTool) -> ToolResult:
    return tools.run(wanted)


def run_in_time(tools: Tools, wanted: RunTool) -> ToolResult:
    return trio.run(tools.run_in_time, wanted)


both_ways = pytest.mark.parametrize("run", [run_now, run_in_time])
Run = Callable[[Tools, RunTool], ToolResult]


@both_ways
@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("weather", '{"place":{"city":"Ulm"}}', '[{"degrees":20.5,"words":"fine in Ulm"}]'),
        ("remember", '{"what":"Anna"}', "null"),
        ("everyone", "{}", "Anna, Berta, Clara"),
        ("everyone", "", "Anna, Berta, Clara"),
    ],
)
def test_a_result_is_text_as_it_is_and_anything_else_as_json(run: Run, name: str, arguments: str, output: str) -> None:
    tools = Tools([weather, remember, everyone])

    assert run(tools, call(name, arguments)) == ToolResult("call_1", output)


@both_ways
@pytest.mark.parametrize(
    ("name", "arguments", "what"),
    [
        ("wether", "{}", "there is no function 'wether'; there are: weather, remember"),
        ("weather", "{", "wrong arguments for weather: Input data was truncated"),
        ("weather", "[]", "wrong arguments for weather: Expected `object`, got `array`"),
        ("weather", "{}", "wrong arguments for weather: Object missing required field `place`"),
        (
            "weather",
            '{"place":{"city":5}}',
            "Expected `str`, got `int` - at `$.place.city`",
        ),
        ("weather", '{"place":{"city":"Ulm"},"days":"2"}', "Expected `int`, got `str` - at `$.days`"),
        ("weather", '{"place":{"city":"Ulm"},"days":0}', "Expected `int` >= 1"),
        ("weather", '{"place":{"city":"Ulm"},"unit":"F"}', "contains unknown field `unit`"),
        ("remember", '{"what":"Anna","kind":"age"}', "Invalid enum value 'age'"),
    ],
)
def test_arguments_are_taken_strictly(run: Run, name: str, arguments: str, what: str) -> None:
    result = run(Tools([weather, remember]), call(name, arguments))

    assert result.failed
    assert what in result.output


def fails() -> str:
    raise LookupError("no such city")


async def fails_later() -> str:
    await trio.lowlevel.checkpoint()
    raise LookupError("no such city")


def gives_a_lock() -> object:
    return threading.Lock()


def gives_itself() -> object:
    endless: list[object] = []
    endless.append(endless)
    return endless


def gives_half_a_pair() -> str:
    return "caf\ud83d"


def gives_a_book() -> str:
    return "x" * (LONGEST + 1)


def says_a_lot() -> str:
    raise ValueError("x" * 2 * LONGEST)


def leaves() -> None:
    sys.exit("gone")


async def leaves_later() -> None:
    await trio.lowlevel.checkpoint()
    sys.exit("gone")


async def fails_in_a_group() -> None:
    async with trio.open_nursery():
        raise LookupError("no such city")


def is_cancelled() -> None:
    raise asyncio.CancelledError


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def has_no_words() -> None:
    raise UnspeakableError


def stops() -> None:
    raise StopIteration("enough")


@both_ways
@pytest.mark.parametrize(
    ("function", "what"),
    [
        (fails, "fails failed: LookupError: no such city"),
        (fails_later, "fails_later failed: LookupError: no such city"),
        (gives_a_lock, "the result cannot be written as JSON: "),
        (gives_itself, "the result cannot be written as JSON: "),
        (gives_a_book, "the result has 256001 characters; at most 256000"),
        (says_a_lot, "says_a_lot failed: ValueError: xxxx"),
        (leaves, "leaves failed: SystemExit: gone"),
        (leaves_later, "leaves_later failed: SystemExit: gone"),
        (fails_in_a_group, "fails_in_a_group failed: LookupError: no such city"),
        (is_cancelled, "is_cancelled failed: CancelledError: "),
        (has_no_words, "has_no_words failed: UnspeakableError"),
        (stops, "stops failed: "),
    ],
)
def test_whatever_goes_wrong_is_a_text_for_the_model(run: Run, function: Callable[..., object], what: str) -> None:
    result = run(Tools([function]), call(function.__name__))

    assert result.failed
    assert result.output.startswith(what)
    assert len(result.output) <= LONGEST


@both_ways
def test_half_of_a_surrogate_pair_does_not_spoil_a_result(run: Run) -> None:
    assert run(Tools([gives_half_a_pair]), call("gives_half_a_pair")) == ToolResult("call_1", "caf?")


async def test_an_async_function_that_takes_too_long_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async def slow() -> None:
        await trio.sleep(60)

    result = await Tools([slow], timeout=5).run_in_time(call("slow"))

    assert result == ToolResult("call_1", "slow took longer than 5 s, and was given up", failed=True)
    assert trio.current_time() == pytest.approx(5)


def test_an_async_function_that_takes_too_long_is_given_up_under_simulate_too() -> None:
    async def slow() -> None:
        await trio.sleep(60)

    assert Tools([slow], timeout=0.01).run(call("slow")).failed


async def test_a_thread_that_takes_too_long_is_left_alone_and_keeps_its_place() -> None:
    ended = threading.Event()

    def slow() -> str:
        ended.wait(60)
        return "late"

    tools = Tools([slow], timeout=0.05, at_once=1)
    try:
        first = await tools.run_in_time(call("slow"))
        second = await tools.run_in_time(call("slow", call_id="call_2"))
    finally:
        ended.set()

    assert (first.failed, second.failed) == (True, True)
    assert "longer than" in second.output


async def test_only_so_many_calls_run_at_once(autojump_clock: trio.testing.MockClock) -> None:
    running = 0
    most = 0

    async def busy() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1

    tools = Tools([busy], at_once=3)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(tools.run_in_time, call("busy", call_id=str(number)))

    assert most == 3
    assert trio.current_time() == pytest.approx(4)


async def test_who_calls_more_than_can_wait_is_told_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async def slow() -> str:
        await trio.sleep(1)
        return "done"

    tools = Tools([slow], at_once=1)
    results: list[ToolResult] = []

    async def one(number: int) -> None:
        results.append(await tools.run_in_time(call("slow", call_id=str(number))))

    async with trio.open_nursery() as nursery:
        for number in range(1 + WAITING + 2):
            nursery.start_soon(one, number)

    refused = [result for result in results if "64 calls wait already; call fewer at a time" in result.output]
    assert len(refused) == 2
    assert results[:2] == refused  # before anything else had ended
    assert all(result.failed for result in refused)


async def test_threads_that_do_not_end_use_up_no_more_than_there_are_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_engine.tools.THREADS", 2)
    ended = threading.Event()

    def slow() -> str:
        ended.wait(60)
        return "late"

    tools = Tools([slow, everyone], timeout=0.05)
    try:
        for _ in range(2):
            assert (await tools.anew().run_in_time(call("slow"))).failed
        other = tools.anew()
        assert (await other.run_in_time(call("everyone"))).failed
    finally:
        ended.set()

    other = Tools([everyone]).anew()
    assert (await other.run_in_time(call("everyone"))).output == "Anna, Berta, Clara"


async def test_a_call_that_waits_for_a_thread_in_vain_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_engine.tools.THREADS", 1)
    ended = threading.Event()

    def slow() -> str:
        ended.wait(60)
        return "late"

    tools = Tools([slow], timeout=0.05, at_once=1)
    try:
        assert (await tools.anew().run_in_time(call("slow"))).failed
        assert (await tools.run_in_time(call("slow"))).failed
        assert tools._places.available_tokens == 1
    finally:
        ended.set()


async def test_the_tools_of_another_conversation_have_places_of_their_own() -> None:
    tools = Tools([everyone], at_once=1)
    other = tools.anew()

    async with tools._places:
        result = await other.run_in_time(call("everyone"))

    assert result == ToolResult("call_1", "Anna, Berta, Clara")
    assert other.schemas == tools.schemas


async def test_a_function_that_is_not_async_runs_in_a_thread() -> None:
    def where() -> str:
        return threading.current_thread().name

    result = await Tools([where]).run_in_time(call("where"))

    assert result.output != threading.current_thread().name


async def sleeps() -> None:
    await trio.sleep_forever()


async def sleeps_in_a_group() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep_forever()


@pytest.mark.parametrize("function", [sleeps, sleeps_in_a_group])
async def test_a_call_that_is_cancelled_gives_no_result(function: Callable[..., object]) -> None:
    with trio.move_on_after(0.01) as scope:
        await Tools([function]).run_in_time(call(function.__name__))

    assert scope.cancelled_caught


async def test_no_signal_comes_to_a_thread_so_what_looks_like_ctrl_c_there_is_the_tools_own() -> None:
    def interrupts() -> None:
        raise KeyboardInterrupt

    result = await Tools([interrupts]).run_in_time(call("interrupts"))

    assert result == ToolResult("call_1", "the function has raised KeyboardInterrupt()", failed=True)


@both_ways
def test_ctrl_c_ends_more_than_a_call(run: Run) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Tools([interrupted]), call("interrupted"))


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as people write it: what it gives is not async itself."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@both_ways
@pytest.mark.parametrize(("function", "output"), [(remember, "null"), (everyone, "Anna, Berta, Clara")])
def test_a_function_behind_a_decorator_is_what_it_was(run: Run, function: Callable[..., Any], output: str) -> None:
    result = run(Tools([logged(function)]), call(function.__name__, '{"what":"Anna"}' if function is remember else ""))

    assert result == ToolResult("call_1", output)


def test_a_decorator_may_make_a_function_sync_that_was_not() -> None:
    @wraps(remember)
    def wrapper(what: str, kind: str) -> str:
        return f"{what} is a {kind}"

    assert Tools([wrapper]).run(call("remember", '{"what":"Anna"}')).output == "Anna is a name"


# --- added and removed ----------------------------------------------------------------------------------------


def test_tools_can_be_added_and_removed_each_name_once() -> None:
    tools = Tools([weather])
    others = tools.anew()
    tools.add(everyone)

    assert [schema.name for schema in tools.schemas] == ["weather", "everyone"]
    assert [schema.name for schema in others.schemas] == ["weather"]
    with pytest.raises(UsageError, match=r"^there is a tool 'weather' already: remove it first, or rename one$"):
        tools.add(weather)

    tools.remove("weather")

    assert "there is no function 'weather'; there are: everyone" in tools.run(call("weather")).output
    with pytest.raises(UsageError, match=r"^there is no tool 'weather'; there are: everyone$"):
        tools.remove("weather")
    with pytest.raises(UsageError, match=r"^there is no tool 'x'; there are: none$"):
        Tools().remove("x")


def test_the_numbers_of_the_command_line_are_those_of_the_library() -> None:
    assert (RunOptions().tool_timeout, RunOptions().tools_at_once) == (TIMEOUT, AT_ONCE)


def test_a_result_may_be_anything_that_json_carries() -> None:
    def anything() -> Any:
        return {"a": (1, 2.5, None, True)}

    assert Tools([anything]).run(call("anything")).output == '{"a":[1,2.5,null,true]}'
