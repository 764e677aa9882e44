"""What a new connection to the model must be told, so that a conversation goes on where the last one broke off.

It is gathered while all is well: the settings as they were asked for and granted, the audio that the server has not
made a turn of, the turns that nobody has written down, and what the server has not confirmed.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from realtime_engine import events as ev
from realtime_engine.conversation import Conversation
from realtime_engine.input_audio import Chunk, RecentAudio
from realtime_engine.objects import Item, Json, text
from realtime_engine.options import NO_SETTINGS, SessionOptions
from realtime_engine.seeding import seed, seed_id, seeds, unwritten
from realtime_engine.unanswered import Told, Unanswered, is_like

InventId = Callable[[], str]

_UNSAID: Final = ("realtime", "server_vad")
"""What a session, and its turn detection, is that does not say its type."""

_ANSWERS: Final = frozenset(
    {
        ev.SessionCreated,
        ev.SessionUpdated,
        ev.ConversationCreated,
        ev.ConversationItemAdded,
        ev.ConversationItemCreated,
        ev.ConversationItemDone,
        ev.ConversationItemDeleted,
        ev.InputAudioBufferCommitted,
        ev.InputAudioBufferCleared,
        ev.Error,
    }
)
"""What a server says to what it was told."""

_Answer: TypeAlias = tuple[type[ev.Event], str]
"""What a server says of an item: which event, and the item's id."""

_ADDED: Final = ev.ConversationItemAdded
_DONE: Final = ev.ConversationItemDone
_DELETED: Final = ev.ConversationItemDeleted


class Recovery:
    """What is gathered for the next connection.

    Attributes:
        lost: The ids of items that belong to connections that are gone: the model has them as text, if at all.
        lacks: What the last connection could not be told, for the log.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.lost: frozenset[str] = frozenset()
        self.lacks: list[str] = []
        self._settings = options.settings
        self._keep_audio = options.keep_audio
        self._most_bytes = options.limits.pending_bytes
        self._unanswered = Unanswered(most_bytes=self._most_bytes)
        self._restoring: ev.SessionUpdate | None = None  # not answered yet
        self._seeding: dict[str, str] = {}  # the item that each event was about
        self._expected: Counter[_Answer] = Counter()  # what the server will say to them
        self._unmade: dict[str, Item] = {}  # items that it has not made yet, in order
        self._names: dict[str, str] = {}  # what it calls those that it has named itself
        self._seeded: list[str] = []  # items, in order
        self._spoken: dict[str, bytes] = {}  # turns that nobody has written down
        self._dealt_with = 0.0  # milliseconds of microphone audio of which the server has made turns, or nothing
        self._asked_at: float | None = None  # the same, by what the client asked for, of the answer that has come
        self._begun = 0  # connections
        self._connections = 0  # that have greeted

    # --- while all is well ----------------------------------------------------------------------------------

    def told(self, event: ev.Event, raw: bytes, recent: RecentAudio) -> bool:
        """The model is told something. Whether there was room for it."""
        return self._unanswered.tell(event, raw, recent.stop_ms)

    def repeats(self, event: ev.Event) -> bool:
        """Take in what the server says. Whether it only answers what a new connection was told, and is no news."""
        if type(event) not in _ANSWERS:  # nearly always
            return False
        if isinstance(event, ev.SessionCreated):
            self._connections += 1
            return self._connections > 1
        if isinstance(event, ev.ConversationCreated):
            return self._begun > 1
        if isinstance(event, ev.SessionUpdated) and self._restoring is not None:
            self._restoring = None
            return self._connections > 1
        if self._answers_seeding(event):
            return True
        if isinstance(event, ev.Error) and self._restoring is not None and _names(event, self._restoring):
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

    def _answers_seeding(self, event: ev.Event) -> bool:
        match event:
            case ev.ConversationItemAdded(item=item) | ev.ConversationItemCreated(item=item):
                self._made(item)
                answer: _Answer = _ADDED, text(item.id)
            case ev.ConversationItemDone(item=item):
                answer = _DONE, text(item.id)
            case ev.ConversationItemDeleted(item_id=item_id):
                answer = _DELETED, item_id
            case ev.Error(error=error):
                return self._was_refused(text(error.event_id))
            case _:
                return False
        expected = self._expected[answer] > 0
        if expected:
            self._expected[answer] -= 1
        return expected

    def _made(self, item: Item) -> None:
        """The server has made an item; of one that it has named itself it says all else by that name (xAI)."""
        made = text(item.id)
        if self._unmade.pop(made, None) is not None or not self._unmade or not made:
            return
        named, wanted = next(iter(self._unmade.items()))
        if is_like(wanted, item):
            del self._unmade[named]
            self._names[named] = made
            for kind in (_ADDED, _DONE):
                self._expected[kind, made] += self._expected.pop((kind, named), 0)

    def _was_refused(self, event_id: str) -> bool:
        """Whether an error answers what was told of an item; then nothing else will."""
        item_id = self._seeding.pop(event_id, None)
        for answer in (_ADDED, _DONE, _DELETED) if item_id is not None else ():
            self._expected.pop((answer, str(item_id)), None)
        self._unmade.pop(str(item_id), None)
        return item_id is not None

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

    def half_said(self, recent: RecentAudio) -> bool:
        """Whether there is audio of which no turn was made."""
        return recent.stop_ms > self._dealt_with

    def _asked_until(self, recent: RecentAudio) -> float:
        """How much audio there was when that was asked for which the server has now done."""
        return recent.stop_ms if self._asked_at is None else self._asked_at

    # --- when the connection is lost ------------------------------------------------------------------------

    def part(self, conversation: Conversation, recent: RecentAudio) -> list[Chunk | Told]:
        """The connection is gone. What it made no use of, to be sent again: events, and audio as far as it is kept."""
        self.lost = conversation.ids
        self.lacks = []
        self._restoring = None
        too_old = recent.start_ms - self._dealt_with
        if too_old > 0:
            self.lacks.append(f"{too_old / 1000:.1f} s of what was said are too old to be said again")
        again: list[Chunk | Told] = []
        begun, self._dealt_with = self._dealt_with, 0.0
        for told in self._unanswered.take_all():
            again += [*recent.sent_between(begun, told.audio_ms), told]
            begun = max(begun, told.audio_ms)
        return again + list(recent.sent_between(begun, recent.stop_ms))

    def begin(self, conversation: Conversation, invent_id: InventId) -> list[ev.Event]:
        """What a connection is told first: the settings, and the conversation so far."""
        settings: list[ev.Event] = []
        if bytes(self._settings) != bytes(NO_SETTINGS):
            self._restoring = ev.SessionUpdate(event_id=invent_id(), session=self._settings)
            settings.append(self._restoring)
        items = self._items(conversation)
        self._seeded = [str(item.id) for item in items]
        self._seeding.clear()
        self._expected.clear()
        self._unmade.clear()
        self._names.clear()
        self._begun += 1
        if not items:
            conversation.restart()
        return settings + [self._create(ev.ConversationItemCreate(event_id=invent_id(), item=item)) for item in items]

    def name_now(self, item_id: str) -> str:
        """What this connection calls an item that the front knows by this id."""
        return self._name(seed_id(item_id)) if item_id in self.lost else item_id

    def _name(self, told: str) -> str:
        return self._names.get(told, told)

    def name_then(self, item_id: str) -> str:
        """By which id the front knows an item that this connection calls so."""
        return next((known for known in self.lost if known != item_id and self.name_now(known) == item_id), item_id)

    def say_less(self, item_id: str, conversation: Conversation, invent_id: InventId) -> list[ev.Event]:
        """Less was heard of this answer than the connection was told: what it was told is replaced."""
        entry, told = conversation.get(item_id), seed_id(item_id)
        if entry is None or told not in self._seeded:
            return []
        name = self._name(told)
        delete = ev.ConversationItemDelete(event_id=invent_id(), item_id=name)
        self._seeding[str(delete.event_id)] = name
        self._expected[_DELETED, name] += 1
        at = self._seeded.index(told)
        item = seed(entry)
        if item is None:
            del self._seeded[at]
            return [delete]
        before = self._name(self._seeded[at - 1]) if at else "root"
        return [
            delete,
            self._create(ev.ConversationItemCreate(event_id=invent_id(), previous_item_id=before, item=item)),
        ]

    def _create(self, create: ev.ConversationItemCreate) -> ev.Event:
        self._seeding[str(create.event_id)] = str(create.item.id)
        self._unmade[str(create.item.id)] = create.item
        for answer in (_ADDED, _DONE):
            self._expected[answer, str(create.item.id)] += 1
        return create

    def _items(self, conversation: Conversation) -> list[Item]:
        """The conversation so far: the newest of it, if that is very much."""
        known = list(seeds(conversation, self._spoken))
        newest: list[Item] = []
        room = self._most_bytes
        for item in reversed(known):
            room -= len(msgspec.json.encode(item))
            if room < 0:
                self.lacks.append(f"the oldest {len(known) - len(newest)} items are too much to be told again")
                break
            newest.append(item)
        strange = sum(entry.type.startswith("mcp") for entry in conversation)
        if strange:
            self.lacks.append(f"{strange} items cannot be told again: only servers make them")
        silent = sum(map(unwritten, newest))
        if silent:
            self.lacks.append(f"{silent} spoken turns are neither written down nor kept")
        return newest[::-1]


def merged(settings: Json, change: Json) -> Json:
    """The settings after an update: only what is named changes, at any depth; another ``type`` is another thing.

    Source: protocol.md, section 5.
    """
    if not (isinstance(settings, dict) and isinstance(change, dict)):
        return change
    types = (settings["type"],) if "type" in settings else _UNSAID
    if "type" in change and change["type"] not in types:
        return change
    return settings | {key: merged(settings.get(key), value) for key, value in change.items()}


def _names(error: ev.Error, event: ev.Event) -> bool:
    return text(error.error.event_id) == text(event.event_id)
