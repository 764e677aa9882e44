"""Exact replay: the recorded inputs go into the session of today, and every command is compared.

No file is opened here, and no time passes: steps come from a `Recording`, or from a simulation. Timers are not
recorded; a session that is brought to the time of each input fires them itself, each at its own time.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Final, Protocol

from realtime_engine.commands import Command, Send, Step
from realtime_engine.errors import RecordingError
from realtime_engine.inputs import Input
from realtime_engine.recording.lines import Came, Done
from realtime_engine.recording.redact import redact

_AROUND: Final = 4  # entries of the recording that are shown before a difference, and after it


class Replayable(Protocol):
    """What can be replayed: a `realtime_engine.session.Session`."""

    def step(self, now: float, given: Input, /) -> Sequence[Command]:
        """Take one input."""

    def advance(self, now: float, /) -> Sequence[tuple[float, Sequence[Command]]]:
        """Fire the timers that are due."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay first differs from its recording.

    Attributes:
        n: The number of the last input before it, from 1; 0: there was none.
        expected: What the recording has; None: nothing more before the next input.
        got: What the session of today wants; None: nothing more.
        before, after: What the recording has around it, the oldest first; without `expected`.
    """

    n: int
    expected: Done | None
    got: Done | None
    before: tuple[Came | Done, ...]
    after: tuple[Came | Done, ...]

    @property
    def at(self) -> float:
        """When, in seconds."""
        return min(done.at for done in (self.expected, self.got) if done is not None)


def replay(session: Replayable, steps: Iterable[Step], end: float | None = None) -> Difference | None:
    """Feed steps to a new session, and give the first difference.

    Args:
        session: Made from the options of the recording.
        steps: What was recorded.
        end: When the recording ends, in seconds; None: it was cut off, and commands that its last input led to may
            be missing.

    Raises:
        RecordingError: The steps cannot be read to their end; all that came before is the same.
    """
    return _Replay(session, iter(steps)).run(end)


class _Replay:
    def __init__(self, session: Replayable, steps: Iterator[Step]) -> None:
        self._session = session
        self._steps = steps
        self._n = 0
        self._at = 0.0
        self._expected: list[Done] = []  # since the last input
        self._got: list[Done] = []
        self._before: deque[Came | Done] = deque(maxlen=_AROUND)

    def run(self, end: float | None) -> Difference | None:
        damage = None
        try:
            for step in self._steps:
                difference = self._take(step)
                if difference is not None:
                    return difference
        except RecordingError as error:
            damage, end = error, None
        self._advance(self._at if end is None else end)
        if end is None:
            del self._got[len(self._expected) :]
        if not _all_same(self._expected, self._got):
            return self._difference([])
        if damage is not None:
            raise damage
        return None

    def _take(self, step: Step) -> Difference | None:
        """Replay a step; the commands before it are then complete, and compared."""
        if step.input is not None:
            self._advance(step.at)
            if not _all_same(self._expected, self._got):
                return self._difference([Came(step.at, step.input), *_entries(step.commands, step.at)])
            self._begin(step.at, step.input)
        self._expected += _entries(step.commands, step.at)
        self._at = step.at
        return None

    def _begin(self, at: float, given: Input) -> None:
        self._before.extend(self._expected)
        self._before.append(Came(at, given))
        self._n += 1
        self._expected = []
        self._got = _entries(self._session.step(at, given), at)

    def _advance(self, now: float) -> None:
        for at, commands in self._session.advance(now):
            self._got += _entries(commands, at)

    def _difference(self, following: Sequence[Came | Done]) -> Difference:
        """The first one, for there is one."""
        pairs = enumerate(zip_longest(self._expected, self._got))
        index, (expected, got) = next((i, pair) for i, pair in pairs if not _same(*pair))
        after = chain(self._expected[index + 1 :], following, _all_entries(self._steps))
        self._before.extend(self._expected[:index])
        return Difference(self._n, expected, got, tuple(self._before), tuple(islice(after, _AROUND)))


def _all_same(expected: Sequence[Done], got: Sequence[Done]) -> bool:
    return len(expected) == len(got) and all(map(_same, expected, got))


def _same(expected: Done | None, got: Done | None) -> bool:
    """Whether two commands would do the same; where secrets were taken out of a recording, without them."""
    if expected is None or got is None or expected.at != got.at:
        return False
    recorded, today = expected.command, got.command
    if isinstance(recorded, Send) and isinstance(today, Send):
        same = recorded.side is today.side and recorded.kind is today.kind
        return same and (recorded.raw == today.raw or recorded.raw == redact(today.raw))
    return recorded == today


def _entries(commands: Iterable[Command], at: float) -> list[Done]:
    return [Done(at, command) for command in commands]


def _all_entries(steps: Iterator[Step]) -> Iterator[Came | Done]:
    """What the steps hold, as far as they can be read."""
    try:
        for step in steps:
            if step.input is not None:
                yield Came(step.at, step.input)
            yield from _entries(step.commands, step.at)
    except RecordingError:
        return
