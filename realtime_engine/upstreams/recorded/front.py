"""A recording in the place of a front: it says again what the front said then, at the times of then.

A machine without I/O, but for what the steps do when they are read.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import Final, NamedTuple

import msgspec

from realtime_engine.audio import microseconds
from realtime_engine.commands import Step
from realtime_engine.events import peek_type
from realtime_engine.inputs import Closed, Kind, Message, Side
from realtime_engine.machine import Close, Connected, Disconnected, Frame, MachineInput, MachineOutput
from realtime_engine.upstreams.recorded.compare import Named, ids_in, rename
from realtime_engine.upstreams.recorded.script import sent

LINGER: Final = 10.0
"""Seconds that the front stays after the end of a recording in which it was not the front that left."""

REACTION: Final = 0.2
"""Seconds that an immediate answer waits for what it answered then; less than a session waits for a report."""


class Cue(NamedTuple):
    """Something that the front said, and when, in seconds.

    ``told`` is how much it had been told, if the last of it came at the same instant: then it was the answer to that.
    """

    at: float
    output: Frame | Close
    told: int


class RecordedFront:
    """The front's side of a recorded conversation, from its steps, which are read as they are needed.

    Whatever happens now, it speaks when it spoke then; only what was an answer at once waits for what it answers, for
    `REACTION` at most. What it names, it names by its id of now: with every type of event that it is told, the
    first of now is the first of then, and so on. So it can speak to the recorded model, and to another.

    Its methods raise `realtime_engine.errors.RecordingError` where the steps cannot be read on.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._names = _Names()
        self._cues = _cues(steps, self._names.then)
        self._next: Cue | None = None
        self._start = 0.0
        self._told = 0

    @property
    def deadline(self) -> float:
        """When it next says something."""
        if self._next is None:
            return inf
        wait = REACTION if self._told < self._next.told else 0.0
        return microseconds(self._start + self._next.at + wait)

    @property
    def waits_for(self) -> str:
        """Its time, or the end."""
        return "the end" if self._next is None else f"{self.deadline:.3f} s, to go on"

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """Take one input."""
        match given:
            case Connected():
                self._start = now
                self._next = next(self._cues, None)
            case Frame():
                self._told += 1
                self._names.now(given)
            case Disconnected():
                self._next = None
            case _:
                pass  # it has no work done
        return ()

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """Say what is due."""
        said: list[MachineOutput] = []
        while self._next is not None and self.deadline <= now:
            output = self._next.output
            if isinstance(output, Frame) and output.kind is Kind.TEXT and self._names.changed:
                output = Frame(rename(output.raw, self._names.changed))
            said.append(output)
            self._next = next(self._cues, None)
        return said


def _cues(steps: Iterable[Step], tell: Callable[[Frame], None]) -> Iterator[Cue]:
    """What the front said; ``tell`` is given what it was told in between."""
    at, told, told_at = 0.0, 0, -inf
    for step in steps:
        at = step.at
        match step.input:
            case Message(side=Side.FRONT, raw=raw, kind=kind):
                yield Cue(at, Frame(bytes(raw), kind), told if told_at == at else 0)
            case Closed(side=Side.FRONT, code=code, reason=reason):
                yield Cue(at, Close(code, reason), told if told_at == at else 0)
                return
        for frame in sent(step, Side.FRONT):
            tell(frame)
            told, told_at = told + 1, at
    yield Cue(at + LINGER, Close(reason="the recording is over"), 0)


class _Names:
    """Learns the ids of now: by what the front is told now, and what it was told then.

    Attributes:
        changed: The ids of then that are others now.
    """

    def __init__(self) -> None:
        self.changed: dict[str, str] = {}
        self._then: defaultdict[str, deque[Named]] = defaultdict(deque)  # by type, what has no counterpart yet
        self._now: defaultdict[str, deque[Named]] = defaultdict(deque)

    def then(self, frame: Frame) -> None:
        """The front was told this then."""
        self._tell(frame, self._then)

    def now(self, frame: Frame) -> None:
        """The front is told this now."""
        self._tell(frame, self._now)

    def _tell(self, frame: Frame, told: defaultdict[str, deque[Named]]) -> None:
        kind = _type_with_new_ids(frame)
        if kind is None:
            return
        told[kind].append(ids_in(frame.raw))
        if self._then[kind] and self._now[kind]:
            for (key, then), (same_key, now) in zip(
                self._then[kind].popleft(), self._now[kind].popleft(), strict=False
            ):
                if key != same_key:
                    break
                if then != now:
                    self.changed.setdefault(then, now)


def _type_with_new_ids(frame: Frame) -> str | None:
    """The type of an event in which an id may occur for the first time; a delta is never the first."""
    try:
        kind = peek_type(frame.raw) if frame.kind is Kind.TEXT else ""
    except msgspec.DecodeError:
        return None
    return None if not kind or kind.endswith(".delta") else kind
