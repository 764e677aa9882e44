"""A recording in the place of a model: it says again what the model said then, each thing when its time has come.

A machine without I/O; its script was read before.
"""

from collections import deque
from math import inf
from typing import Final

from realtime_engine.audio import microseconds
from realtime_engine.events import SessionUpdate, type_of
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Disconnected, Frame, MachineInput, MachineOutput
from realtime_engine.upstreams.recorded.compare import Comparison, compare, rename
from realtime_engine.upstreams.recorded.script import Ear, Heard, Script, Sent

DIFFERS: Final = 4000
"""The close code when what is sent is not what was sent then: the request has the wrong shape (protocol.md, 1.2)."""

PATIENCE: Final = 5.0
"""Seconds that an event may come later than it did then."""

_REMEDIES: Final = {type_of(SessionUpdate): "begin with the session and the tools of then (--session, --tools, …)"}
"""What mends it when an event of this type does not come."""


class RecordedModel:
    """The model's side of one connection.

    It says a thing when it has been sent again all that came before it then, and the gap that was before it has
    passed once more. Microphone audio is counted, however it is cut and whatever is said in it. Every other event must
    have been sent then: of all of its type that have not come yet it is the one it differs least from, and it must not
    differ at all (see `realtime_engine.upstreams.recorded.compare` for what is no difference). Events of
    different types may come in another order, as they do when time is real. But what the machine waits for must come:
    when all is there that came before it then, or something that came after it, within its gap and `PATIENCE`. Only
    for audio it waits as long as it takes.

    At the first difference the machine closes the connection. Its reason names the difference, so the session tells
    the front that its upstream has failed, and why; there is no ``error`` event besides, for to a front that
    would be a mistake that a conversation survives.

    Ids that the model made up stay. Those that the client made up then are replaced by the client's of now.

    Attributes:
        difference: The first difference, in words; None: there is none so far.
    """

    def __init__(self, script: Script) -> None:
        self.difference: str | None = None
        self._deaf = not script.opened
        self._over = False
        self._cues = deque(script.cues)
        self._said = 0
        self._due = inf  # when the next cue is to be said, once that is known
        self._ear = Ear()
        self._heard = len(script.heard)
        self._missing = dict(enumerate(script.heard))  # what has not come yet
        self._expected: Heard | None = None  # the oldest of that, if it is its turn
        self._overdue = inf  # when that must have come
        self._ids: dict[str, str] = {}
        self._renamed: dict[str, str] = {}

    @property
    def deadline(self) -> float:
        """When there is something to say, or something has not come in time."""
        return inf if self._over else min(self._due, self._overdue)

    @property
    def waits_for(self) -> str:
        """What has to come before the recording goes on."""
        if self._over or not self._cues:
            return "nothing: the recording is over"
        cue = self._cues[0]
        if self._due < inf:
            return f"{self._due:.3f} s, to go on"
        if self._have_come(cue.heard):
            return f"{cue.audio.size} bytes of audio, of which it has {self._ear.audio.size}"
        missing = self._missing[self._oldest]
        return f"{missing.sent.type}, which was sent at {missing.at:.3f} s then"

    def step(self, now: float, given: MachineInput) -> list[MachineOutput]:
        """Take one input. What is late is said before: waking late changes nothing."""
        if isinstance(given, Disconnected):
            self._over = True
        said = self.advance(now)
        if isinstance(given, Frame) and not (self._over or self._deaf):
            said += self._hear(now, given)
        if self._due == inf:
            self._prepare(now)
        self._watch(now)
        return said

    def advance(self, now: float) -> list[MachineOutput]:
        """Say what is due."""
        said: list[MachineOutput] = []
        while not self._over and self._due <= now:
            said.append(self._say())
        if not self._over and self._expected is not None and self._overdue <= now:
            said += self._differ(_not_come(self._expected))
        return said

    # --- what it says ---------------------------------------------------------------------------------------

    def _say(self) -> MachineOutput:
        at, output = self._due, self._cues.popleft().output
        self._said += 1
        self._prepare(at)
        self._watch(at)
        if isinstance(output, Close):
            self._over = True
        elif self._renamed and output.kind is Kind.TEXT:
            return Frame(rename(output.raw, self._renamed))
        return output

    def _prepare(self, now: float) -> None:
        """If all that came before the next cue is there, and be it since now, its gap begins."""
        self._due = inf
        if self._cues:
            cue = self._cues[0]
            if self._have_come(cue.heard) and self._ear.audio >= cue.audio:
                self._due = microseconds(now + cue.gap)

    def _differ(self, difference: str) -> list[MachineOutput]:
        self._over = True
        self.difference = difference
        return [Close(DIFFERS, f"not as recorded: {difference}")]

    # --- what it hears --------------------------------------------------------------------------------------

    def _hear(self, now: float, frame: Frame) -> list[MachineOutput]:
        sent = self._ear.hear(frame)
        if sent is None:
            return []
        nearest = self._nearest(sent)
        if nearest is None:
            return self._differ(f"{sent.type} at {now:.3f} s was not sent then; {self._next_expected()}")
        index, comparison = nearest
        heard = self._missing[index]
        if comparison.unlike:
            first, *more = comparison.unlike
            also = f", and {len(more)} more" if more else ""
            where = f"{sent.type} at {now:.3f} s differs from its nearest match, sent at {heard.at:.3f} s then"
            return self._differ(f"{where}: {first}{also}")
        del self._missing[index]
        self._ids = comparison.ids
        self._renamed = {then: today for then, today in comparison.ids.items() if then != today}
        return []

    def _nearest(self, sent: Sent) -> tuple[int, Comparison] | None:
        """Of the events of this type that have not come yet, the first that is the same, or else differs least."""
        nearest: tuple[int, Comparison] | None = None
        for index, heard in self._missing.items():
            if heard.sent.type != sent.type:
                continue
            comparison = compare(heard.sent, sent, self._ids)
            if not comparison.unlike:
                return index, comparison
            if nearest is None or len(comparison.unlike) < len(nearest[1].unlike):
                nearest = index, comparison
        return nearest

    def _next_expected(self) -> str:
        if not self._missing:
            return "nothing more was"
        heard = self._missing[self._oldest]
        return f"next was {heard.sent.type}, at {heard.at:.3f} s"

    @property
    def _oldest(self) -> int:
        """The number of the oldest event that has not come yet: so many came before it then."""
        return next(iter(self._missing), self._heard)

    def _have_come(self, count: int) -> bool:
        """Whether the first so many events have come."""
        return self._oldest >= count

    def _watch(self, now: float) -> None:
        """See whether the oldest missing event is due: its gap begins when all that was before it is there."""
        missing = self._missing.get(self._oldest)
        if missing is None or not self._is_due(missing):
            self._expected, self._overdue = None, inf
        elif missing is not self._expected:
            self._expected, self._overdue = missing, microseconds(now + missing.gap + PATIENCE)

    def _is_due(self, missing: Heard) -> bool:
        """Whether all that led to the oldest missing event is there, and there is more to say or it was overtaken."""
        overtaken = self._heard - len(self._missing) > self._oldest or self._ear.audio > missing.sent.audio
        awaited = bool(self._cues) and self._ear.audio >= missing.sent.audio
        return self._said >= missing.cues and (overtaken or awaited)


def _not_come(expected: Heard) -> str:
    """That an event is missing, and what mends that if it is known."""
    kind = expected.sent.type
    remedy = f": {_REMEDIES[kind]}" if kind in _REMEDIES else ""
    return f"{kind}, sent at {expected.at:.3f} s then, has not come within {PATIENCE:g} s of its time{remedy}"
