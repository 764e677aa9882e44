"""A conversation at one moment, drawn for a terminal."""

import io
from math import inf

import pytest
from rich.console import Console

from cli.scene import Drawing
from realtime_engine.show import Scene, Who


def drawn(scene: Scene, width: int = 60, encoding: str = "utf-8") -> list[str]:
    """The lines, without their colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width)
    with console.capture() as lines:
        console.print(Drawing(scene))
    return [line.rstrip() for line in lines.get().splitlines()]


def test_a_scene_says_who_speaks_how_loud_and_what() -> None:
    scene = Scene(
        seconds=83.4,
        state="the model speaks",
        speaking=Who.MODEL,
        levels=(-inf, -15.0),
        words=((Who.MODEL, "It is sunny in"),),
        answered=(0.64, 0.7),
        tokens=(1234, 56),
        keys=(("m", "microphone on or off"), ("q", "quit")),
    )

    assert drawn(scene, width=70) == [
        "  1:23  the model speaks",
        "  you   ░░░░░░░░░░░░░░░░░░░░",
        "  model ███████████████░░░░░",
        "        It is sunny in",
        "  answered after 0.64 s, median 0.70 s   1,234 tokens in, 56 out",
        "  m microphone on or off   q quit",
    ]


def test_what_is_not_known_yet_takes_no_line() -> None:
    assert drawn(Scene(seconds=0.0, state="the session begins")) == [
        "  0:00  the session begins",
        "  you   ░░░░░░░░░░░░░░░░░░░░",
        "  model ░░░░░░░░░░░░░░░░░░░░",
    ]


def test_of_a_long_turn_the_newest_lines_are_seen() -> None:
    words = " ".join(f"w{number:03}" for number in range(200))

    lines = drawn(Scene(seconds=0.0, state="", words=((Who.MODEL, words),)))[3:]

    assert len(lines) == 3
    assert lines[-1].endswith("w199")


def test_what_is_written_is_seen_with_its_end() -> None:
    assert drawn(Scene(seconds=0.0, state="", typed="Hello?"))[-1] == "  type  Hello?_"
    assert drawn(Scene(seconds=0.0, state="", typed="x" * 100 + "end"), width=20)[-1] == "  type  xxxxxxxend_"
    assert drawn(Scene(seconds=0.0, state="", typed="日本語" * 9), width=20)[-1] == "  type  本語日本語_"


@pytest.mark.parametrize("width", [1, 5, 9, 30])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    scene = Scene(
        seconds=0.0,
        state="the model speaks",
        words=((Who.PERSON, "one two three"), (Who.MODEL, "x" * 50)),
        typed="Hello?",
        keys=(("q", "quit"),),
    )

    assert max(map(len, drawn(scene, width))) <= width


def test_nothing_that_is_said_commands_the_terminal() -> None:
    scene = Scene(seconds=0.0, state="", words=((Who.MODEL, "\x1b[2JHa\n!"),), typed="\x1b[A")

    assert not any("\x1b" in line for line in drawn(scene))


def test_a_terminal_that_knows_no_blocks_has_levels_too() -> None:
    assert drawn(Scene(seconds=0.0, state="", levels=(0.0, -30.0)), encoding="ascii")[1:] == [
        "  you   " + "#" * 20,
        "  model " + "#" * 10 + "-" * 10,
    ]
