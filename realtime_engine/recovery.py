"""What a new connection to the model must be told, so that a conversation goes on where the last one broke off.

It is gathered while all is well: the settings as they were asked for and granted, the audio that the server has not
made a turn of, the turns that nobody has written down, and what the server has not confirmed.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from realtime_engine import events as ev
from realtime_engine.conversation import Conversation
from realtime_engine.input_audio import Chunk, RecentAudio
from realtime_engine.objects import Item, Json, text
from realtime_engine.options import NO_SETTINGS, SessionOptions
from realtime_engine.seeding import seeds
from realtime_engine.unanswered import Told, Unanswered


class Recovery:
    """What is gathered for the next connection.

    Attributes:
        lost: The ids of items that belong to connections that are gone: the model has them as text, if at all.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.lost: frozenset[str] = frozenset()
        self._settings = options.settings
        self._keep_audio = options.keep_audio
        self._most_bytes = options.limits.pending_bytes
        self._unanswered = Unanswered(most_bytes=self._most_bytes)
        self._restoring: ev.SessionUpdate | None = None  # not answered yet
        self._seeded: dict[str, str] = {}  # the item that each event was to make
        self._items: frozenset[str] = frozenset()
        self._spoken: dict[str, bytes] = {}  # turns that nobody has written down
        self._dealt_with = 0.0  # milliseconds of microphone audio of which the server has made turns, or nothing
        self._asked_at: float | None = None  # the same, by what the client asked for, of the answer that has come
        self._connections = 0

    # --- while all is well ----------------------------------------------------------------------------------

    def told(self, event: ev.Event, raw: bytes, recent: RecentAudio) -> bool:
        """The model is told something. Whether there was room for it."""
        return self._unanswered.tell(event, raw, recent.stop_ms)

    def repeats(self, event: ev.Event) -> bool:
        """Take in what the server says. Whether it only answers what a new connection was told, and is no news."""
        if isinstance(event, ev.SessionCreated):
            self._connections += 1
            return self._connections > 1
        if isinstance(event, ev.SessionUpdated) and self._restoring is not None:
            self._restoring = None
            return self._connections > 1
        if isinstance(event, ev.ConversationItemAdded | ev.ConversationItemCreated | ev.ConversationItemDone):
            if text(event.item.id) in self._items:
                return True
        elif isinstance(event, ev.Error) and text(event.error.event_id) in self._seeded:
            return True
        elif isinstance(event, ev.Error) and self._restoring is not None and _names(event, self._restoring):
            self._restoring = None
        answered = self._unanswered.answer(event)
        self._asked_at = answered.audio_ms if answered is not None else None
        if (
            isinstance(event, ev.SessionUpdated)
            and answered is not None
            and isinstance(answered.event, ev.SessionUpdate)
        ):
            settings: Json = msgspec.json.decode(self._settings)
            self._settings = Raw(msgspec.json.encode(merged(settings, msgspec.json.decode(answered.event.session))))
        return False

    def committed(self, item_id: str, conversation: Conversation, recent: RecentAudio) -> None:
        """The server has made a turn of the audio; what was said is kept until it is written down."""
        entry = conversation.get(item_id)
        start, end = (entry.start_ms, entry.end_ms) if entry is not None else (None, None)
        begun = self._dealt_with if start is None else start
        self._dealt_with = self._asked_until(recent) if end is None else end
        self._spoken[item_id] = recent.between(begun, self._dealt_with)
        room = recent.format.size(self._keep_audio)
        while sum(map(len, self._spoken.values())) > room:
            del self._spoken[next(iter(self._spoken))]

    def written_down(self, item_id: str) -> None:
        """A turn has its transcript, or is taken out of the conversation."""
        self._spoken.pop(item_id, None)

    def cleared(self, recent: RecentAudio) -> None:
        """The server has forgotten the audio."""
        self._dealt_with = self._asked_until(recent)

    def reformatted(self, recent: RecentAudio) -> None:
        """Audio has another format from here on; what was kept of it cannot be said again."""
        self._dealt_with = recent.stop_ms
        self._spoken.clear()

    def _asked_until(self, recent: RecentAudio) -> float:
        """How much audio there was when that was asked for which the server has now done."""
        return recent.stop_ms if self._asked_at is None else self._asked_at

    # --- when the connection is lost ------------------------------------------------------------------------

    def half_said(self, recent: RecentAudio) -> bool:
        """Whether there is audio of which no turn was made."""
        return recent.stop_ms > self._dealt_with

    def part(self, conversation: Conversation, recent: RecentAudio) -> list[Chunk | Told]:
        """The connection is gone. What it made no use of, to be sent again: events, and audio as far as it is kept."""
        self.lost = conversation.ids
        self._restoring = None
        again: list[Chunk | Told] = []
        begun, self._dealt_with = self._dealt_with, 0.0
        for told in self._unanswered.take_all():
            again += [*recent.sent_between(begun, told.audio_ms), told]
            begun = max(begun, told.audio_ms)
        return again + list(recent.sent_between(begun, recent.stop_ms))

    def begin(self, conversation: Conversation, invent_id: Callable[[], str]) -> list[ev.Event]:
        """What a connection is told first: the settings, and the conversation so far."""
        settings: list[ev.Event] = []
        if bytes(self._settings) != bytes(NO_SETTINGS):
            self._restoring = ev.SessionUpdate(event_id=invent_id(), session=self._settings)
            settings.append(self._restoring)
        return settings + self._items_of(conversation, invent_id)

    def _items_of(self, conversation: Conversation, invent_id: Callable[[], str]) -> list[ev.Event]:
        """The conversation so far: the newest of it, if that is very much."""
        newest: list[Item] = []
        room = self._most_bytes
        for item in reversed(list(seeds(conversation, self._spoken))):
            room -= len(msgspec.json.encode(item))
            if room < 0:
                break
            newest.append(item)
        events = [ev.ConversationItemCreate(event_id=invent_id(), item=item) for item in reversed(newest)]
        self._seeded = {str(event.event_id): str(event.item.id) for event in events}
        self._items = frozenset(self._seeded.values())
        return [*events]


def merged(settings: Json, change: Json) -> Json:
    """The settings after an update: only what is named changes, at any depth; another ``type`` is another thing.

    Source: protocol.md, section 5.
    """
    if not (isinstance(settings, dict) and isinstance(change, dict)):
        return change
    if settings.get("type") != change.get("type", settings.get("type")):
        return change
    return settings | {key: merged(settings.get(key), value) for key, value in change.items()}


def _names(error: ev.Error, event: ev.Event) -> bool:
    return text(error.error.event_id) == text(event.event_id)
