"""``engine serve`` in a process of its own, at a port that is free, as its users have it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parent.parent
_OPEN: Final = re.compile(r"(https?|tcp)://([^/\s]+)")
PATIENCE: Final = 60.0  # seconds


class Served:
    """A server that runs.

    Attributes:
        scheme, address: ``http`` or ``https``; host and port.
        said: The lines that it has written to standard error so far.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.said: list[str] = []
        self._told = False
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()
        opened = _OPEN.search(self.await_line("://"))
        assert opened is not None
        self.scheme, self.address = opened.groups()

    @property
    def http(self) -> str:
        """Where the page is, without a slash."""
        return f"{self.scheme}://{self.address}"

    @property
    def realtime(self) -> str:
        """Where Realtime clients connect."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.address}/v1/realtime"

    def await_line(self, part: str) -> str:
        """The first line with this in it, as soon as it is said."""

        def found() -> str | None:
            return next((line for line in self.said if part in line), None)

        with self._more:
            self._more.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE)
        line = found()
        assert line is not None, f"{part!r} was never said:\n{''.join(self.said)}"
        return line

    def tell(self, number: int) -> None:
        """Send a signal."""
        self._told = True
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its status, once it has ended, as it was told or else is now, and all is read that it said."""
        if not self._told:
            self.tell(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def _read(self, stderr: IO[str]) -> None:
        for line in stderr:
            with self._more:
                self.said.append(line)
                self._more.notify_all()
        with self._more:
            self._more.notify_all()


@contextmanager
def serving(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None, status: int = 0
) -> Iterator[Served]:
    """Run a command that serves as long as the block lasts, then ask for the end: it must come by itself."""
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            server = Served(process)
            yield server
            assert server.ended() == status, "".join(server.said)
        finally:
            process.kill()


@contextmanager
def served(
    *flags: str | Path,
    env: Mapping[str, str] = {},
    cwd: Path = ROOT,
    status: int = 0,
    within: Sequence[str] = (),
) -> Iterator[Served]:
    """Serve as long as the block lasts, then ask for the end: it must come by itself, and with this status.

    ``within`` is a command that ends by becoming the one that follows it.
    """
    command = [*within, sys.executable, "-m", "cli", "serve", "--port", "0", *map(str, flags)]
    with serving(command, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, cwd=cwd, status=status) as server:
        yield server


def with_mounts(script: str) -> Sequence[str]:
    """A command that sees its own mounts, made by a shell script, and nobody else sees them."""
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    return [*alone, "sh", "-euc", f'{script}; exec "$@"', "sh"]


@contextmanager
def serving_http(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A small HTTP server on this computer: its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
