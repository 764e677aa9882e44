"""Flags are made from a plug-in's options: names, types and defaults from its fields, help from its docstring."""

from dataclasses import dataclass, field
from pathlib import Path

import pydantic  # noqa: F401 - where it is loaded, cyclopts checks values with it
import pytest
from cyclopts import App
from cyclopts.exceptions import CycloptsError

from cli.flags import arguments_of, field_docs, make


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a plug-in is made from.

    Attributes:
        host_name: Where it
            is; ``-`` is here.
        ports: Which.
        quiet: Say nothing.
        path: Not a flag.

    More of the docstring.
        not: a field
    """

    host_name: str
    ports: tuple[int, ...] = ()
    tags: list[str] = field(default_factory=lambda: ["a"])
    quiet: bool = False
    words: tuple[object, ...] = field(default=(), metadata={"flags": {"--upper": str.upper, "--file": Path}})
    path: Path | None = None


def parsed(*tokens: str, options: type = Options) -> dict[str, object]:
    """What cyclopts makes of a command line."""
    from inspect import Signature

    given: dict[str, object] = {}

    def command(**flags: object) -> None:
        given.update(flags)

    arguments = arguments_of(options, group="Options", leave_out={"path"})
    command.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
    App(default_command=command, result_action="return_value")(tokens, exit_on_error=False, print_error=False)
    return given


def test_the_docstring_gives_the_help() -> None:
    assert field_docs(Options) == {
        "host_name": "Where it is; - is here.",
        "ports": "Which.",
        "quiet": "Say nothing.",
        "path": "Not a flag.",
    }


def test_a_class_without_docs_has_no_help() -> None:
    class Bare:
        pass

    assert field_docs(Bare) == {}


def test_values_have_the_fields_types_and_what_is_not_given_its_default() -> None:
    values = parsed("--host-name", "x", "--ports", "80", "--ports", "443", "--quiet")

    assert make(Options, values, path=Path("p")) == Options(
        host_name="x", ports=(80, 443), quiet=True, path=Path("p"), tags=["a"]
    )


@dataclass(frozen=True, kw_only=True)
class Numbers:
    port: int = 80
    most: int | None = None
    seconds: float | None = None


def test_a_number_is_taken_for_what_it_is() -> None:
    assert parsed("--port", "8000", "--most=-1", "--seconds", "1e3", options=Numbers) == {
        "port": 8000,
        "most": -1,
        "seconds": 1000.0,
    }


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (("--port", "80.5"), "--port: it must be a whole number"),
        (("--port", "eighty"), "--port: it must be a whole number"),
        (("--most", "2.0"), "--most: it must be a whole number"),
        (("--seconds", "1h"), "--seconds: it must be a number"),
    ],
)
def test_what_is_no_such_number_is_refused_and_not_rounded(tokens: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CycloptsError) as caught:
        parsed(*tokens, options=Numbers)

    assert problem in str(caught.value)


def test_a_flag_of_another_plug_in_is_not_taken() -> None:
    assert make(Options, {"host_name": "x", "other": 1}) == Options(host_name="x")


def test_a_field_that_makes_itself_has_no_flag() -> None:
    @dataclass(frozen=True)
    class Circle:
        radius: float
        area: float = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "area", 3 * self.radius**2)

    assert make(Circle, parsed("--radius", "2", options=Circle)).area == 12
    assert [argument.name for argument in arguments_of(Circle, group="")] == ["radius"]


def test_several_flags_can_fill_a_field_in_their_order() -> None:
    values = parsed("--host-name", "-", "--upper", "a", "--file=B", "--upper", "-c")

    assert make(Options, values).words == ("A", Path("B"), "-C")


def test_a_field_without_default_is_required() -> None:
    with pytest.raises(Exception, match="--host-name"):
        parsed()


def size(text: str) -> int:
    if not text.isdigit():
        raise ValueError("a size")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class More(Options):
    """Made from others.

    Attributes:
        quota: How much.
    """

    quota: int | None = field(default=None, metadata={"parse": size})
    headers: tuple[str, ...] = field(default=(), metadata={"secret": True})


def test_a_field_that_is_inherited_keeps_its_help() -> None:
    assert field_docs(More).keys() == {*field_docs(Options), "quota"}


def test_a_field_may_have_a_reader_of_its_own() -> None:
    assert parsed("--host-name", "x", "--quota", "12", options=More)["quota"] == 12
    with pytest.raises(Exception, match="it must be a size"):
        parsed("--host-name", "x", "--quota", "much", options=More)


def test_what_was_given_elsewhere_counts_where_no_flag_is_named() -> None:
    given = {"host_name": "file", "headers": ("secret",)}
    arguments = {argument.name: argument for argument in arguments_of(More, group="", given=given)}

    assert arguments["host_name"].default == "file"
    assert arguments["headers"].annotation.__metadata__[0].show_default is False
    assert make(More, given | parsed("--host-name", "flag", options=More)).host_name == "flag"
