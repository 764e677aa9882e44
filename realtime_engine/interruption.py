"""The user speaks over the answer: what is dropped, and what the model is told of it.

An answer is cut by what is unheard of it, not by whether the model is done with it: ``response.done`` comes long
before the speech has been heard. The item is truncated to what was heard; a front that reports what it has
played is asked first, and has 250 ms to say.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from realtime_engine.events import ConversationItemTruncate
from realtime_engine.playback import Heard

REPORT_SECONDS: Final = 0.25
"""How long a truncation waits for the front's last report (design.md, section 3)."""

_REMEMBERED = 256  # cut responses; late audio comes within seconds, so the oldest are long over


@dataclass(slots=True, eq=False)
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
        self._by_front: dict[str, int] = {}  # items that the front has truncated itself, and to how many ms
        self._waiting: deque[_Cut] = deque()  # rarely more than one: each is an answer cut within the last 250 ms

    @property
    def waiting(self) -> bool:
        """Whether a truncation waits for the front."""
        return bool(self._waiting)

    @property
    def deadline(self) -> float:
        """When the front's time to report is over, or ``inf``."""
        return self._waiting[0].deadline if self._waiting else inf

    def cut(self, responses: Sequence[str]) -> None:
        """From now on these responses are not heard. One without an id cannot be told from those that follow."""
        _remember(self._cut_responses, [response_id for response_id in responses if response_id])

    def truncated_by_front(self, item_id: str, heard_ms: int) -> None:
        """The front tells the model itself what was heard of an item."""
        _remember(self._truncated, [item_id])
        self._by_front[item_id] = min(heard_ms, self._by_front.get(item_id, heard_ms))
        if len(self._by_front) > _REMEMBERED:
            del self._by_front[next(iter(self._by_front))]

    def untold(self, heard: Sequence[Heard]) -> list[Heard]:
        """What was heard, but for items that the front has truncated to no more: nothing of them is left to tell."""
        return [each for each in heard if each.heard_ms < self._by_front.get(each.item_id, inf)]

    def truncate(self, heard: Sequence[Heard]) -> list[ConversationItemTruncate]:
        """Truncate to the estimate, now."""
        _remember(self._truncated, [each.item_id for each in heard])
        return _estimated(heard)

    def await_report(self, now: float, cleared_event_id: str, heard: Sequence[Heard]) -> None:
        """Truncate when the front has said what was heard, or when its time is over."""
        _remember(self._truncated, [each.item_id for each in heard])
        self._waiting.append(_Cut(cleared_event_id, heard, now + REPORT_SECONDS))

    def report(
        self, cleared_event_id: str, item_id: str, content_index: int, audio_ms: float
    ) -> list[ConversationItemTruncate]:
        """The front's last report: all before that item was heard, nothing after it was.

        A report that answers another interruption, or comes too late, changes nothing; one about an item that is
        not being cut leaves the estimate.
        """
        cut = next((cut for cut in self._waiting if cut.cleared_event_id == cleared_event_id), None)
        if cut is None:
            return []
        self._waiting.remove(cut)
        heard = cut.heard
        places = [(each.item_id, each.content_index) for each in heard]
        if (item_id, content_index) not in places:
            return _estimated(heard)
        at = places.index((item_id, content_index))
        told = max(0, min(int(audio_ms), heard[at].sent_ms))
        cut_short = told < heard[at].sent_ms or heard[at].more
        first = [_truncation(item_id, content_index, told)] if cut_short else []
        return first + [_truncation(each.item_id, each.content_index, 0) for each in heard[at + 1 :]]

    def due(self, now: float) -> list[ConversationItemTruncate]:
        """The estimate's truncations, if the front's time is over."""
        due: list[ConversationItemTruncate] = []
        while self._waiting and now >= self.deadline:
            due += _estimated(self._waiting.popleft().heard)
        return due

    def forget(self) -> None:
        """The connection is gone, and the next one's ids are its own: no audio of what was cut comes any more."""
        self._cut_responses.clear()
        self._truncated.clear()
        self._by_front.clear()

    def drops(self, response_id: str) -> bool:
        """Whether audio of this response comes too late to be heard."""
        return response_id in self._cut_responses

    def late(self, item_id: str, content_index: int) -> list[ConversationItemTruncate]:
        """Audio of a cut response came for this item. If it is the item's first, nobody heard any of it."""
        if item_id in self._truncated:
            return []
        _remember(self._truncated, [item_id])
        return [_truncation(item_id, content_index, 0)]


def _estimated(heard: Sequence[Heard]) -> list[ConversationItemTruncate]:
    return [_truncation(each.item_id, each.content_index, each.heard_ms) for each in heard]


def _truncation(item_id: str, content_index: int, heard_ms: int) -> ConversationItemTruncate:
    return ConversationItemTruncate(item_id=item_id, content_index=content_index, audio_end_ms=heard_ms)


def _remember(known: dict[str, None], ids: Sequence[str]) -> None:
    """Add ids, and forget the oldest that are too many."""
    known.update(dict.fromkeys(ids))
    while len(known) > _REMEMBERED:
        del known[next(iter(known))]
