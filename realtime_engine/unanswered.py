"""What the model was told and has not confirmed: if its connection is lost, it must be told again.

The server answers each of these events once, in order, with an event of its own kind or with an ``error``. Audio and
``response.create`` are not among them: others look after those.

Source: protocol.md, section 3.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from realtime_engine import events as ev
from realtime_engine.objects import Item, text

_MOST: Final = 256  # a server that answers none of so many will not answer them any more


class Told(NamedTuple):
    """An event that was sent, or waits to be, and its frame; and how much audio went before it, in milliseconds."""

    event: ev.Event
    raw: bytes
    audio_ms: float


class Unanswered:
    """Events that wait for their answer, the oldest first."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._told: deque[Told] = deque()

    def take_all(self) -> list[Told]:
        """All of them; then nothing waits any more."""
        told, self._bytes = list(self._told), 0
        self._told.clear()
        return told

    def tell(self, event: ev.Event, raw: bytes, audio_ms: float) -> bool:
        """An event goes to the server; it waits here if it is one that is answered.

        Returns:
            Whether there was room; if not, the oldest are forgotten.
        """
        if type(event) not in _ANSWERABLE:
            return True
        self._told.append(Told(event, raw, audio_ms))
        self._bytes += len(raw)
        room = len(self._told) <= _MOST and self._bytes <= self._most_bytes
        while len(self._told) > _MOST or self._bytes > self._most_bytes:
            self._take(self._told[0])
        return room

    def answer(self, event: ev.Event) -> Told | None:
        """Take what the server's event answers; None: it answers none of them."""
        for fits in _FITS.get(type(event), ()):
            told = next((told for told in self._told if fits(told.event, event)), None)
            if told is not None:
                self._take(told)
                return told
        return None

    def _take(self, told: Told) -> None:
        self._told.remove(told)
        self._bytes -= len(told.raw)


def _added(told: ev.Event, answer: ev.ConversationItemAdded | ev.ConversationItemCreated) -> bool:
    """Whether it is the item that was to be made, by its id; one that was given none is known by its kind."""
    if not isinstance(told, ev.ConversationItemCreate):
        return False
    wanted, made = told.item, answer.item
    return wanted.id == made.id if text(wanted.id) else _kind(wanted) == _kind(made)


def _added_by_another_name(told: ev.Event, answer: ev.ConversationItemAdded | ev.ConversationItemCreated) -> bool:
    return isinstance(told, ev.ConversationItemCreate) and is_like(told.item, answer.item)


def is_like(wanted: Item, made: Item) -> bool:
    """Whether an item is the one that was to be made, whatever it is called: some servers name items themselves."""
    return _kind(wanted) == _kind(made) and _says(wanted) == _says(made)


def _kind(item: Item) -> tuple[str, str, str]:
    content = item.content
    return item.type, text(item.role), content[0].type if isinstance(content, tuple) and content else ""


def _says(item: Item) -> tuple[str, ...]:
    parts = item.content if isinstance(item.content, tuple) else ()
    return text(item.call_id), text(item.output), *(text(part.text) for part in parts)


def _deleted(told: ev.Event, answer: ev.ConversationItemDeleted) -> bool:
    return isinstance(told, ev.ConversationItemDelete) and told.item_id == answer.item_id


def _refused(told: ev.Event, answer: ev.Error) -> bool:
    """An error names the event that it answers; if that has no id, it is the oldest of those that have none."""
    return text(told.event_id) == text(answer.error.event_id)


def _is_a(kind: type[ev.Event]) -> Callable[[ev.Event, ev.Event], bool]:
    return lambda told, _: isinstance(told, kind)


_ANSWERABLE: Final = frozenset(
    {
        ev.SessionUpdate,
        ev.ConversationItemCreate,
        ev.ConversationItemDelete,
        ev.InputAudioBufferCommit,
        ev.InputAudioBufferClear,
    }
)

_Fits: TypeAlias = Callable[[Any, Any], bool]  # each takes its own event

_FITS: Final[dict[type[ev.Event], tuple[_Fits, ...]]] = {
    ev.SessionUpdated: (_is_a(ev.SessionUpdate),),
    ev.ConversationItemAdded: (_added, _added_by_another_name),
    ev.ConversationItemCreated: (_added, _added_by_another_name),
    ev.ConversationItemDeleted: (_deleted,),
    ev.InputAudioBufferCommitted: (_is_a(ev.InputAudioBufferCommit),),
    ev.InputAudioBufferCleared: (_is_a(ev.InputAudioBufferClear),),
    ev.Error: (_refused,),
}
"""How the answer to an event is known: in these ways, the surest first."""
