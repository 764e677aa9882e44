"""A conversation on the terminal: lines as it happens, and a bar while a file is spoken."""

import io
from contextlib import suppress

import pytest
from rich.console import Console

from cli.screen import Screen, open_screen
from realtime_engine.show import Scene, Who
from tests.cli.fake import Broken


def test_a_line_says_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    with open_screen(stdout_is_taken=False) as screen:
        screen.line(1.234, Who.PERSON, "[b]Hello?[/b] " + "x" * 200)
        screen.say("that was it")

    assert capsys.readouterr().out == f"    1.23 s  you    [b]Hello?[/b] {'x' * 200}\nthat was it\n"


def test_nothing_that_a_model_says_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with open_screen(stdout_is_taken=False) as screen:
        screen.line(0.0, Who.MODEL, "\x1b[2JHa\n!\a")

    assert capsys.readouterr().out == "    0.00 s  model   [2JHa ! \n"


def test_words_go_elsewhere_when_standard_output_carries_sound(capsys: pytest.CaptureFixture[str]) -> None:
    with open_screen(stdout_is_taken=True) as screen:
        screen.line(0.0, Who.MODEL, "Hello!")
        screen.hint("by the way")

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "    0.00 s  model  Hello!\nengine: by the way\n"


def test_a_pipe_is_told_once_a_minute_how_far_a_file_is(capsys: pytest.CaptureFixture[str]) -> None:
    with open_screen(stdout_is_taken=False) as screen:
        for tenth in range(1, 1300):
            screen.progress("long.wav", tenth / 10, 130.0)
        screen.line(130.0, Who.MODEL, "Aha.")
        screen.progress("next.wav", 60.0, None)

    assert capsys.readouterr().out.splitlines() == [
        "  … long.wav: 1:00 of 2:10",
        "  … long.wav: 2:00 of 2:10",
        "  130.00 s  model  Aha.",
        "  … next.wav: 1:00 of ?",
    ]


HIDDEN, SHOWN, ERASED = "\x1b[?25l", "\x1b[?25h", "\x1b[1A\x1b[2K"
"""The cursor is hidden, or shown; the line above is erased (ECMA-48, and the VT220's DECTCEM)."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def below(screen: Screen) -> str:
    """What is drawn below the lines."""
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as drawn:
        console.print(screen.below())
    return drawn.get()


def test_a_terminal_has_a_bar_until_the_file_is_over_or_somebody_speaks() -> None:
    screen = Screen(Console(file=io.StringIO(), force_terminal=True), lively=True)

    screen.progress("question.wav", 1.0, 11.0)
    screen.progress("question.wav", 2.0, 11.0)
    assert below(screen).startswith("  question.wav 0:02 of 0:11 ")
    screen.progress("question.wav", 11.0, 11.0)
    assert not below(screen).strip()
    screen.progress("-", 1.0, None)
    assert below(screen).startswith("  - 0:01 of ? ")
    screen.line(1.0, Who.MODEL, "Yes?")
    assert not below(screen).strip()
    screen.close()


def test_a_terminal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)

    with open_screen(stdout_is_taken=False) as screen:
        screen.progress("question.wav", 1.0, 11.0)
        screen.line(1.0, Who.PERSON, "Hello?")

    assert "Hello?" in terminal.getvalue()
    assert "question.wav" in terminal.getvalue()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BrokenPipeError(32, "Broken pipe"), ""),
        (OSError(28, "No space left on device"), "engine: nothing more is shown: No space left on device\n"),
    ],
)
def test_a_screen_that_cannot_be_written_falls_silent_and_the_conversation_goes_on(
    error: OSError, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Broken(error)
    monkeypatch.setattr("sys.stdout", broken)

    with open_screen(stdout_is_taken=False) as screen:
        screen.line(0.0, Who.PERSON, "Hello?")
        screen.line(1.0, Who.MODEL, "Hello!")
        screen.say("that was it")

    assert broken.tried == 1
    assert capsys.readouterr().err == told


def test_a_hint_that_nobody_can_read_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(BrokenPipeError(32, "Broken pipe"))
    monkeypatch.setattr("sys.stderr", broken)

    with open_screen(stdout_is_taken=False) as screen:
        screen.hint("by the way")

    assert broken.tried == 1


def test_a_scene_is_below_the_lines_until_it_is_over() -> None:
    terminal = io.StringIO()
    screen = Screen(Console(file=terminal, force_terminal=True, width=80), lively=True)

    screen.scene(Scene(seconds=61.0, state="you speak"))
    assert below(screen).splitlines()[0] == "  1:01  you speak"
    assert HIDDEN in terminal.getvalue()
    screen.line(61.0, Who.PERSON, "Hello?")
    screen.scene(None)

    assert "Hello?" in terminal.getvalue()
    assert terminal.getvalue().rindex("you speak") < terminal.getvalue().rindex(2 * ERASED), "and no line is left"
    assert terminal.getvalue().rindex(SHOWN) > terminal.getvalue().rindex(HIDDEN)


def test_a_pipe_has_no_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    with open_screen(stdout_is_taken=False) as screen:
        assert not screen.lively
        screen.scene(Scene(seconds=1.0, state="you speak"))

    assert capsys.readouterr().out == ""


def test_a_terminal_is_given_back_when_a_conversation_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)

    with suppress(RuntimeError), open_screen(stdout_is_taken=False) as screen:
        screen.scene(Scene(seconds=1.0, state="you speak"))
        raise RuntimeError

    assert terminal.getvalue().rindex(SHOWN) > terminal.getvalue().rindex(HIDDEN)


def test_a_terminal_that_is_gone_ends_the_scenes_and_not_the_conversation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(Broken):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    gone = Gone(OSError(5, "Input/output error"))
    monkeypatch.setattr("sys.stdout", gone)

    with open_screen(stdout_is_taken=False) as screen:
        screen.scene(Scene(seconds=1.0, state="you speak"))
        tried = gone.tried
        screen.scene(Scene(seconds=1.1, state="you speak"))
        screen.line(1.2, Who.PERSON, "Hello?")

    assert gone.tried == tried
    assert capsys.readouterr().err == "engine: nothing more is shown: Input/output error\n"
