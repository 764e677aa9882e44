"""The model may call the functions of a module; whatever goes wrong is a text that it can read."""

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import trio
import trio.lowlevel
import trio.testing

from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.inputs import ToolResult
from realtime_engine.tools import LONGEST, Tools, load_tools


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


# --- what the model is told -----------------------------------------------------------------------------------


def test_a_schema_is_made_from_name_docstring_and_annotations() -> None:
    schema, *others = Tools([weather, remember, everyone]).schemas

    assert (schema.name, schema.description) == ("weather", "The weather of the next days.")
    assert json.loads(bytes(schema.parameters)) == {
        "type": "object",
        "properties": {
            "place": {"$ref": "#/$defs/Place"},
            "days": {"type": "integer", "minimum": 1, "description": "How many days ahead.", "default": 1},
        },
        "required": ["place"],
        "additionalProperties": False,
        "$defs": {
            "Place": {
                "title": "Place",
                "description": "Where.",
                "type": "object",
                "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "DE"}},
                "required": ["city"],
            }
        },
    }
    assert [(each.name, each.description) for each in others] == [("remember", ""), ("everyone", "")]
    assert json.loads(bytes(others[0].parameters))["properties"]["kind"] == {
        "enum": ["date", "name"],
        "default": "name",
    }


def untyped(city) -> str:  # type: ignore[no-untyped-def]
    return str(city)


def many(*cities: str) -> str:
    return str(cities)


def by_place(city: str, /) -> str:
    return city


def no_json(where: Callable[[], str]) -> str:
    return where()


def misspelt(city: "Citty") -> str:  # type: ignore[name-defined]  # noqa: F821
    return str(city)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (untyped, "'city' has no type"),
        (many, "cities: str cannot be given by name"),
        (by_place, "city: str cannot be given by name"),
        (no_json, "Callable"),
        (misspelt, "'Citty' is not defined"),
    ],
)
def test_a_function_that_cannot_be_offered_is_named(function: Callable[..., object], what: str) -> None:
    with pytest.raises(UsageError, match="cannot be offered") as caught:
        Tools([function])

    assert f"the tool {function.__name__!r}" in str(caught.value)
    assert what in str(caught.value)


# --- how they are run -----------------------------------------------------------------------------------------


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


async def test_a_call_that_is_cancelled_gives_no_result() -> None:
    async def slow() -> None:
        await trio.sleep_forever()

    with trio.move_on_after(0) as scope:
        await Tools([slow]).run_in_time(call("slow"))

    assert scope.cancelled_caught


# --- where they come from -------------------------------------------------------------------------------------

MODULE = '''
"""Tools."""
from json import dumps
from pathlib import Path
{more}

def second(text: str) -> str:
    """Say it twice."""
    return text + text

def first() -> Path:
    return Path("x")

def _hidden() -> None: ...

class Helper:
    def method(self) -> None: ...

number = 5
later = second
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, which modules can be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return tmp_path


def names(tools: Tools) -> list[str]:
    return [schema.name for schema in tools.schemas]


def test_the_public_functions_of_a_file_are_the_tools_in_their_order(folder: Path) -> None:
    (folder / "beside.py").write_text("HERE = 1\n")
    (folder / "my-tools.py").write_text(MODULE.format(more="from beside import HERE"))

    tools = load_tools("my-tools.py")

    assert names(tools) == ["second", "first"]
    assert tools.run(call("second", '{"text":"ha"}')).output == "haha"


def test_a_module_is_found_by_its_import_path_from_the_current_folder(folder: Path) -> None:
    package = folder / "a_package_of_tools"
    package.mkdir()
    (package / "house.py").write_text(MODULE.format(more=""))

    assert names(load_tools("a_package_of_tools.house")) == ["second", "first"]
    assert names(load_tools("a_package_of_tools.house")) == ["second", "first"]


def test_loading_twice_adds_nothing_to_the_path_twice(folder: Path) -> None:
    (folder / "twice_tools.py").write_text("def f() -> None: ...\n")

    load_tools("twice_tools.py")
    once = list(sys.path)
    load_tools("twice_tools.py")

    assert sys.path == once


@pytest.mark.parametrize(
    ("module", "source", "what"),
    [
        ("gone.py", None, "there is no such file"),
        ("gone_away", None, "No module named 'gone_away'"),
        ("broken.py", "def f(:\n", "SyntaxError"),
        ("failing.py", "1 / 0\n", "ZeroDivisionError"),
        ("leaving.py", "raise SystemExit(0)\n", "SystemExit"),
        ("nothing.py", "from json import dumps\n", "no public function"),
    ],
)
def test_a_module_that_gives_no_tools_is_said(folder: Path, module: str, source: str | None, what: str) -> None:
    if source is not None:
        (folder / module).write_text(source)

    with pytest.raises(UsageError, match=f"--tools {module}: ") as caught:
        load_tools(module)

    assert what in str(caught.value)


def test_a_result_may_be_anything_that_json_carries() -> None:
    def anything() -> Any:
        return {"a": (1, 2.5, None, True)}

    assert Tools([anything]).run(call("anything")).output == '{"a":[1,2.5,null,true]}'
