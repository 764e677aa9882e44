"""The user speaks over the answer: what is dropped, and what the model is told of it.

An answer is cut by what is unheard of it, not by whether the model is done with it: ``response.done`` comes long
before the speech has been heard. The item is truncated to what was heard; a front that reports what it has
played is asked first, and has 250 ms to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from realtime_engine.events import ConversationItemTruncate
from realtime_engine.playback import Heard

REPORT_SECONDS: Final = 0.25
"""How long a truncation waits for the front's last report (design.md, section 3)."""

_REMEMBERED = 256  # cut responses; late audio comes within seconds, so the oldest are long over


@dataclass(slots=True)
class _Cut:
    """An interruption whose truncations have not been sent."""

    cleared_event_id: str
    heard: Sequence[Heard]
    deadline: float


class Interruption:
    """Which responses are cut, and which truncations wait for the front's word.

    While one waits, `waiting` is true and no response may be created: the model would go on from words that
    nobody heard.
    """

    def __init__(self) -> None:
        self._cut_responses: dict[str, None] = {}
        self._truncated: dict[str, None] = {}
        self._waiting: _Cut | None = None

    @property
    def waiting(self) -> bool:
        """Whether a truncation waits for the front."""
        return self._waiting is not None

    @property
    def deadline(self) -> float:
        """When the front's time to report is over, or ``inf``."""
        return self._waiting.deadline if self._waiting else inf

    def cut(self, responses: Sequence[str]) -> None:
        """From now on these responses are not heard."""
        for response_id in responses:
            self._cut_responses[response_id] = None
        _forget_oldest(self._cut_responses)

    def truncate(self, heard: Sequence[Heard]) -> list[ConversationItemTruncate]:
        """Truncate to the estimate, now."""
        for each in heard:
            self._truncated[each.item_id] = None
        _forget_oldest(self._truncated)
        return [_truncation(each.item_id, each.content_index, each.heard_ms) for each in heard]

    def await_report(self, now: float, cleared_event_id: str, heard: Sequence[Heard]) -> None:
        """Truncate when the front has said what was heard, or when its time is over."""
        for each in heard:
            self._truncated[each.item_id] = None
        _forget_oldest(self._truncated)
        self._waiting = _Cut(cleared_event_id, heard, now + REPORT_SECONDS)

    def report(
        self, cleared_event_id: str, item_id: str, content_index: int, audio_ms: float
    ) -> list[ConversationItemTruncate]:
        """The front's last report: all before that item was heard, nothing after it was.

        A report that answers another interruption, or comes too late, changes nothing; one about an item that is
        not being cut leaves the estimate.
        """
        if self._waiting is None or self._waiting.cleared_event_id != cleared_event_id:
            return []
        heard, self._waiting = self._waiting.heard, None
        places = [(each.item_id, each.content_index) for each in heard]
        if (item_id, content_index) not in places:
            return [_truncation(each.item_id, each.content_index, each.heard_ms) for each in heard]
        at = places.index((item_id, content_index))
        told = max(0, min(int(audio_ms), heard[at].sent_ms))
        cut_short = told < heard[at].sent_ms or heard[at].more
        first = [_truncation(item_id, content_index, told)] if cut_short else []
        return first + [_truncation(each.item_id, each.content_index, 0) for each in heard[at + 1 :]]

    def due(self, now: float) -> list[ConversationItemTruncate]:
        """The estimate's truncations, if the front's time is over."""
        if now < self.deadline or self._waiting is None:
            return []
        heard, self._waiting = self._waiting.heard, None
        return [_truncation(each.item_id, each.content_index, each.heard_ms) for each in heard]

    def drops(self, response_id: str) -> bool:
        """Whether audio of this response comes too late to be heard."""
        return response_id in self._cut_responses

    def late(self, item_id: str, content_index: int) -> list[ConversationItemTruncate]:
        """Audio of a cut response came for this item. If it is the item's first, nobody heard any of it."""
        if item_id in self._truncated:
            return []
        self._truncated[item_id] = None
        return [_truncation(item_id, content_index, 0)]


def _truncation(item_id: str, content_index: int, heard_ms: int) -> ConversationItemTruncate:
    return ConversationItemTruncate(item_id=item_id, content_index=content_index, audio_end_ms=heard_ms)


def _forget_oldest(remembered: dict[str, None]) -> None:
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
