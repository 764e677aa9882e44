"""What the model is told of a function comes from its name, its docstring and its annotations."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.commands import RunTool
from realtime_engine.errors import UsageError
from realtime_engine.signatures import read_docstring
from realtime_engine.tools import Tool, Tools


class Place(msgspec.Struct):
    """Where."""

    city: str
    country: str = "DE"


def told(function: Callable[..., object]) -> Any:
    return json.loads(bytes(Tool.of(function).schema.parameters))


def weather(
    place: Place, days: Annotated[int, msgspec.Meta(ge=1, description="How many days ahead.")] = 1
) -> list[float]:
    """The weather of the next days."""
    return [20.5] * days


async def remember(what: str, kind: Literal["name", "date"] = "name") -> None: ...


def test_a_schema_is_made_from_name_docstring_and_annotations() -> None:
    schema = Tool.of(weather).schema

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


def test_an_async_function_without_a_docstring_is_told_of_likewise() -> None:
    schema = Tool.of(remember).schema

    assert (schema.name, schema.description) == ("remember", "")
    assert told(remember)["properties"]["kind"] == {"enum": ["date", "name"], "default": "name"}


class Unit(Enum):
    """How warmth is told."""

    CELSIUS = "C"
    FAHRENHEIT = "F"


class Corner(NamedTuple):
    x: float
    y: float


class Size(TypedDict, total=False):
    width: int


@dataclass
class Tree:
    name: str
    leaves: "list[Tree]"


@pytest.mark.parametrize(
    ("kind", "schema", "given", "value"),
    [
        (bool, {"type": "boolean"}, True, True),
        (Unit, {"$ref": "#/$defs/Unit"}, "F", Unit.FAHRENHEIT),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),  # noqa: UP045 - as many write it
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "two", "two"),
        (list[Place], {"type": "array", "items": {"$ref": "#/$defs/Place"}}, [{"city": "Ulm"}], [Place("Ulm")]),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}, {"a": 1.5}, {"a": 1.5}),
        (Corner, {"$ref": "#/$defs/Corner"}, [1, 2], Corner(1, 2)),
        (Size, {"$ref": "#/$defs/Size"}, {"width": 3}, {"width": 3}),
        (date, {"type": "string", "format": "date"}, "2026-11-26", date(2026, 11, 26)),
        (
            Tree,
            {"$ref": "#/$defs/Tree"},
            {"name": "a", "leaves": [{"name": "b", "leaves": []}]},
            Tree("a", [Tree("b", [])]),
        ),
        (Any, {}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_types_are_told_and_come_back_as_what_they_are(kind: Any, schema: Any, given: Any, value: object) -> None:
    came: list[object] = []

    def take(what: Any) -> None:
        came.append(what)

    take.__annotations__["what"] = kind

    assert told(take)["properties"]["what"] == schema
    result = Tools([take]).run(RunTool("call_1", "take", json.dumps({"what": given})))
    assert (result.failed, came) == (False, [value])


def test_two_types_of_one_name_are_two() -> None:
    class Other(msgspec.Struct):
        x: int

    Other.__name__ = "Place"

    def move(start: Any, end: Any) -> None: ...

    move.__annotations__ |= {"start": Place, "end": Other}

    properties, parts = told(move)["properties"], told(move)["$defs"]
    names = [properties[each]["$ref"].removeprefix("#/$defs/") for each in ("start", "end")]
    assert [list(parts[name]["properties"]) for name in names] == [["city", "country"], ["x"]]


def test_a_default_is_told_if_json_can_carry_it_and_is_the_very_object_of_the_function() -> None:
    came: list[object] = []
    tags, nothing = ["a"], object()

    def save(tags: list[str] = tags, place: Place = Place("Ulm"), many: int = None, left: Any = nothing) -> None:  # type: ignore[assignment] # noqa: B008, RUF013 - as people write it
        came.extend([tags, place, many, left])

    properties = told(save)["properties"]

    assert [properties[name].get("default", "not told") for name in properties] == [
        ["a"],
        {"city": "Ulm", "country": "DE"},
        None,
        "not told",
    ]
    assert told(save)["required"] == []
    Tools([save]).run(RunTool("call_1", "save", "{}"))
    assert came[0] is tags
    assert came[1:] == [Place("Ulm"), None, nothing]


def plan(route: list[str], days: int = 1, unit: Annotated[str, msgspec.Meta(description="C or F.")] = "C") -> None:
    """Plan a journey.

    By train only.

    Args:
        route: The cities on the way,
            the first and the last among them.
        days (int, optional): How long
            it may take: at most 9.
        unit: Said twice.
        luggage: There is no such parameter.

    Returns:
        Nothing.
    """


def test_args_of_a_docstring_describe_the_parameters_and_the_rest_the_function() -> None:
    properties = told(plan)["properties"]

    assert Tool.of(plan).schema.description == "Plan a journey.\n\nBy train only.\n\nReturns:\n    Nothing."
    assert {name: told["description"] for name, told in properties.items()} == {
        "route": "The cities on the way, the first and the last among them.",
        "days": "How long it may take: at most 9.",
        "unit": "C or F.",
    }


@pytest.mark.parametrize(
    ("text", "function", "parameters"),
    [
        ("", "", {}),
        ("Args:\n    x: One.", "", {"x": "One."}),
        ("Do.\n\nArguments:\n\n  x: One.\n\n    More.\n  y\n\nEnd.", "Do.\n\nEnd.", {"x": "One. More."}),
        ("Do.\n\nArgs:\nx: One.", "Do.\n\nx: One.", {}),
        ("Do.\n\nArgs: none.", "Do.\n\nArgs: none.", {}),
        ("Do.\n\nParameters:\n", "Do.", {}),
    ],
)
def test_a_docstring_is_read_as_far_as_it_has_args(text: str, function: str, parameters: dict[str, str]) -> None:
    assert read_docstring(text) == (function, parameters)


def untyped(city) -> str:  # type: ignore[no-untyped-def]
    return str(city)


def many(*cities: str) -> str:
    return str(cities)


def by_place(city: str, /) -> str:
    return city


def no_json(where: Callable[[], str]) -> str:
    return where()


def either(thing: Place | Tree) -> None: ...


class Door:
    """No data."""


def door(door: Door) -> None: ...


def misspelt(city: "Citty") -> str:  # type: ignore[name-defined]  # noqa: F821
    return str(city)


def not_there(city: "json.Citty") -> str:  # type: ignore[name-defined]
    return str(city)


def größe(city: str) -> str:
    return city


def counts(city: str) -> Iterator[str]:
    yield city


async def counts_later(city: str) -> AsyncIterator[str]:
    yield city


def mangled(__city: str) -> str:  # noqa: PYI063 - not what is meant here
    return __city


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (untyped, "'city' has no type"),
        (many, "cities: str cannot be given by name"),
        (by_place, "city: str cannot be given by name"),
        (no_json, "Callable"),
        (either, "more than one"),
        (door, "to the model: type <class 'tests.test_signatures.Door'> is not supported"),
        (misspelt, "'Citty' is not defined; a type must be there when the module has been loaded"),
        (not_there, "has no attribute 'Citty'"),
        (größe, "a name of 1 to 64 letters a to z, digits and _"),
        (mangled, "__city"),
        (counts, "it yields, and a call has one result"),
        (counts_later, "it yields, and a call has one result"),
    ],
)
def test_a_function_that_cannot_be_offered_is_named(function: Callable[..., object], what: str) -> None:
    with pytest.raises(UsageError, match="cannot be offered") as caught:
        Tools([function])

    assert f"the tool {function.__name__!r}" in str(caught.value)
    assert what in str(caught.value)


class Lamp:
    """Can be called, and has no name."""

    def __call__(self, on: bool) -> str:
        return f"it is {'on' if on else 'off'}"


@pytest.mark.parametrize("nameless", [partial(by_place, "Lisbon"), Lamp()])
def test_what_has_no_name_cannot_be_offered(nameless: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="has no name by which the model could call it: define a function around it"):
        Tools([nameless])


# --- whatever there is ----------------------------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(["Do.", "", "Args:", "Arguments: ", "    x: One.", "        More.", "  y (int): Two.", "z"])
    )
)
def test_any_docstring_can_be_read_and_without_args_it_stays_as_it_is(lines: list[str]) -> None:
    text = "\n".join(lines)

    function, parameters = read_docstring(text)

    assert set(parameters) <= {"x", "y"}
    assert all("\n" not in said for said in parameters.values())
    if not any(line.startswith("Arg") for line in lines):
        assert (function, parameters) == (text.strip(), {})


PLACES = st.builds(Place, st.text(), st.text())
TREES = st.recursive(
    st.builds(Tree, st.text(), st.just([])),
    lambda trees: st.builds(Tree, st.text(), st.lists(trees, max_size=3)),
    max_leaves=5,
)


@given(
    tree=TREES,
    places=st.dictionaries(st.text(), PLACES),
    unit=st.sampled_from(Unit),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1)),
    text=st.none() | st.text(),
)
def test_what_a_schema_describes_comes_as_it_was_meant(**meant: object) -> None:
    came: dict[str, object] = {}

    def take(tree: Tree, places: dict[str, Place], unit: Unit, numbers: list[int], text: str | None = None) -> None:
        came.update(tree=tree, places=places, unit=unit, numbers=numbers, text=text)

    Tool.of(take).bind(msgspec.json.encode(meant).decode())()

    assert came == meant


@given(
    arguments=st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats(-9, 9) | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.sampled_from(["place", "days", "city", "x"]), some),
        max_leaves=6,
    ).map(json.dumps)
)
def test_whatever_a_model_sends_gives_a_result(arguments: str) -> None:
    result = Tools([weather]).run(RunTool("call_1", "weather", arguments))

    assert (
        result.output.startswith("wrong arguments for weather: ")
        if result.failed
        else result.output.startswith("[20.5")
    )


# --- what the engine fills in ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wired:
    url: str = "https://weather.example"


@dataclass(frozen=True)
class Options(Wired):
    key: str = ""


def ask(wired: Wired, city: str) -> str:
    return f"{wired.url}/{city}"


def test_options_are_given_by_the_engine_and_the_model_sees_nothing_of_them() -> None:
    tools = Tools([ask, weather], options=Options("https://here.example"))

    assert list(json.loads(bytes(tools.schemas[0].parameters))["properties"]) == ["city"]
    assert tools.run(RunTool("call_1", "ask", '{"city":"Ulm"}')).output == "https://here.example/Ulm"
    assert tools.run(RunTool("call_2", "ask", '{"city":"Ulm","wired":{}}')).failed
    assert tools.run(RunTool("call_3", "weather", '{"place":{"city":"Ulm"}}')).output == "[20.5]"


def test_each_parameter_of_that_type_is_filled_also_one_that_may_be_none() -> None:
    def compare(one: Options, other: Wired, third: Options | None = None, fourth: Optional[Wired] = None) -> list[str]:  # noqa: UP045 - as many write it
        return [each.url if each else "none" for each in (one, other, third, fourth)]

    tools = Tools([compare], options=Options("https://here.example"))

    assert json.loads(bytes(tools.schemas[0].parameters))["properties"] == {}
    assert json.loads(tools.run(RunTool("call_1", "compare", "")).output) == ["https://here.example"] * 4


def test_without_options_nothing_is_filled() -> None:
    def ask(nothing: None, city: str | None) -> str:
        return f"{nothing} {city}"

    assert list(told(ask)["properties"]) == ["nothing", "city"]
    assert Tools([ask]).run(RunTool("call_1", "ask", '{"nothing":null,"city":null}')).output == "None None"
