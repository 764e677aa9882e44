"""A conversation in a real terminal, at a sound card that is not there."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.sound import resample
from tests.cli.fake import engine
from tests.soundcard import RATE, VirtualCard, open_card, wait_for
from tests.system.test_device import JFK, ROOT
from tests.terminal import Terminal, open_terminal


@pytest.fixture
def card() -> Iterator[VirtualCard]:
    with open_card() as card:
        yield card


@pytest.fixture
def terminal(card: VirtualCard) -> Iterator[Terminal]:
    with open_terminal(ROOT, card.env) as terminal:
        yield terminal


def talk(terminal: Terminal, tmp_path: Path, *flags: str) -> None:
    """Begin a conversation; the terminal's mode is noted before it, and after it."""
    command = [sys.executable, "-m", "cli", "run", "--transport", "device", "--upstream", "local", "--speech", "tones"]
    words = shlex.join([*command, "--record", str(tmp_path / "recordings"), *flags])
    terminal.enter(f"stty -g > {tmp_path}/before; {words}; echo ended: $?; stty -g > {tmp_path}/after")
    terminal.wait_for("q quit")


def is_as_it_was(terminal: Terminal, tmp_path: Path, status: int) -> None:
    """The conversation ends so, and has left the terminal as it found it."""
    terminal.wait_for(f"ended: {status}")
    wait_for(lambda: (tmp_path / "after").exists() and (tmp_path / "after").read_text() != "", "the shell")
    assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()
    assert terminal.shows_cursor
    assert "░" not in terminal.screen
    assert "q quit" not in terminal.screen
    (recording,) = (tmp_path / "recordings").iterdir()
    assert json.loads((recording / "recording.json").read_text())["ended"]["complete"]
    assert engine("replay", recording) == 0


def test_push_to_talk_by_the_keys_of_a_terminal(card: VirtualCard, terminal: Terminal, tmp_path: Path) -> None:
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    question = resample(sound[: int(2.3 * rate), 0], rate, RATE)
    talk(terminal, tmp_path, "--mode", "ptt", "--block-ms", "20", "--latency", "0.1")

    with card.hear() as heard:
        terminal.press("Space")
        terminal.wait_for("you speak")
        card.speak(question)
        terminal.press("Space")
        terminal.wait_for("answered after")
        terminal.wait_for("model  [")
        assert np.abs(heard()).max() > 0.1
    terminal.press("t")
    terminal.press("-l", "quite so, is it?")
    terminal.wait_for("type  quite so, is it?_")
    terminal.press("Enter")
    terminal.wait_for("you    quite so, is it?")
    terminal.press("q")

    is_as_it_was(terminal, tmp_path, 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_interrupts_gets_terminal_and_card_back_as_they_were(
    card: VirtualCard, terminal: Terminal, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    talk(terminal, tmp_path)
    wait_for(lambda: card.in_use, "the card to be taken")  # where it lags it is opened anew just now
    if number is signal.SIGINT:
        terminal.press("C-c")
    else:
        os.kill(terminal.running, number)

    is_as_it_was(terminal, tmp_path, status)
    wait_for(lambda: not card.in_use, "the card to be let go")


def test_who_stops_it_gets_the_terminal_as_it_was_and_it_goes_on(
    card: VirtualCard, terminal: Terminal, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cli", "run", "--transport", "device", "--upstream", "local", "--speech", "tones"]
    terminal.enter(f"stty -g > {tmp_path}/before; {shlex.join(command)} --echo off")
    terminal.wait_for("q quit")
    os.kill(terminal.running, signal.SIGTSTP)
    terminal.wait_for("Stopped")
    assert terminal.shows_cursor
    assert "q quit" not in terminal.screen
    terminal.enter(f"stty -g > {tmp_path}/after; fg; echo ended: $?")
    wait_for(lambda: (tmp_path / "after").exists() and (tmp_path / "after").read_text() != "", "the shell")
    assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()
    terminal.wait_for("q quit")
    terminal.press("q")
    terminal.wait_for("ended: 0")


def test_a_window_that_is_closed_leaves_a_complete_recording(
    card: VirtualCard, terminal: Terminal, tmp_path: Path
) -> None:
    talk(terminal, tmp_path)
    terminal.ask("new-window")  # with the last one the server would go
    terminal.ask("kill-window", "-t", "0")

    (recording,) = (tmp_path / "recordings").iterdir()
    about = recording / "recording.json"
    wait_for(lambda: '"complete":true' in about.read_text().replace(" ", ""), "the end of the recording")
    assert json.loads(about.read_text())["ended"]["reason"] == "interrupted"
    wait_for(lambda: not card.in_use, "the card to be let go")
    assert engine("replay", recording) == 0


def test_lines_that_are_pasted_are_one_message(card: VirtualCard, terminal: Terminal, tmp_path: Path) -> None:
    talk(terminal, tmp_path)
    terminal.ask("set-buffer", "grüß dich\nquit\n")
    terminal.ask("paste-buffer", "-p")
    terminal.press("t")
    terminal.ask("paste-buffer", "-p")
    terminal.wait_for("type  grüß dich quit _")
    terminal.press("Enter")
    terminal.wait_for("you    grüß dich quit")
    terminal.press("q")

    is_as_it_was(terminal, tmp_path, 0)
