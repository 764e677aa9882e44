"""An upstream for tests of the command line: a scripted model, and the command run in this process."""

import io
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.app import main
from realtime_engine import finding
from realtime_engine.inputs import Side
from realtime_engine.link import Link
from realtime_engine.machine import Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.network import Network
from realtime_engine.plugins import ANYTHING, Wanted
from tests.script import Script, created, session_created
from tests.transports.wav_script import written


@dataclass(frozen=True)
class FakeOptions:
    """What the fake is made from.

    Attributes:
        patience: How many
            seconds it waits, ``inf`` too.
        loud: Whether it shouts.
    """

    patience: float = 1.5
    loud: bool = False


class Fake:
    """A scripted model; the script is set by the test."""

    Options: ClassVar[type] = FakeOptions
    name: str = "fake"
    model: ClassVar[Callable[[], Script]]
    options: ClassVar[FakeOptions]

    def __init__(self, options: FakeOptions) -> None:
        Fake.options = options

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        return Fake.model()


@dataclass(frozen=True)
class PathOptions:
    """What a reading upstream is made from."""

    path: Path


class Reading(Fake):
    """One that needs a path."""

    Options = PathOptions
    name = "reading"


class Wired:
    """One that lives in real time."""

    Options: ClassVar[type] = FakeOptions
    name: str = "wired"

    def __init__(self, options: FakeOptions) -> None: ...

    def open(
        self, clock: Callable[[], float], network: Network, wanted: Wanted = ANYTHING
    ) -> AbstractAsyncContextManager[Link]:
        return open_machine(Side.UPSTREAM, polite(), clock)


class Broken(io.StringIO):
    """Cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise self.error


def polite() -> Script:
    """A model that answers whatever is typed."""
    model = Script().on("connected", session_created())
    model.on("session.update", lambda event: [session_created() | {"type": "session.updated"}])
    return model.on("response.create", created(), written("Good day."))


def fake_plugins(monkeypatch: pytest.MonkeyPatch, model: Callable[[], Script] = polite) -> None:
    """Let the command line find them."""
    fakes = {"fake": Fake, "reading": Reading, "wired": Wired}
    monkeypatch.setattr(Fake, "model", staticmethod(model), raising=False)

    def find(group: str, name: str) -> type[Any]:
        return fakes.get(name) or finding.find(group, name)

    monkeypatch.setattr("cli.chosen.find", find)


def engine(*tokens: str | Path) -> int:
    """Run the command."""
    return main([str(token) for token in tokens])
