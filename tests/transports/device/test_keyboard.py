"""The keyboard of a terminal, through a pseudo-terminal."""

import os
import pty
import signal
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from transports.device.keyboard import has_keyboard, open_keyboard


class Terminal:
    """A pseudo-terminal, as standard input."""

    def __init__(self) -> None:
        self.far, self.near = pty.openpty()

    def isatty(self) -> bool:
        return os.isatty(self.near)

    def fileno(self) -> int:
        return self.near

    def mode(self) -> list[object]:
        return list(termios.tcgetattr(self.near))

    def press(self, keys: bytes) -> None:
        os.write(self.far, keys)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdin", terminal)
    yield terminal
    for number in (terminal.far, terminal.near):
        if number >= 0:
            os.close(number)


async def test_each_key_comes_as_it_is_pressed_and_is_shown_by_nobody(terminal: Terminal) -> None:
    with trio.fail_after(10), open_keyboard() as keyboard:
        assert os.read(terminal.far, 100) == b"\x1b[?2004h", "what is pasted is to be marked"
        terminal.press(b"\x1b[A ")
        assert await keyboard.read() == [" "]
        terminal.press(b"\x13m\x1a\r")  # Ctrl-S and Ctrl-Z stop nothing
        keys: list[str] = []
        while len(keys) < 4:
            keys += await keyboard.read()
        assert keys == ["\x13", "m", "\x1a", "\r"]
        assert termios.tcgetattr(terminal.near)[3] & termios.ISIG, "Ctrl-C is still a signal"
        os.set_blocking(terminal.far, False)
        with pytest.raises(BlockingIOError):
            os.read(terminal.far, 100)


async def test_the_terminal_is_given_back_as_it_was(terminal: Terminal) -> None:
    before = terminal.mode()

    with open_keyboard():
        assert terminal.mode() != before
    assert terminal.mode() == before
    assert os.read(terminal.far, 100).endswith(b"\x1b[?2004l")


async def test_the_terminal_is_given_back_when_the_conversation_breaks_off(terminal: Terminal) -> None:
    before = terminal.mode()

    async with trio.open_nursery() as nursery:

        async def heed() -> None:
            with open_keyboard() as keyboard:
                nursery.cancel_scope.cancel()
                await keyboard.read()

        nursery.start_soon(heed)
    assert terminal.mode() == before


@pytest.mark.parametrize("asked", [True, False])
async def test_the_terminal_is_given_back_while_the_process_is_stopped_and_taken_when_it_goes_on(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, *, asked: bool
) -> None:
    before, as_a_shell_has_it = terminal.mode(), termios.tcgetattr(terminal.near)
    stopped: list[object] = []
    monkeypatch.setattr("transports.device.keyboard._stop", lambda: stopped.append(terminal.mode()))

    with trio.fail_after(10), open_keyboard() as keyboard:
        ours = terminal.mode()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keyboard.stand_by, lambda: stopped.append("hidden"))
            await trio.testing.wait_all_tasks_blocked()
            termios.tcsetattr(terminal.near, termios.TCSANOW, as_a_shell_has_it)
            signal.raise_signal(signal.SIGTSTP if asked else signal.SIGCONT)
            await trio.testing.wait_all_tasks_blocked()
            assert terminal.mode() == ours
            nursery.cancel_scope.cancel()

    assert stopped == (["hidden", before] if asked else [])
    assert terminal.mode() == before


async def test_a_terminal_that_is_gone_is_not_taken_again(terminal: Terminal) -> None:
    async with trio.open_nursery() as nursery:
        with open_keyboard() as keyboard:
            nursery.start_soon(keyboard.stand_by, lambda: None)
            await trio.testing.wait_all_tasks_blocked()
            os.close(terminal.far)
            terminal.far = -1
            signal.raise_signal(signal.SIGCONT)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_keys_end_where_the_terminal_is_gone(terminal: Terminal) -> None:
    with trio.fail_after(10), open_keyboard() as keyboard:
        os.close(terminal.far)
        terminal.far = -1
        assert await keyboard.read() == []


def test_a_terminal_is_a_keyboard_and_nothing_else_is(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_keyboard()
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert not has_keyboard()
    monkeypatch.setattr("sys.stdin", None)
    assert not has_keyboard()


@pytest.mark.parametrize(("group", "listens"), [(os.getpgrp(), True), (os.getpgrp() + 1, False)])
def test_who_is_in_the_background_has_no_keyboard(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, group: int, *, listens: bool
) -> None:
    monkeypatch.setattr("os.tcgetpgrp", lambda number: group)

    assert has_keyboard() is listens
