"""What a machine is: a peer without I/O, which runs on the real clock and on a virtual one alike.

The embedded model, a recording, and the WAV front are machines. Input goes in with its time; frames, a close,
or work to be done come out; `Machine.deadline` says when the machine next wants to be called.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from realtime_engine.inputs import Kind


class Frame(msgspec.Struct, frozen=True):
    """One message between a machine and the session."""

    raw: bytes
    kind: Kind = Kind.TEXT


class Connected(msgspec.Struct, frozen=True):
    """The conversation begins."""


class Disconnected(msgspec.Struct, frozen=True):
    """The session has hung up, or the connection is lost; nothing the machine says is heard any more."""

    code: int = 1000
    reason: str = ""


class Done(msgspec.Struct, frozen=True):
    """Work has ended. Exactly one of ``result`` and ``error`` counts; ``error`` is None when all went well."""

    number: int
    result: object = None
    error: Exception | None = None


class Close(msgspec.Struct, frozen=True):
    """The machine ends the connection."""

    code: int = 1000
    reason: str = ""


class Work(msgspec.Struct, frozen=True):
    """Something slow. A driver calls ``run``, in a thread if need be, and gives the result back as `Done`."""

    number: int
    run: Callable[[], object]


MachineInput: TypeAlias = Frame | Connected | Disconnected | Done
MachineOutput: TypeAlias = Frame | Close | Work


class Machine(Protocol):
    """A peer of the session: a front or an upstream.

    Times are seconds on the session's clock, rounded to microseconds, never decreasing.
    """

    @property
    def deadline(self) -> float:
        """When `advance` next has something to do, or ``inf``."""

    @property
    def waits_for(self) -> str:
        """What the machine waits for now, in a few words, for `Stalled`."""

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """Take one input."""

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """Do what is due by ``now``. The driver has called `step` for all that came before."""
