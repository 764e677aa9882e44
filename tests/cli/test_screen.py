"""A conversation on the terminal: lines as it happens, and a bar while a file is spoken."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from cli.screen import Screen, open_screen
from realtime_engine.show import Who
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


def test_a_terminal_has_a_bar_until_the_file_is_over_or_somebody_speaks() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    bar = Progress(console=console)
    screen = Screen(console, bar)

    screen.progress("question.wav", 1.0, 11.0)
    screen.progress("question.wav", 2.0, 11.0)
    assert [(task.description, task.completed, task.total) for task in bar.tasks] == [
        ("question.wav 0:02 of 0:11", 2.0, 11.0)
    ]
    screen.progress("question.wav", 11.0, 11.0)
    assert not bar.tasks
    screen.progress("-", 1.0, None)
    assert bar.tasks[0].total is None
    screen.line(1.0, Who.MODEL, "Yes?")
    assert not bar.tasks


def test_a_terminal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

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
