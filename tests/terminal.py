"""A real terminal: a shell in tmux, whose keys are pressed and whose screen is read."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soundcard import WITHIN, wait_for


class Terminal:
    """One that is open; made by `open_terminal`."""

    def __init__(self, socket: Path, env: Mapping[str, str]) -> None:
        self._tmux = ("tmux", "-S", str(socket), "-f", "/dev/null")
        self._env = env

    @property
    def screen(self) -> str:
        """What is to be seen."""
        return self.ask("capture-pane", "-p")

    @property
    def shows_cursor(self) -> bool:
        return self.ask("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def running(self) -> int:
        """The process that the shell has begun."""
        shell = self.ask("display-message", "-p", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def press(self, *keys: str) -> None:
        """Keys by tmux's names for them: Space, Enter, C-c, or characters."""
        self.ask("send-keys", *keys)

    def enter(self, command: str) -> None:
        """A line for the shell."""
        self.ask("send-keys", "-l", command)
        self.press("Enter")

    def wait_for(self, words: str) -> None:
        """Wait until something is to be seen."""
        try:
            wait_for(lambda: words in self.screen, words)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is: {self.screen}") from None

    def ask(self, *command: str) -> str:
        return subprocess.run(
            [*self._tmux, *command], env=self._env, check=True, stdout=subprocess.PIPE, text=True, timeout=WITHIN
        ).stdout


@contextmanager
def open_terminal(folder: Path, env: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal in a folder, for as long as the block lasts; what runs in it then is hung up."""
    with TemporaryDirectory(prefix="tmux-") as name:  # a socket's path must be short
        terminal = Terminal(Path(name) / "socket", {**env, "LC_ALL": "C.UTF-8", "TERM": "xterm"})
        terminal.ask("new-session", "-d", "-x", "120", "-y", "40", "-c", str(folder), "/bin/sh")
        try:
            wait_for(lambda: terminal.screen.strip() != "", "the shell")
            yield terminal
        finally:
            terminal.ask("kill-server")
