"""Flags are made from a plug-in's options: names, types and defaults from its fields, help from its docstring."""

from dataclasses import dataclass, field
from pathlib import Path

import pydantic  # noqa: F401 - where it is loaded, cyclopts checks values with it
import pytest
from cyclopts import App

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


def parsed(*tokens: str) -> dict[str, object]:
    """What cyclopts makes of a command line."""
    from inspect import Signature

    given: dict[str, object] = {}

    def command(**flags: object) -> None:
        given.update(flags)

    arguments = arguments_of(Options, group="Options", leave_out={"path"})
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


def test_a_flag_of_another_plug_in_is_not_taken() -> None:
    assert make(Options, {"host_name": "x", "other": 1}) == Options(host_name="x")


def test_several_flags_can_fill_a_field_in_their_order() -> None:
    values = parsed("--host-name", "-", "--upper", "a", "--file=B", "--upper", "-c")

    assert make(Options, values).words == ("A", Path("B"), "-C")


def test_a_field_without_default_is_required() -> None:
    with pytest.raises(Exception, match="--host-name"):
        parsed()
