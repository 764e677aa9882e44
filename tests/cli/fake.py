"""An upstream for tests of the command line: a scripted model, and the command run in this process."""

import gc
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from cli.app import main
from realtime_engine import finding
from realtime_engine.engine import Clock, OpenLink
from realtime_engine.inputs import Side
from realtime_engine.link import Link
from realtime_engine.machine import Close, Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.network import Network
from realtime_engine.options import SessionOptions
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.show import Show, Who
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


@dataclass(frozen=True)
class PhoneOptions:
    """None."""


class Phone:
    """A front that lives in real time, needs a session of its own, and leaves as soon as it is there."""

    Options: ClassVar[type] = PhoneOptions
    name: ClassVar[str] = "phone"
    lead: ClassVar[float | None] = 0.2
    reports: ClassVar[bool] = False
    example: ClassVar[str] = ""
    uses_stdout: ClassVar[bool] = False
    problem: ClassVar[Exception | None] = None
    collecting: ClassVar[tuple[int, int, int]] = (0, 0, 0)  # when it was there

    def __init__(self, options: PhoneOptions) -> None: ...

    def needs(self, session: SessionOptions) -> SessionOptions:
        return replace(session, detects_speech=True)

    @contextmanager
    def connect(self, session: SessionOptions, show: Show) -> Iterator[OpenLink]:
        show.line(0.0, Who.PERSON, "rings")
        yield self._open
        if Phone.problem is not None:
            raise Phone.problem

    def _open(self, clock: Clock) -> AbstractAsyncContextManager[Link]:
        Phone.collecting = gc.get_threshold()
        return open_machine(Side.FRONT, Script().on("session.created", Close(1000, "enough")), clock)


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
    fakes = {"fake": Fake, "phone": Phone, "reading": Reading, "wired": Wired}
    monkeypatch.setattr(Fake, "model", staticmethod(model), raising=False)

    def find(group: str, name: str) -> type[Any]:
        return fakes.get(name) or finding.find(group, name)

    monkeypatch.setattr("cli.chosen.find", find)


def engine(*tokens: str | Path) -> int:
    """Run the command."""
    return main([str(token) for token in tokens])
